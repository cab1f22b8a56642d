"""One registry, and two images for these tests: tiny, and with Python; a service for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engine import BaseImage, RegistryProcess, engine, push_base, registry
from support.jobs import Site, site
from support.platform_service import PREFIX
from support.python_image import python_tree
from support.relay import relay


@pytest.fixture(scope="session")
def images() -> Iterator[RegistryProcess]:
    """A registry."""
    with registry() as process:
        yield process


@pytest.fixture(scope="session")
def image(images: RegistryProcess) -> BaseImage:
    """A tiny image in the registry."""
    return push_base(engine(), images)


@pytest.fixture(scope="session")
def python_image(images: RegistryProcess) -> BaseImage:
    """One with Python and the SDK."""
    return push_base(engine(), images, python_tree())


@pytest.fixture
def place(tmp_path: Path, image: BaseImage) -> Iterator[Site]:
    """A service whose jobs really run."""
    with site(tmp_path, image) as found:
        yield found


@pytest.fixture
def python_place(tmp_path: Path, python_image: BaseImage) -> Iterator[Site]:
    """One whose jobs run Python."""
    with site(tmp_path, python_image, resources={"memory": "256Mi", "cpu": "1"}) as found:
        yield found


@pytest.fixture
def kernel(python_place: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This process is ada's kernel there, in a folder of hers."""
    token = python_place.service.start("ada").ticket.relay_token
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    with relay(f"{python_place.service.url}{PREFIX}", token) as url:
        monkeypatch.setenv("HUBERNATE_RELAY", url)
        yield folder
