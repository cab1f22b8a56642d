"""Starts that wait at a real hub, while hub and service are killed: who waits goes on waiting, and then starts."""

import json
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.noop_hub import NoopHub, noop_hub
from support.platform_service import Started, eventually

WAITS = {"profile": "base", "wait": "yes"}
TENANTS: list[dict[str, object]] = [{"name": "physics", "quota": {"servers": 1}}]
QUICK = "c.HubernateService.queue_silent_after_s = 2"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[NoopHub]:
    with noop_hub(tmp_path, ["ada", "bob", "eve"], tenants=TENANTS, more=QUICK) as running:
        yield running


def ask(hub: NoopHub, user: str, **options: str) -> int:
    return hub.api.post(f"users/{user}/server", json=WAITS | options).status_code


def waiting(hub: NoopHub) -> list[tuple[str, int]]:
    """Who waits, and where, in turn."""
    with closing(sqlite3.connect(hub.folder / "service" / "hubernate.sqlite")) as database:
        rows = database.execute("SELECT user, id FROM waits").fetchall()
    found = {user: hub.service.spawner("GET", f"/queue/{place}").json() for user, place in rows}
    places = [(user, place["position"]) for user, place in found.items() if "position" in place]
    return sorted(places, key=lambda each: each[1])


def read(hub: NoopHub, user: str, told: list[str]) -> None:
    """Put everything that the page of a start is told into `told`, until it is over."""
    with hub.api.stream("GET", f"users/{user}/server/progress", timeout=120) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                told.append(json.loads(line.removeprefix("data:"))["message"])


def release(hub: NoopHub, server: Started) -> None:
    """Stop `server`, as the hub and an agent do it."""
    hub.service.tell(server.ticket, "stop", {"generation": server.ticket.generation})
    agent = hub.service.agent()
    agent.finish(eventually("an order", lambda: agent.poll().orders)[0])


def two_wait(hub: NoopHub) -> Started:
    """ada's server runs, bob and eve wait."""
    running = hub.service.start("ada")
    assert ask(hub, "bob") == 202
    eventually("bob waits", lambda: waiting(hub) == [("bob", 1)])
    assert ask(hub, "eve") == 202
    eventually("eve waits", lambda: waiting(hub) == [("bob", 1), ("eve", 2)])
    return running


def test_who_waits_is_told_the_position_and_starts_when_there_is_room(hub: NoopHub) -> None:
    running = two_wait(hub)
    told: list[str] = []
    watching = threading.Thread(target=read, args=(hub, "eve", told))
    watching.start()
    release(hub, running)
    eventually("bob's server runs", lambda: hub.ready("bob"))
    moved = "Waiting for quota: position 1 of 1. Team physics uses 1 of 1 running servers (bob 1)"
    eventually("eve is told that she moved", lambda: any(line.startswith(moved) for line in told))
    assert not hub.ready("eve")
    assert hub.api.delete("users/eve/server").status_code in (202, 204), "a start that waits can be cancelled"
    eventually("she waits no more", lambda: waiting(hub) == [] and hub.pending("eve") is None)
    watching.join(30)
    assert not watching.is_alive(), "the page's stream ends, too"
    assert any(line.startswith("Waiting for quota: position 2 of 2. Team physics uses 1 of 1") for line in told)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_restart_of_the_hub_loses_no_place(hub: NoopHub, number: signal.Signals) -> None:
    running = two_wait(hub)
    hub.kill("hub", number)
    assert waiting(hub) == [("bob", 1), ("eve", 2)]
    hub.start_hub()
    eventually("both are taken up", lambda: hub.pending("bob") == hub.pending("eve") == "spawn", timeout_s=60)
    assert waiting(hub) == [("bob", 1), ("eve", 2)]
    release(hub, running)
    eventually("bob's server runs", lambda: hub.ready("bob"), timeout_s=60)
    assert waiting(hub) == [("eve", 1)]


def test_a_killed_service_loses_no_place_and_no_start(hub: NoopHub) -> None:
    running = two_wait(hub)
    hub.kill("service")
    assert hub.pending("bob") == hub.pending("eve") == "spawn", "they wait on, also for the service"
    hub.start_service()
    assert waiting(hub) == [("bob", 1), ("eve", 2)]
    release(hub, running)
    eventually("bob's server runs", lambda: hub.ready("bob"), timeout_s=60)
    assert (hub.pending("eve"), waiting(hub)) == ("spawn", [("eve", 1)])
