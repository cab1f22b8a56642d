"""What the loops finish: servers that died, vanished, were forgotten or never became ready; silence decides nothing."""

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hubernate_core.operation import Step
from hubernate_core.server import Ticket
from support.platform_service import Running, Started, eventually, running


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    quick = {"hub_grace_s": 0.5, "gone_after_s": 0.5, "retry_after_s": 600}
    with running(tmp_path, loops=True, **quick) as found:
        yield found


def state(service: Running, server: Started) -> dict[str, Any]:
    found: dict[str, Any] = service.person("ada")("GET", f"/servers/{server.id}").json()
    return found


def fail(service: Running, server: Started, reason: str = "the registry is down") -> None:
    agent = service.agent()
    agent.say(agent.order(server.seen()), Step.FAILED, reason=reason)


def test_a_server_that_ran_out_of_memory_is_saved_as_it_lies(service: Running) -> None:
    server = service.start("ada")
    agent = service.agent()
    dead = server.seen(running=False, exit_code=137, oom_killed=True)
    orders = eventually("an order", lambda: agent.poll(dead).orders)
    assert (str(orders[0].kind), str(orders[0].trigger)) == ("stop", "died")
    page = service.ask("GET", "/", service.person("ada").token, headers={"accept": "text/html"}).text
    assert "ran out of memory" in page
    assert agent.say(orders[0], Step.CAPTURED) == "continue"
    agent.finish(orders[0])
    assert state(service, server)["state"] == "asleep"


def test_a_dead_server_that_could_not_be_saved_blocks_the_start_and_may_be_discarded(service: Running) -> None:
    server = service.start("ada")
    agent = service.agent()
    dead = server.seen(running=False, exit_code=1)
    agent.poll(dead)
    orders = eventually("an order", lambda: agent.poll(dead).orders)
    agent.say(orders[0], Step.FAILED, reason="the disk is full")
    refused = service.request_start("ada", profile="base")
    assert refused.status_code == 409
    assert "disk is full" in refused.json()["detail"]
    ada = service.person("ada")
    path = f"/servers/{server.id}/operations"
    assert ada("POST", path, json={"kind": "discard"}).json()["confirm"] == "discard"
    assert ada("POST", f"{path}?confirm=discard", json={"kind": "discard"}).status_code == 202
    agent.say(agent.order(dead), Step.RELEASED)
    assert service.request_start("ada", profile="base").status_code == 200


def test_a_running_server_cannot_be_discarded(service: Running) -> None:
    server = service.start("ada")
    asked = service.person("ada")("POST", f"/servers/{server.id}/operations?confirm=discard", json={"kind": "discard"})
    assert asked.status_code == 409


def test_a_container_that_is_gone_is_told_honestly(service: Running) -> None:
    server = service.start("ada")
    agent = service.agent()

    def asleep() -> bool:
        agent.poll()
        return bool(state(service, server)["state"] == "asleep")

    eventually("asleep", asleep)
    page = service.ask("GET", "/", service.person("ada").token, headers={"accept": "text/html"}).text
    assert "removed from outside" in page


def restart(service: Running, server: Started) -> Started:
    """The next start of `server`, after its container seemed to be gone."""
    agent = service.agent()

    def asleep() -> bool:
        agent.poll()
        return bool(state(service, server)["state"] == "asleep")

    eventually("asleep", asleep)
    return service.start("ada")


