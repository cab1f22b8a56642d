"""One platform for each worker's end-to-end tests: starting one takes seconds, building its images minutes (once)."""

from collections.abc import Iterator

import pytest

from support import platform_invariants
from support.installation import Installation, installed

_SERVICE = """\
c.HubernateService.reconcile_every_s = 1
c.HubernateService.cull_every_s = 1
c.HubernateService.hub_every_s = 2
c.HubernateService.hub_grace_s = 10
c.HubernateService.agent_silent_after_s = 25
c.HubernateService.retry_after_s = 5
"""
_HUB = "c.Gate.activity_interval_s = 1\n"


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("platform")
    data = tmp_path_factory.mktemp("data")
    folders = f"c.DataGateway.folders = {{'data': {str(data)!r}}}\n"
    (folder / "service.py").write_text(
        _SERVICE + folders
    )  # the same loops, only impatient: what takes minutes takes seconds
    (folder / "hub.py").write_text(_HUB)
    with installed(folder) as running:
        yield running


@pytest.fixture(autouse=True)
def promises(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did to the platform, its promises hold afterwards."""
    yield
    if "platform" in request.fixturenames:
        platform_invariants.hold(request.getfixturevalue("platform"))
