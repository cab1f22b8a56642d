"""One platform for each worker's end-to-end tests: starting one takes seconds, building its images minutes (once)."""

from collections.abc import Iterator

import pytest

from support import impatient, platform_invariants
from support.installation import Installation, installed

_HUB = "c.Gate.activity_interval_s = 1\n"


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("platform")
    data = tmp_path_factory.mktemp("data")
    folders = f"c.DataGateway.folders = {{'data': {str(data)!r}}}\n"
    (folder / "service.py").write_text(impatient.SERVICE + folders)
    (folder / "hub.py").write_text(_HUB)
    with installed(folder) as running:
        yield running


@pytest.fixture(autouse=True)
def promises(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did to the platform, its promises hold afterwards."""
    yield
    if "platform" in request.fixturenames:
        platform_invariants.hold(request.getfixturevalue("platform"))
