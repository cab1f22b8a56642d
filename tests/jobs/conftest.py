"""One registry and one tiny image for these tests; a service for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engine import BaseImage, engine, push_base, registry
from support.jobs import Site, site


@pytest.fixture(scope="session")
def image() -> Iterator[BaseImage]:
    """A tiny image in a registry."""
    with registry() as process:
        yield push_base(engine(), process)


@pytest.fixture
def place(tmp_path: Path, image: BaseImage) -> Iterator[Site]:
    """A service whose jobs really run."""
    with site(tmp_path, image) as found:
        yield found
