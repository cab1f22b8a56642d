"""Admins stop and delete, people log out; what a person had is saved and there when they are back (F38)."""

import time

import pytest

from support.at_work import ask_to_stop, browser, checkpoint_ids, come_back, newest, only_notebook, open_stop, working
from support.installation import Installation, wait_until
from support.person import Person

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture
def admin(platform: Installation) -> Person:
    return platform.person(platform.accounts()["admin"])


def stopped(person: Person) -> bool:
    server = person.server()
    return not server or not (server["ready"] or server["pending"])


def test_an_admin_stops_a_persons_server(platform: Installation, admin: Person) -> None:
    """At the hub and on the platform's page: both save first."""
    person, mark = working(platform, "ada")
    before = checkpoint_ids(person)
    assert admin.ask("DELETE", person.server_path).status_code in (202, 204)
    wait_until("it is stopped", lambda: stopped(person))
    assert newest(person)["outcome"] == "stopped" and len(checkpoint_ids(person) - before) == 1
    come_back(person, mark)

    server = person.platform_server()["id"]
    opened = admin.api("POST", f"/servers/{server}/operations", json={"kind": "stop"})
    assert opened.status_code == 202 and opened.json()["trigger"] == "admin"
    assert person.finished(opened.json()["id"])["outcome"] == "stopped"
    wait_until("the hub has heard of it", lambda: stopped(person))
    come_back(person, mark)


def test_a_person_who_is_deleted_while_saving_loses_nothing(platform: Installation, admin: Person) -> None:
    """The hub lets go of the account only after the save; home, checkpoints and the next login are as before."""
    person, mark = working(platform, "grace", 80_000_000)
    person.shell("echo kept > ~/kept.txt")
    server, operation = person.platform_server(), ask_to_stop(person)
    deleted: list[int] = []

    def delete() -> bool:
        deleted.append(admin.ask("DELETE", "/hub/api/users/grace").status_code)
        return deleted[-1] == 204

    wait_until("the account is deleted", delete)
    ended = admin.finished(operation["id"])
    assert ended["outcome"] == "stopped" and ended["checkpoint_id"], "deleted before it was saved"
    assert not platform.containers("notebook", server["id"])

    again = platform.person("grace")
    assert again.platform_server()["id"] == server["id"]
    assert ended["checkpoint_id"] in [each["id"] for each in again.checkpoints()]
    come_back(again, mark)
    assert again.shell("cat ~/kept.txt").strip() == "kept"


def test_a_running_persons_account_is_deleted(platform: Installation, admin: Person) -> None:
    person, mark = working(platform, "grace")
    server = person.platform_server()
    wait_until("the account is deleted", lambda: admin.ask("DELETE", "/hub/api/users/grace").status_code == 204)
    wait_until("nothing runs", lambda: not platform.containers("notebook", server["id"]), timeout_s=60)
    come_back(platform.person("grace"), mark)


def test_logging_out_leaves_the_server_running_and_closes_the_door(platform: Installation) -> None:
    person, mark = working(platform, "ada")
    with browser(platform, "ada") as tab:
        assert tab.get("/user/ada/lab").status_code == 200
        tab.get("/hub/logout")
        assert "Sign in" in tab.get("/hub/home").text
    assert (person.server() or {})["ready"]
    assert open_stop(person) is None and only_notebook(platform, person).status == "running"
    assert person.shell("cat /opt/env/mark.txt").strip() == mark


def test_a_stop_while_starting_leaves_nothing_half_done(platform: Installation) -> None:
    person, mark = working(platform, "ada")
    person.stop()
    newest_saved = person.checkpoints()[0]["digest"]
    for pause_s in (0.0, 1.0, 2.5):
        person.ask("POST", person.server_path, json={})
        time.sleep(pause_s)
        person.ask("DELETE", person.server_path)
        wait_until("nothing is pending", lambda: not (person.server() or {}).get("pending"), timeout_s=120)
        if not (person.server() or {}).get("ready"):
            wait_until("no container is left", lambda: not platform.containers("notebook", server_id(person)))
    assert newest_saved in [each["digest"] for each in person.checkpoints()]
    come_back(person, mark)


def server_id(person: Person) -> str:
    return str(person.platform_server()["id"])
