"""A machine that lost the platform's database and keys: a backup puts them back, with real notebooks and registry."""

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import httpx
import pytest

from support.at_work import come_back, working
from support.installation import Installation, installed, wait_until

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A platform of this test's own: it comes to harm. In a short path, as its sockets need."""
    with installed(tmp_path_factory.mktemp("doomed")) as running:
        yield running


def _is_in_the_registry(platform: Installation, image: dict[str, str]) -> bool:
    where = f"http://{platform.settings['registry']}/v2/{image['repository']}/manifests/{image['digest']}"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    return httpx.get(where, headers=accept).status_code == 200


def test_notebooks_come_back_after_the_database_was_lost(doomed: Installation, tmp_path: Path) -> None:
    ada, mark = working(doomed, "ada", size=5_000_000)
    ada.stop()
    (known,) = ada.checkpoints()
    doomed.command("backup", str(tmp_path / "copy.tar.gz"), "--keys")
    come_back(ada, mark)
    ada.shell("echo after the backup > ~/later.txt && echo later > /opt/env/mark.txt")
    ada.stop()
    newer = ada.checkpoints()[0]
    doomed.command("down")
    for name in ("service", "secrets", "hub"):
        rmtree(doomed.state / name)
    for name in ("accounts.json", "platform.json", "tenants.json", "profiles.json"):
        (doomed.state / name).unlink()

    doomed.command("restore", str(tmp_path / "copy.tar.gz"))
    doomed.command("up")
    again = doomed.person("ada")
    wait_until("the server sleeps", lambda: again.platform_server()["state"] == "asleep")
    assert [each["id"] for each in again.checkpoints()] == [known["id"]], "as it was when the backup was made"
    come_back(again, mark)
    assert again.shell("cat ~/later.txt").strip() == "after the backup", "homes are no part of a backup, and stay"
    again.stop()
    assert len(again.checkpoints()) == 2, "and what they change is saved as before"
    assert _is_in_the_registry(doomed, newer), "what the backup does not know is not thrown away"
