"""Servers that nobody uses save themselves and stop; servers at work, or wanted awake, do not (F39)."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.culling_rule import TENANT, rule
from support.installation import Installation, wait_until
from support.person import Person

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(600)]
PUT_TO_SLEEP_S = 90
"""Idle time, one look at the CPU's use (a start counts as use), the save and the stop, on a busy machine."""


def start(person: Person, mark: str) -> None:
    person.start(profile="base", tenant=TENANT)
    person.shell(f"echo {mark} > /opt/env/mark.txt")


def stopped(person: Person) -> dict[str, Any] | None:
    """The operation that stopped the server, once the hub says that it is stopped."""
    if person.server() and (person.server() or {}).get("ready"):
        return None
    server = person.platform_server()
    operation: dict[str, Any] = server["operation"] or {}
    return operation if server["state"] == "asleep" and operation.get("finished_at") else None


def is_put_to_sleep(person: Person, trigger: str = "idle") -> None:
    operation = wait_until(f"{person.server_name} sleeps", lambda: stopped(person), timeout_s=PUT_TO_SLEEP_S)
    assert (operation["trigger"], operation["outcome"]) == (trigger, "stopped")
    assert operation["checkpoint_id"] in [each["id"] for each in person.checkpoints()]


def polls(person: Person, until: threading.Event) -> None:
    """What an open tab does by itself: asks for lists all the time and saves its layout."""
    tab = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    while not until.wait(1):
        for path in ("api/kernels", "api/sessions", "api/terminals", "api/contents?content=0"):
            person.notebook("GET", path, headers=tab)
        person.notebook("PUT", "lab/api/workspaces/default", headers=tab, json={"data": {}, "metadata": {"id": "x"}})


@pytest.fixture(scope="module")
def scene(platform: Installation) -> Iterator[Callable[[str], Person]]:
    """Four servers under a rule of eight seconds: left alone, with an open tab, with a silent long cell, kept awake."""
    linus = platform.person("linus")
    ended = threading.Event()
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda name: start(linus.at(name), name), ("alone", "tab", "cell", "awake")))
        linus.at("cell").leave_running("import time; time.sleep(40); open('/opt/env/end.txt', 'w').write('end')")
        awake = linus.at("awake")
        kept = awake.api("POST", f"/servers/{awake.platform_server()['id']}/keep-awake", json={"minutes": 60})
        assert kept.status_code == 200
        pool.submit(polls, linus.at("tab"), ended)
        # Only now: on a busy machine the last of four servers takes longer than the rule to get this far.
        with rule(platform, idle_after="PT8S"):
            try:
                yield linus.at
            finally:
                ended.set()


def test_a_server_left_alone_saves_itself_and_stops(scene: Callable[[str], Person]) -> None:
    is_put_to_sleep(scene("alone"))


def test_an_open_tab_that_polls_is_nobody(scene: Callable[[str], Person]) -> None:
    is_put_to_sleep(scene("tab"))


def test_a_silent_cell_is_work_until_it_ends(scene: Callable[[str], Person]) -> None:
    person = scene("cell")
    is_put_to_sleep(person)
    person.start(profile="base", tenant=TENANT)
    assert person.shell("cat /opt/env/end.txt").strip() == "end", "it slept before the cell had ended"


def test_a_server_kept_awake_sleeps_when_that_is_taken_back(scene: Callable[[str], Person]) -> None:
    person = scene("awake")
    assert (person.server() or {}).get("ready"), "the others sleep by now; this one was kept awake"
    person.api("POST", f"/servers/{person.platform_server()['id']}/keep-awake", json={"minutes": 0})
    is_put_to_sleep(person)


def test_a_person_who_comes_back_while_it_is_decided_keeps_the_server(platform: Installation) -> None:
    """F39: the agent is held until the person is seen, so the save begins after they came back."""
    person = platform.person("linus").at("back")
    start(person, "back")
    agent = platform.containers("agent")[0]
    with rule(platform, idle_after="PT8S"):
        operation = wait_and_hold(person, agent)
        try:
            person.notebook("POST", "api/kernels", json={"name": "python3"})
            seen = person.platform_server()["last_active_at"]
            wait_until("the service knows", lambda: person.platform_server()["last_active_at"] > seen)
        finally:
            agent.unpause()
        ended = person.finished(operation["id"])
        page = httpx.get(
            f"{person.url}/services/hubernate/", headers={"Authorization": f"token {person.token}"}, timeout=30
        ).text
    assert ended["outcome"] == "kept" and "You came back" in ended["reason"]
    assert "You came back" in page
    assert (person.server() or {}).get("ready")
    assert person.shell("cat /opt/env/mark.txt").strip() == "back"
    person.stop()


def wait_and_hold(person: Person, agent: Any) -> dict[str, Any]:
    """Hold the agent and wait for the decision to put the server to sleep."""
    agent.pause()

    def decided() -> dict[str, Any] | None:
        operation: dict[str, Any] = person.platform_server()["operation"] or {}
        return operation if operation.get("trigger") == "idle" and not operation.get("finished_at") else None

    try:
        found: dict[str, Any] = wait_until("it is decided", decided, timeout_s=60)
    except AssertionError:
        agent.unpause()
        raise
    return found


def test_a_server_of_maximum_age_is_put_to_sleep_at_work(platform: Installation) -> None:
    person = platform.person("linus")
    start(person, "old")
    person.leave_running("import time; time.sleep(600)")
    with rule(platform, idle_after="PT1H", max_age="PT10S"):
        is_put_to_sleep(person, "max-age")
