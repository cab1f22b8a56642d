"""One node per test: real engine, real registry, a service in miniature."""

from collections.abc import Iterator

import pytest

from support.agent import Node
from support.agent import node as make_node
from support.engine import is_root


@pytest.fixture
def node() -> Iterator[Node]:
    """A node of its own."""
    if not is_root():
        pytest.fail("these tests read the engine's storage and must run as root")
    with make_node() as made:
        yield made
