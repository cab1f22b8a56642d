"""Processes are killed in the middle of saves; nothing is lost, nothing is left half done (F09-F12, F28, F29)."""

import signal

import docker
import pytest

from support.at_work import ask_to_stop, checkpoint_ids, come_back, newest, only_notebook, working
from support.installation import Installation, wait_until

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(900)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_the_hub_dies_in_the_middle_of_a_stop(platform: Installation, number: signal.Signals) -> None:
    person, mark = working(platform, "ada", 60_000_000)
    ask_to_stop(person)
    before = platform.process_id("hub")
    platform.signal("hub", number)
    wait_until("another hub is there", lambda: platform.is_running_anew("hub", before))  # a hub takes leave for a while
    wait_until("the hub is back", lambda: person.ask("GET", "/hub/api/").status_code == 200)
    wait_until("the save is finished", lambda: newest(person).get("finished_at"))
    come_back(person, mark)


def test_the_platform_service_dies_in_the_middle_of_a_stop(platform: Installation) -> None:
    person, mark = working(platform, "ada", 60_000_000)
    ask_to_stop(person)
    platform.signal("service", signal.SIGKILL)
    wait_until("the service is back", lambda: person.api("GET", "/servers").status_code == 200)
    wait_until("the save is finished", lambda: newest(person).get("finished_at"))
    come_back(person, mark)


def test_the_agent_dies_in_the_middle_of_a_stop(platform: Installation) -> None:
    person, mark = working(platform, "ada", 60_000_000)
    ask_to_stop(person)
    agent = platform.containers("agent")[0]
    agent.kill("SIGKILL")
    agent.start()
    wait_until("the save is finished", lambda: newest(person).get("finished_at"), timeout_s=180)
    come_back(person, mark)


def test_a_registry_that_is_down_leaves_the_server_running_and_says_why(platform: Installation) -> None:
    person, mark = working(platform, "ada", 60_000_000)
    before = checkpoint_ids(person)
    platform.supervisor("stop", "registry")
    try:
        failed = person.finished(ask_to_stop(person)["id"], wait_s=240)
        assert failed["step"] == "failed" and "registry" in failed["reason"].lower()
        assert only_notebook(platform, person).status == "running"
        wait_until("the hub shows the server again", lambda: (person.server() or {}).get("ready"), timeout_s=120)
        assert person.shell("cat /opt/env/mark.txt").strip() == mark
    finally:
        platform.supervisor("start", "registry")
    assert not checkpoint_ids(person) - before
    person.stop(wait_s=240)
    come_back(person, mark)


def test_a_notebook_that_is_killed_is_saved_as_it_lies(platform: Installation) -> None:
    person, mark = working(platform, "ada", 60_000_000)
    platform.containers("notebook", person.platform_server()["id"])[0].kill("SIGKILL")
    wait_until(
        "it is saved", lambda: not platform.containers("notebook", person.platform_server()["id"]), timeout_s=180
    )
    come_back(person, mark)


def test_a_double_stop_is_one_operation(platform: Installation) -> None:
    person, mark = working(platform, "ada", 60_000_000)
    before = checkpoint_ids(person)
    for _ in range(2):
        person.ask("DELETE", person.server_path)
    wait_until(
        "it is stopped", lambda: not (person.server() or {}).get("pending") and not (person.server() or {}).get("ready")
    )
    assert len(checkpoint_ids(person) - before) == 1
    come_back(person, mark)


def test_a_start_during_a_save_waits_for_it(platform: Installation) -> None:
    person, mark = working(platform, "ada", 60_000_000)
    ask_to_stop(person)
    come_back(person, mark)


def test_an_interrupted_start_overwrites_no_checkpoint(platform: Installation) -> None:
    person, mark = working(platform, "ada", 60_000_000)
    person.stop()
    saved = person.checkpoints()[0]["digest"]
    person.ask("POST", person.server_path, json={})
    person.ask("DELETE", person.server_path)
    wait_until("nothing is pending", lambda: not (person.server() or {}).get("pending"), timeout_s=180)
    assert saved in [each["digest"] for each in person.checkpoints()]
    come_back(person, mark)


def test_a_saved_image_that_someone_pruned_is_fetched_again(platform: Installation) -> None:
    person, mark = working(platform, "ada", 60_000_000)
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
    come_back(person, mark)
