"""What the person's page says: why a server sleeps, and what each checkpoint was made for."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hubernate_core.names import OperationId, ServerId
from hubernate_core.operation import Kind, Operation, Trigger
from hubernate_hub.ui import words
from support.platform_service import Running, Started, eventually, running


def operation(trigger: Trigger, kind: Kind = Kind.STOP, reason: str = "") -> Operation:
    now = datetime.now(UTC)
    return Operation(
        id=OperationId("oaaaaaaaa1"), server_id=ServerId("saaaaaaaa1"), generation=1, kind=kind, trigger=trigger,
        reason=reason, node="local", requested_at=now, updated_at=now,
    )  # fmt: skip


def page(service: Running, name: str = "ada") -> str:
    html = service.ask("GET", "/", service.person(name).token, headers={"accept": "text/html"}).text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def stop(service: Running, server: Started, how: str) -> None:
    if how == "by its person":
        service.tell(server.ticket, "stop", {"generation": server.ticket.generation})
    else:
        root = service.person("root", admin=True)
        assert root("POST", f"/servers/{server.id}/operations", json={"kind": "stop"}).status_code == 202
    agent = service.agent()
    agent.finish(agent.order())


@pytest.mark.parametrize(
    ("how", "said", "occasion"),
    [
        ("by its person", "stopped on request", "when it was stopped"),
        ("by an admin", "stopped by an admin", "by an admin"),
    ],
)
def test_a_sleeping_server_says_who_stopped_it(service: Running, how: str, said: str, occasion: str) -> None:
    server = service.start("ada")
    assert said not in page(service)
    stop(service, server, how)
    shown = page(service)
    assert f"Sleeping {said} saved a moment ago" in shown
    assert f"{occasion} newest" in shown


def test_a_server_that_idled_says_for_how_long(tmp_path: Path) -> None:
    tenants = [{"name": "physics", "culling": {"idle_after": "PT30M", "warn_before": "PT0S"}}]
    with running(
        tmp_path, loops=True, hub_every_s=1000, gate_silent_after_s=1e9, state={"tenants": tenants}
    ) as service:
        server = service.start("ada")
        service.ask("POST", "/api/v1/gate/activity", server.ticket.relay_token, json={"generation": 1})
        service.clock.move(minutes=35)
        agent = service.agent()
        order = eventually("an order", lambda: agent.poll(server.seen()).orders)[0]
        agent.finish(order)
        shown = page(service)
        assert "Sleeping put to sleep after 35 minutes without activity saved" in shown
        assert "when nobody used it newest" in shown
        service.start("ada")
        assert "put to sleep" not in page(service), "it is of the former run"


def test_a_server_whose_process_ended_says_so_and_not_that_it_is_being_saved(tmp_path: Path) -> None:
    with running(tmp_path, loops=True, hub_every_s=1000) as service:
        server = service.start("ada")
        agent = service.agent()
        dead = server.seen(running=False, exit_code=137, oom_killed=True)
        agent.finish(eventually("an order", lambda: agent.poll(dead).orders)[0])
        shown = page(service)
    assert "Sleeping the server ran out of memory saved" in shown
    assert "is being saved" not in shown
    assert "after its process ended newest" in shown


def test_saved_on_request_and_by_name(service: Running) -> None:
    server, ada = service.start("ada"), service.person("ada")
    agent = service.agent()
    for name in ("", "before the upgrade"):
        ada("POST", f"/servers/{server.id}/operations", json={"kind": "save", "name": name})
        agent.finish(agent.order())
    shown = page(service)
    assert "before the upgrade newest" in shown
    assert "on request a moment ago" in shown


@pytest.mark.parametrize("trigger", list(Trigger))
def test_there_are_words_for_every_trigger(trigger: Trigger) -> None:
    for kind in (Kind.SAVE, Kind.STOP):
        found = operation(trigger, kind)
        assert words.why(found) and words.slept(found, timedelta(), timedelta(days=2)) and words.occasion(found)


def test_why_a_process_ended_is_said_where_it_is_known() -> None:
    known = operation(Trigger.DIED, reason="The server ran out of memory.")
    assert words.slept(known, timedelta(), timedelta()) == "the server ran out of memory"
    assert words.slept(operation(Trigger.DIED), timedelta(), timedelta()) == "its process ended"
    assert "2 days" in words.slept(operation(Trigger.MAX_AGE), timedelta(), timedelta(days=2))
