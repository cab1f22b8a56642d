"""One node per test: a real engine, a real registry, a service in miniature."""

from collections.abc import Iterator

import pytest

from support.agent import Node
from support.agent import node as make_node
from support.containerd import PrivateContainerd, private_containerd
from support.engine import is_root
from support.pods import pod_node


@pytest.fixture(scope="session")
def containerd() -> Iterator[PrivateContainerd]:
    """A containerd for every test that needs one."""
    if not is_root():
        pytest.fail("a containerd of one's own needs root")
    with private_containerd() as made:
        yield made


@pytest.fixture
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    """A node of its own, on Docker unless the test says otherwise (support/engines.py)."""
    if not is_root():
        pytest.fail("these tests read the engine's storage and must run as root")
    on_docker = getattr(request, "param", "docker") == "docker"
    with make_node() if on_docker else pod_node(request.getfixturevalue("containerd")) as made:
        yield made