def test_a_container_of_an_older_start_is_named_and_no_start_is_made_beside_it(
    service: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hubernate_hub.reconcile.servers._STRAY_AFTER_S", 0.2)
    older = service.start("ada")
    newer = restart(service, older)
    agent = service.agent()
    agent.poll(older.seen(), newer.seen())
    eventually("told", lambda: [each for each in caplog.records if "an older start still runs" in each.message])
    time.sleep(0.5)
    told = [each for each in caplog.records if "an older start still runs" in each.message]
    assert [(each.levelname, each.__dict__["container"]) for each in told] == [("ERROR", older.container)]
    root = service.person("root", admin=True)
    page = service.ask("GET", "/admin", root.token, headers={"accept": "text/html"}).text
    assert older.container[:12] in page
    assert service.request_start("ada").json()["adopt"] == newer.container, "what runs may be taken back"
    service.tell(newer.ticket, "stop", {"generation": 2})
    agent.finish(agent.order(older.seen(), newer.seen()))
    agent.poll(older.seen())
    refused = service.request_start("ada")
    assert refused.status_code == 409
    assert "older start (1)" in refused.json()["detail"]
    agent.poll()
    assert service.request_start("ada").json()["generation"] == 3


def given_up_but_running(service: Running) -> Started:
    """A start that was given up before its `ready` came, and whose container is there all the same."""
    ticket = Ticket.model_validate(service.request_start("ada", profile="base").json())
    server = Started(ticket, "c" * 64, "d" * 64)
    service.tell(ticket, "abandoned", {"generation": 1, "reason": "no answer"})
    service.agent().poll(server.seen())
    return server


@pytest.mark.parametrize("hub", ["serves it", "forgot it", "is down"])
def test_a_container_whose_start_was_given_up_may_hold_work(
    service: Running, monkeypatch: pytest.MonkeyPatch, hub: str
) -> None:
    monkeypatch.setattr("hubernate_hub.reconcile.servers._STRAY_AFTER_S", 0.2)
    ada, agent = service.person("ada"), service.agent()
    ada("GET", "/me")  # asked once, kept for a minute
    if hub == "serves it":
        service.hub.runs("ada")
    service.hub.broken = hub == "is down"
    server = given_up_but_running(service)
    eventually("running", lambda: ada("GET", f"/servers/{server.id}").json()["state"] == "running")
    if hub == "forgot it":
        order = eventually("an order", lambda: agent.poll(server.seen()).orders)[0]
        assert (str(order.kind), order.container_id) == ("stop", server.container)
    else:
        time.sleep(1)
        assert agent.poll(server.seen()).orders == ()


def test_silence_decides_nothing(service: Running) -> None:
    server = service.start("ada")
    time.sleep(1.2)
    assert state(service, server)["state"] == "running"


def test_an_agent_that_is_silent_is_named_on_the_operation(tmp_path: Path) -> None:
    with running(tmp_path, loops=True, hub_every_s=1000, agent_silent_after_s=0.3) as service:
        server = service.start("ada")
        service.agent().poll(server.seen())
        service.tell(server.ticket, "stop", {"generation": 1})
        note = eventually("a note", lambda: state(service, server)["operation"]["progress"]["note"])
        assert "has not answered since" in note
        assert "keeps running" in note
        assert state(service, server)["operation"]["step"] == "requested", "it waits, it does not fail"


def test_after_a_failed_stop_the_hub_takes_the_server_back(service: Running) -> None:
    server = service.start("ada")
    service.tell(server.ticket, "stop", {"generation": 1})
    service.hub.forgets("ada")  # an exception in Spawner.stop is swallowed: the hub believes it stopped
    fail(service, server)
    eventually("the hub is asked", lambda: service.hub.asked("POST", "users/ada/server"))
    adopted = service.request_start("ada").json()
    assert adopted["adopt"] == server.container
    calls = service.hub.asked("POST", "users/ada/server")
    time.sleep(0.5)
    assert service.hub.asked("POST", "users/ada/server") == calls, "once it is there, it is left alone"


def test_a_server_the_hub_forgot_is_saved_and_stopped(service: Running) -> None:
    server = service.start("ada")
    service.hub.forgets("ada")
    agent = service.agent()
    orders = eventually("an order", lambda: agent.poll(server.seen()).orders)
    assert str(orders[0].trigger) == "forgotten"
    agent.finish(orders[0])
    assert state(service, server)["state"] == "asleep"


def put_to_sleep(service: Running, server: Started) -> None:
    service.tell(server.ticket, "stop", {"generation": server.ticket.generation})
    service.agent().finish(service.agent().order())


def test_a_hub_that_believes_in_a_sleeping_server_is_corrected(tmp_path: Path) -> None:
    with running(tmp_path, loops=True, hub_grace_s=1) as service:
        server = service.start("ada")
        put_to_sleep(service, server)
        service.hub.runs("ada")
        asked_at = time.monotonic()
        eventually("the hub is asked", lambda: service.hub.asked("DELETE", "users/ada/server"))
        assert time.monotonic() - asked_at >= 0.8, "a hub that is about to notice by itself is left alone"
        again = service.tell(server.ticket, "stop", {"generation": 1})
        assert again["outcome"] == "stopped", "what the hub's stop is told"
        assert service.agent().poll().orders == (), "and nothing is opened by it"
        assert state(service, server)["state"] == "asleep"


def test_a_server_that_runs_in_another_team_is_no_mistake_of_the_hub(service: Running) -> None:
    """The hub knows one server of a name, we one in each team."""
    server = service.start("ada")
    put_to_sleep(service, server)
    service.start("ada", groups=("physics", "biology"), tenant="biology")
    time.sleep(1.2)
    assert service.hub.asked("DELETE", "users/ada/server") == 0


@pytest.mark.parametrize(("ready", "pending"), [(False, "spawn"), (True, "stop")])
def test_a_hub_that_is_starting_or_stopping_is_left_alone(service: Running, ready: bool, pending: str) -> None:
    server = service.start("ada")
    put_to_sleep(service, server)
    service.hub.runs("ada", ready=ready, pending=pending)
    time.sleep(1.2)
    assert service.hub.asked("DELETE", "users/ada/server") == 0


def test_a_deleted_users_server_is_saved(service: Running) -> None:
    server = service.start("ada")
    del service.hub.people["ada"]
    service.hub.forgets("ada")
    orders = eventually("an order", lambda: service.agent().poll(server.seen()).orders)
    assert str(orders[0].trigger) == "user-deleted"


def test_a_hub_that_is_down_changes_nothing(service: Running) -> None:
    server = service.start("ada")
    ada = service.person("ada")
    ada("GET", "/me")
    service.hub.forgets("ada")
    service.hub.broken = True
    agent = service.agent()
    time.sleep(1.2)
    assert agent.poll(server.seen()).orders == ()
    service.tell(server.ticket, "stop", {"generation": 1})
    agent.finish(agent.order())
    assert ada("GET", f"/servers/{server.id}").json()["state"] == "asleep", "saving goes on without it"


def test_a_start_that_the_hub_gave_up_is_cleaned(service: Running) -> None:
    ticket = service.request_start("ada", profile="base").json()
    body = {"generation": 1, "node": "local", "container_id": "c" * 64, "gate_container_id": "d" * 64}
    service.spawner("POST", f"/servers/{ticket['server_id']}/started", json=body)
    seen = {"server_id": ticket["server_id"], "generation": 1, "container_id": "c" * 64, "running": True}
    orders = eventually("an order", lambda: service.agent().poll(seen).orders)
    assert str(orders[0].kind) == "discard"


def test_a_ready_that_was_lost_is_believed_from_the_hub(service: Running) -> None:
    ticket = service.request_start("ada", profile="base").json()
    body = {"generation": 1, "node": "local", "container_id": "c" * 64, "gate_container_id": "d" * 64}
    service.hub.runs("ada")
    service.spawner("POST", f"/servers/{ticket['server_id']}/started", json=body)
    ada = service.person("ada")
    eventually("running", lambda: ada("GET", f"/servers/{ticket['server_id']}").json()["state"] == "running")


def test_an_old_server_is_put_to_sleep_although_busy(tmp_path: Path) -> None:
    tenants = [{"name": "physics", "culling": {"idle_after": "P30D", "max_age": "PT8H", "warn_before": "PT0S"}}]
    with running(tmp_path, loops=True, hub_every_s=1000, state={"tenants": tenants}) as service:
        server = service.start("ada")
        service.clock.move(hours=9)
        orders = eventually("an order", lambda: service.agent().poll(server.seen()).orders)
        assert str(orders[0].trigger) == "max-age"


def test_no_more_idle_servers_than_allowed_are_saved_at_once(tmp_path: Path) -> None:
    tenants = [{"name": "physics", "culling": {"max_age": "PT8H", "warn_before": "PT0S"}}]
    with running(tmp_path, loops=True, hub_every_s=1000, cull_at_once=2, state={"tenants": tenants}) as service:
        for number in range(4):
            service.start(f"user{number}")
        service.clock.move(hours=9)
        agent = service.agent()
        eventually("two orders", lambda: len(agent.poll().orders) == 2)
        time.sleep(0.5)
        orders = agent.poll().orders
        assert len(orders) == 2
        agent.finish(orders[0])
        eventually("the next", lambda: orders[1].operation_id in {o.operation_id for o in agent.poll().orders})
        eventually("two again", lambda: len(agent.poll().orders) == 2)


def test_tenants_are_read_again_when_their_file_changes(service: Running) -> None:
    assert service.request_start("ada", groups=("chemistry",), profile="base").status_code == 403
    (service.folder / "tenants.json").write_text('[{"name": "chemistry"}, {"name": "physics"}]')
    eventually(
        "the new team", lambda: service.request_start("ada", groups=("chemistry",), profile="base").status_code == 200
    )
    (service.folder / "tenants.json").write_text("{broken")
    time.sleep(0.4)
    assert service.request_start("eve", groups=("chemistry",), profile="base").status_code == 200, (
        "the former one stays"
    )


def test_who_leaves_a_team_is_saved_then_stopped_there_and_nowhere_else(service: Running) -> None:
    groups = ("physics", "biology")
    here = service.start("ada", groups=groups, tenant="physics", name="lab")
    there = service.start("ada", groups=groups, tenant="biology")
    other = service.start("eve")
    service.hub.groups["ada"] = ["biology"]
    agent, seen = service.agent(), [here.seen(), there.seen(), other.seen()]
    order = eventually("an order", lambda: agent.poll(*seen).orders)[0]
    assert (order.server_id, str(order.kind), str(order.trigger)) == (here.id, "stop", "left-team")
    ada, root = service.person("ada"), service.person("root", admin=True)
    assert ada("GET", "/tenants/physics").status_code == 404, "and is out of it at once"
    agent.say(order, Step.FAILED, reason="the registry is down")
    assert state(service, here)["state"] == "running", "nothing goes unsaved"
    page = service.ask("GET", "/admin", root.token, headers={"accept": "text/html"}).text
    assert "the registry is down" in page, "and an admin is told"
    assert agent.poll(*seen).orders == (), "not again at once"
    service.clock.move(minutes=11)
    order = eventually("another try", lambda: agent.poll(*seen).orders)[0]
    agent.finish(order)
    assert state(service, here)["state"] == "asleep"
    page = service.ask("GET", "/", ada.token, headers={"accept": "text/html"}).text
    assert "stopped because its person is no longer in the team" in page
    assert ada("GET", f"/servers/{here.id}/checkpoints").json()["total"] == 1, "what is theirs stays"
    assert service.request_start("ada", groups=("biology",), tenant="physics", name="lab").status_code == 403
    assert {state(service, there)["state"], root("GET", f"/servers/{other.id}").json()["state"]} == {"running"}
    entries = [
        each for each in root("GET", "/tenants/physics/audit").json()["items"] if each["action"] == "server.stop"
    ]
    assert {(each["actor"], each["after"]["reason"]) for each in entries} == {("membership", "left the team")}


def test_who_is_taken_off_a_teams_list_or_comes_back_in_time(service: Running) -> None:
    root = service.person("root", admin=True)
    root("PUT", "/tenants/physics/members/nina", json={})
    server = service.start("nina", groups=())
    agent = service.agent()
    root("DELETE", "/tenants/physics/members/nina")
    root("PUT", "/tenants/physics/members/nina", json={})
    time.sleep(1)  # twice the grace
    assert agent.poll(server.seen()).orders == (), "a slip that was taken back changes nothing"
    root("DELETE", "/tenants/physics/members/nina")
    assert str(eventually("an order", lambda: agent.poll(server.seen()).orders)[0].trigger) == "left-team"


@pytest.mark.parametrize("back", [True, False], ids=["back in the team", "still out"])
def test_of_whoever_left_and_is_back_the_hub_takes_the_server_back(service: Running, back: bool) -> None:
    """The stop of a person's server failed, and the hub has dropped it meanwhile."""
    server, agent = service.start("ada"), service.agent()
    service.hub.groups["ada"] = []
    order = eventually("an order", lambda: agent.poll(server.seen()).orders)[0]
    assert str(order.trigger) == "left-team"
    service.hub.forgets("ada")
    if back:
        service.hub.groups["ada"] = ["physics"]
    agent.say(order, Step.FAILED, reason="the registry is down")
    if back:
        eventually("the hub is asked", lambda: service.hub.asked("POST", "users/ada/server"))
        assert service.request_start("ada").json()["adopt"] == server.container
    else:
        service.clock.move(minutes=11)
        order = eventually("another try", lambda: agent.poll(server.seen()).orders)[0]
        assert str(order.trigger) == "left-team"
        assert service.hub.asked("POST", "users/ada/server") == 0, "a start would be refused"


def test_a_mapping_gone_wrong_stops_no_more_at_once_than_is_allowed(tmp_path: Path) -> None:
    with running(tmp_path, loops=True, hub_grace_s=0.5, cull_at_once=2) as service:
        servers = [service.start(f"user{number}") for number in range(4)]
        agent, seen = service.agent(), [each.seen() for each in servers]
        for number in range(4):
            service.hub.groups[f"user{number}"] = []
        eventually("two orders", lambda: len(agent.poll(*seen).orders) == 2)
        time.sleep(0.5)
        orders = agent.poll(*seen).orders
        assert len(orders) == 2
        agent.finish(orders[0])
        done = orders[0].server_id
        left = [each.seen() for each in servers if each.id != done]
        eventually("the next", lambda: len(agent.poll(*left).orders) == 2)


def of_none_is_known(service: Running) -> None:
    for name in ("ada", "eve"):
        service.hub.forgets(name)


def of_all_left(service: Running) -> None:
    for name in ("ada", "eve"):
        service.hub.groups[name] = []


def of_all_are_too_old(service: Running) -> None:
    rule = {"culling": {"max_age": "PT8H", "warn_before": "PT0S"}}
    assert service.person("root", admin=True)("PATCH", "/tenants/physics", json=rule).status_code == 200
    service.clock.move(hours=9)


def of_all_died(service: Running) -> None:
    """What the agent sees."""


@pytest.mark.parametrize(
    ("loop", "act", "happens"),
    [
        ("hub", "hub_sync.save_and_stop", of_none_is_known),
        ("hub", "leavers._stop_one", of_all_left),
        ("servers", "servers._look_at", of_all_died),
        ("culling", "culling._put_to_sleep", of_all_are_too_old),
    ],
)
def test_one_server_that_cannot_be_handled_keeps_no_other_from_being_saved(
    service: Running,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    loop: str,
    act: str,
    happens: Callable[[Running], None],
) -> None:
    started, agent = [service.start("ada"), service.start("eve")], service.agent()
    doomed: list[str] = []
    where, _, name = act.partition(".")
    module = importlib.import_module(f"hubernate_hub.reconcile.{where}")
    handle = getattr(module, name)

    def handled(work: Any, row: Any, *more: Any) -> Any:
        server = getattr(row, "id", row)
        if not doomed:
            doomed.append(server)
        if server in doomed:
            raise RuntimeError("a row that nobody thought of")
        return handle(work, row, *more)

    monkeypatch.setattr(module, name, handled)
    happens(service)
    seen = [each.seen(running=happens is not of_all_died) for each in started]
    (order,) = eventually("an order", lambda: agent.poll(*seen).orders)
    assert [order.server_id] == [each.id for each in started if each.id not in doomed]
    assert [each for each in caplog.records if each.exc_info and each.__dict__.get("server") in doomed]
    assert service.inside.metrics.loop_failures.labels(loop)._value.get() > 0, "and an alert tells of it"


def test_a_hub_that_tells_no_groups_stops_nobody(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    told = service.inside.hub.active

    async def without_groups() -> dict[str, Any]:
        return {name: replace(each, groups=None) for name, each in (await told()).items()}

    monkeypatch.setattr(service.inside.hub, "active", without_groups)
    server = service.start("ada")
    service.hub.groups["ada"] = []
    time.sleep(1)
    assert service.agent().poll(server.seen()).orders == ()
