"""Processes are killed in the middle of saves; nothing is lost, nothing is left half done (F09-F12, F28, F29)."""

import signal
from typing import Any

import docker
import pytest

from support.installation import Installation, wait_until
from support.person import Person

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(900)]

CHANGE = "head -c 60000000 /dev/urandom > /opt/env/big.bin && date +%s%N > /opt/env/mark.txt && cat /opt/env/mark.txt"


def working(platform: Installation, name: str = "ada", tenant: str = "research") -> tuple[Person, str]:
    """`name` with a running server and a fresh change; and the mark that must survive."""
    person = platform.person(name)
    if not (person.server() or {}).get("ready"):
        person.start(profile="base", tenant=tenant)
    return person, person.shell(CHANGE).strip()


def come_back(platform: Installation, person: Person, mark: str) -> None:
    """Start again and find the mark; whatever happened, at most one notebook container is there."""

    def started() -> bool:
        server = person.server()
        if server and server["ready"]:
            return True
        if not server or not server["pending"]:
            person.ask("POST", f"/hub/api/users/{person.name}/server", json={})
        return False

    wait_until("the server is back", started, timeout_s=180)
    assert person.shell("cat /opt/env/mark.txt").strip() == mark
    containers = platform.containers("notebook", person.platform_server()["id"])
    assert len([each for each in containers if each.status == "running"]) == 1
    assert not [each for each in containers if each.status == "paused"]


def stop_without_waiting(person: Person) -> None:
    person.ask("DELETE", f"/hub/api/users/{person.name}/server")


def operation_of(person: Person) -> dict[str, Any]:
    operation: dict[str, Any] = person.platform_server()["operation"] or {}
    return operation


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_the_hub_dies_in_the_middle_of_a_stop(platform: Installation, number: signal.Signals) -> None:
    person, mark = working(platform)
    stop_without_waiting(person)
    wait_until("a save is under way", lambda: operation_of(person).get("kind") == "stop")
    platform.signal("hub", number)
    wait_until("the hub is back", lambda: person.ask("GET", "/hub/api/").status_code == 200)
    wait_until("the save is finished", lambda: operation_of(person).get("finished_at"))
    come_back(platform, person, mark)


def test_the_platform_service_dies_in_the_middle_of_a_stop(platform: Installation) -> None:
    person, mark = working(platform)
    stop_without_waiting(person)
    wait_until("a save is under way", lambda: operation_of(person).get("kind") == "stop")
    platform.signal("service", signal.SIGKILL)
    wait_until("the service is back", lambda: person.api("GET", "/servers").status_code == 200)
    wait_until("the save is finished", lambda: operation_of(person).get("finished_at"))
    come_back(platform, person, mark)


def test_the_agent_dies_in_the_middle_of_a_stop(platform: Installation) -> None:
    person, mark = working(platform)
    stop_without_waiting(person)
    wait_until("a save is under way", lambda: operation_of(person).get("kind") == "stop")
    agent = platform.containers("agent")[0]
    agent.kill("SIGKILL")
    agent.start()
    wait_until("the save is finished", lambda: operation_of(person).get("finished_at"), timeout_s=180)
    come_back(platform, person, mark)


def test_a_registry_that_is_down_leaves_the_server_running_and_says_why(platform: Installation) -> None:
    person, mark = working(platform)
    before = len(person.checkpoints())
    platform.supervisor("stop", "registry")
    try:
        stop_without_waiting(person)
        failed = wait_until(
            "the save fails visibly",
            lambda: operation_of(person) if operation_of(person).get("step") == "failed" else None,
            timeout_s=240,
        )
        assert "registry" in failed["reason"].lower()
        assert platform.containers("notebook", person.platform_server()["id"])[0].status == "running"
        wait_until("the hub shows the server again", lambda: (person.server() or {}).get("ready"), timeout_s=120)
        assert person.shell("cat /opt/env/mark.txt").strip() == mark
    finally:
        platform.supervisor("start", "registry")
    assert len(person.checkpoints()) == before
    person.stop(wait_s=240)
    come_back(platform, person, mark)


def test_a_notebook_that_is_killed_is_saved_as_it_lies(platform: Installation) -> None:
    person, mark = working(platform)
    platform.containers("notebook", person.platform_server()["id"])[0].kill("SIGKILL")
    wait_until(
        "it is saved", lambda: not platform.containers("notebook", person.platform_server()["id"]), timeout_s=180
    )
    come_back(platform, person, mark)


def test_a_double_stop_is_one_operation(platform: Installation) -> None:
    person, mark = working(platform)
    before = len(person.checkpoints())
    stop_without_waiting(person)
    stop_without_waiting(person)
    wait_until(
        "it is stopped", lambda: not (person.server() or {}).get("pending") and not (person.server() or {}).get("ready")
    )
    assert len(person.checkpoints()) == before + 1
    come_back(platform, person, mark)


def test_a_start_during_a_save_waits_for_it(platform: Installation) -> None:
    person, mark = working(platform)
    stop_without_waiting(person)
    wait_until("a save is under way", lambda: operation_of(person).get("kind") == "stop")
    come_back(platform, person, mark)


def test_an_interrupted_start_overwrites_no_checkpoint(platform: Installation) -> None:
    person, mark = working(platform)
    person.stop()
    before = [each["digest"] for each in person.checkpoints()]
    person.ask("POST", f"/hub/api/users/{person.name}/server", json={})
    stop_without_waiting(person)
    wait_until("nothing is pending", lambda: not (person.server() or {}).get("pending"), timeout_s=180)
    if not (person.server() or {}).get("ready"):
        digests = [each["digest"] for each in person.checkpoints()]
        assert digests[-len(before) :] == before or set(before) <= set(digests)
    come_back(platform, person, mark)


def test_a_saved_image_that_someone_pruned_is_fetched_again(platform: Installation) -> None:
    person, mark = working(platform)
    person.stop()
    newest = person.checkpoints()[0]
    reference = f"{platform.settings['registry']}/{newest['repository']}@{newest['digest']}"
    engine = docker.from_env()

    def pruned() -> bool:
        for image in engine.images.list():
            if reference in (image.attrs.get("RepoDigests") or []):
                engine.images.remove(reference, force=True)
        return all(reference not in (image.attrs.get("RepoDigests") or []) for image in engine.images.list())

    wait_until("the image is gone from the engine", pruned)
    come_back(platform, person, mark)
