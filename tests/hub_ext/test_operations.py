"""Saves and stops: the walk, races, replays, fencing, the final delta, a person who comes back."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hubernate_core.operation import Step
from hubernate_hub.services import polling
from hubernate_hub.store import checkpoints as rows
from support.platform_service import Running, Started, digest, running, saved


def checkpoints(service: Running, server: Started, user: str = "ada") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = service.person(user)("GET", f"/servers/{server.id}/checkpoints").json()["items"]
    return items


def stop(service: Running, server: Started) -> dict[str, Any]:
    return service.tell(server.ticket, "stop", {"generation": server.ticket.generation})


def state(service: Running, server: Started, user: str = "ada") -> dict[str, Any]:
    found: dict[str, Any] = service.person(user)("GET", f"/servers/{server.id}").json()
    return found


def test_a_save_goes_on_running(service: Running) -> None:
    server = service.start("ada")
    ada = service.person("ada")
    opened = ada("POST", f"/servers/{server.id}/operations", json={"kind": "save", "name": "before lunch"})
    assert opened.status_code == 202
    agent = service.agent()
    order = agent.order(server.seen())
    assert order.container_id == server.container
    assert agent.verify(order) == "keep"
    agent.say(order, Step.RELEASED, kept=True)
    found = ada("GET", f"/operations/{order.operation_id}").json()
    assert (found["step"], found["outcome"]) == ("released", "saved")
    assert state(service, server)["state"] == "running"
    assert [each["name"] for each in checkpoints(service, server)] == ["before lunch"]
    assert agent.poll(server.seen()).orders == ()


def test_nothing_is_called_saved_before_it_is_recorded(service: Running) -> None:
    server = service.start("ada")
    stop(service, server)
    agent = service.agent()
    order = agent.order()
    for step in (Step.QUIESCED, Step.FROZEN, Step.CAPTURED, Step.THAWED, Step.PUSHED):
        agent.say(order, step)
        assert checkpoints(service, server) == []
        assert state(service, server)["state"] == "running"
    assert agent.report(order, Step.RELEASED).status_code == 409, "never released unsaved"
    assert agent.report(order, Step.VERIFIED).status_code == 422, "verified needs what was saved"
    assert agent.say(order, Step.VERIFIED, saved=saved()) == "release"
    assert len(checkpoints(service, server)) == 1
    assert state(service, server)["state"] == "running", "stopped only once the container is gone"
    agent.say(order, Step.RELEASED)
    assert state(service, server)["state"] == "asleep"


def test_every_report_may_be_repeated(service: Running) -> None:
    server = service.start("ada")
    stop(service, server)
    agent = service.agent()
    order = agent.order()
    image = saved()
    for step in (Step.QUIESCED, Step.QUIESCED, Step.FROZEN, Step.CAPTURED, Step.CAPTURED, Step.THAWED, Step.PUSHED):
        agent.say(order, step)
    assert [agent.say(order, Step.VERIFIED, saved=image) for _ in range(3)] == ["release"] * 3
    assert len(checkpoints(service, server)) == 1
    assert [agent.say(order, Step.RELEASED) for _ in range(2)] == ["continue"] * 2
    assert agent.say(order, Step.VERIFIED, saved=image) == "abort", "a finished stop is left alone"


def test_an_agent_that_begins_again_is_not_refused(service: Running) -> None:
    server = service.start("ada")
    stop(service, server)
    agent = service.agent()
    order = agent.order()
    agent.say(order, Step.PUSHED)
    progress = {"changed_bytes": 7}
    assert agent.say(order, Step.CAPTURED, progress=progress) == "continue"
    operation = state(service, server)["operation"]
    assert (operation["step"], operation["progress"]["changed_bytes"]) == ("pushed", 7)
    assert agent.say(order, Step.VERIFIED, saved=saved()) == "release"
    assert agent.say(order, Step.CAPTURED) == "release", "the last changes are copied while the row stays recorded"


def test_a_repeated_report_of_a_finished_save_is_told_to_keep(service: Running) -> None:
    server = service.start("ada")
    service.person("ada")("POST", f"/servers/{server.id}/operations", json={"kind": "save"})
    agent = service.agent()
    order = agent.order()
    image = saved()
    assert agent.say(order, Step.VERIFIED, saved=image) == "keep"
    assert agent.say(order, Step.VERIFIED, saved=image) == "keep"


def test_the_last_changes_renew_the_checkpoint_and_the_former_image_is_forgotten_after(service: Running) -> None:
    server = service.start("ada")
    stop(service, server)
    agent = service.agent()
    order = agent.order()
    first, second = digest(), digest()
    agent.verify(order, digest=first)
    reference = f"{order.repository}@{first}"
    assert agent.poll(busy_with=[order.operation_id]).forget == ()
    assert agent.say(order, Step.VERIFIED, saved=saved(digest=second, size=7)) == "release"
    found = checkpoints(service, server)
    assert [(each["digest"], each["size"]) for each in found] == [(second, 7)]
    late = agent.report(order, Step.VERIFIED, saved=saved(digest=first))
    assert late.status_code == 409, "a repeat of the first report does not bring the given-up image back"
    assert [each["digest"] for each in checkpoints(service, server)] == [second]
    assert agent.poll(busy_with=[order.operation_id]).forget == (), "known as given up until the operation ends"
    agent.say(order, Step.RELEASED)
    assert agent.poll().forget == (reference,)
    assert agent.poll(forgotten=[reference]).forget == ()
    assert service.start("ada").ticket.image.endswith(second), "its signature holds"


def test_the_layers_of_a_deleted_parent_are_still_named(service: Running) -> None:
    first = service.start("ada")
    stop(service, first)
    agent = service.agent()
    agent.finish(agent.order())
    parent = checkpoints(service, first)[0]
    second = service.start("ada")
    context = service.inside
    context.store.now(lambda tx: rows.change(tx, parent["id"], deleted_at=context.clock()))
    stop(service, second)
    assert [each.digest for each in agent.order().parent_layers] == [each["digest"] for each in parent["layers"]]


def test_a_failure_leaves_the_server_running_and_says_why(service: Running) -> None:
    server = service.start("ada")
    stop(service, server)
    agent = service.agent()
    order = agent.order()
    agent.say(order, Step.CAPTURED)
    agent.say(order, Step.FAILED, reason="the registry did not answer since 10:14 UTC")
    found = state(service, server)
    assert found["state"] == "running"
    assert found["operation"]["outcome"] == "failed"
    assert "10:14" in found["operation"]["reason"]
    assert agent.poll(server.seen()).orders == ()


def test_a_last_save_that_fails_keeps_the_first_checkpoint(service: Running) -> None:
    server = service.start("ada")
    stop(service, server)
    agent = service.agent()
    order = agent.order()
    agent.verify(order)
    agent.say(order, Step.FAILED, reason="the disk is full; the container runs again")
    assert len(checkpoints(service, server)) == 1
    assert state(service, server)["state"] == "running"


def test_two_stops_race_to_one_operation(service: Running) -> None:
    server = service.start("ada")
    ada = service.person("ada")
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(stop, service, server) for _ in range(4)]
        asked += [
            pool.submit(lambda: ada("POST", f"/servers/{server.id}/operations", json={"kind": "stop"}).json())
            for _ in range(4)
        ]
    assert len({each.result()["id"] for each in asked}) == 1
    agent = service.agent()
    agent.finish(agent.order())
    assert stop(service, server)["outcome"] == "stopped", "asking again afterwards gets the same one"


def test_a_stop_upgrades_an_open_save(service: Running) -> None:
    server = service.start("ada")
    ada = service.person("ada")
    opened = ada("POST", f"/servers/{server.id}/operations", json={"kind": "save"}).json()
    agent = service.agent()
    order = agent.order()
    agent.say(order, Step.CAPTURED)
    assert stop(service, server)["id"] == opened["id"]
    assert agent.say(order, Step.VERIFIED, saved=saved()) == "release"


def test_an_older_generation_is_refused(service: Running) -> None:
    server = service.start("ada")
    stop(service, server)
    agent = service.agent()
    order = agent.order()
    agent.finish(order)
    service.start("ada")
    late = agent.report(order, Step.VERIFIED, saved=saved())
    assert late.status_code == 409
    assert "push nothing" in late.json()["detail"]
    assert service.spawner("POST", f"/servers/{server.id}/stop", json={"generation": 1}).status_code == 409
    assert service.spawner("POST", f"/servers/{server.id}/ready", json={"generation": 1}).status_code == 409
    relayed = service.ask("POST", "/api/v1/gate/activity", server.ticket.relay_token, json={"generation": 1})
    assert relayed.status_code == 401, "the old start's token is void"


def test_another_nodes_agent_may_neither_see_nor_report(tmp_path: Path) -> None:
    with running(tmp_path, state={"nodes": ("local", "other")}) as service:
        server = service.start("ada")
        stop(service, server)
        agent, other = service.agent(), service.agent("other")
        order = agent.order()
        assert other.poll().orders == ()
        assert other.report(order, Step.CAPTURED).status_code == 403
        body = {"node": "local", "generation": 1, "step": "captured"}
        lied = other.ask(f"/operations/{order.operation_id}/report", body)
        assert lied.status_code == 403
        assert other.ask("/poll", {"node": "local", "version": "x", "wait_s": 0}).status_code == 403


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[tuple[Running, Started]]:
    """A service with its loops, and a server about to be found idle."""
    tenants = [{"name": "physics", "culling": {"idle_after": "PT600S", "warn_before": "PT0S"}}]
    with running(tmp_path, loops=True, state={"tenants": tenants}, hub_every_s=1000) as service:
        server = service.start("ada")
        yield service, server


def report_activity(service: Running, server: Started, **fields: Any) -> None:
    body = {"generation": server.ticket.generation, "kernels_busy": 0, "terminals_busy": 0} | fields
    answer = service.ask("POST", "/api/v1/gate/activity", server.ticket.relay_token, json=body)
    assert answer.status_code == 204, answer.text


def wait_for_order(service: Running, server: Started) -> Any:
    orders = service.agent().poll(server.seen(), wait_s=5).orders
    assert len(orders) == 1, "an order within 5 s"
    return orders[0]


def test_an_idle_server_is_saved_and_only_then_is_the_hub_asked(idle: tuple[Running, Started]) -> None:
    service, server = idle
    service.clock.move(minutes=11)
    report_activity(service, server, person_age_s=660)
    order = wait_for_order(service, server)
    assert (str(order.kind), str(order.trigger)) == ("stop", "idle")
    agent = service.agent()
    for step in (Step.CAPTURED, Step.THAWED, Step.PUSHED):
        agent.say(order, step)
    assert service.hub.asked("DELETE", "users/ada/server") == 0
    assert agent.say(order, Step.VERIFIED, saved=saved()) == "release"
    assert service.hub.asked("DELETE", "users/ada/server") == 1
    joined = stop(service, server)
    assert joined["id"] == order.operation_id, "the hub's own stop joins it"


def test_a_person_who_comes_back_keeps_the_server(idle: tuple[Running, Started]) -> None:
    service, server = idle
    service.clock.move(minutes=11)
    report_activity(service, server, person_age_s=660)
    order = wait_for_order(service, server)
    service.clock.move(seconds=5)
    report_activity(service, server, person_age_s=0)
    agent = service.agent()
    assert agent.verify(order) == "keep"
    found = state(service, server)
    assert (found["state"], found["operation"]["outcome"]) == ("running", "kept")
    assert "came back" in found["operation"]["reason"]
    assert service.hub.asked("DELETE", "users/ada/server") == 0


def test_a_person_who_wants_the_idle_stop_too_is_obeyed(idle: tuple[Running, Started]) -> None:
    service, server = idle
    service.clock.move(minutes=11)
    report_activity(service, server, person_age_s=660)
    order = wait_for_order(service, server)
    stop(service, server)
    service.clock.move(seconds=5)
    report_activity(service, server, person_age_s=0)
    assert service.agent().verify(order) == "release"


@pytest.mark.parametrize("busy", [{"kernels_busy": 1}, {"terminals_busy": 1}, {"person_age_s": 30}])
def test_work_keeps_a_server_awake(idle: tuple[Running, Started], busy: dict[str, Any]) -> None:
    service, server = idle
    service.clock.move(minutes=11)
    report_activity(service, server, **busy)
    assert service.agent().poll(server.seen(), wait_s=0.6).orders == ()


def test_unknown_idleness_is_no_idleness(idle: tuple[Running, Started]) -> None:
    service, server = idle
    service.clock.move(hours=3)
    assert service.agent().poll(server.seen(), wait_s=0.6).orders == (), "no gate spoke: it is left alone"


def test_keep_awake_holds_and_is_bounded(idle: tuple[Running, Started]) -> None:
    service, server = idle
    ada = service.person("ada")
    assert ada("POST", f"/servers/{server.id}/keep-awake", json={"minutes": 100_000}).status_code == 422
    assert ada("POST", f"/servers/{server.id}/keep-awake", json={"minutes": 30}).status_code == 200
    service.clock.move(minutes=20)
    report_activity(service, server, person_age_s=1200)
    assert service.agent().poll(server.seen(), wait_s=0.6).orders == ()
    service.clock.move(minutes=11)
    report_activity(service, server, person_age_s=1860)
    assert str(wait_for_order(service, server).trigger) == "idle"


def test_a_long_poll_is_woken_by_a_stop(service: Running) -> None:
    server = service.start("ada")
    agent = service.agent()
    agent.poll(server.seen())
    timer = threading.Timer(0.5, stop, (service, server))
    timer.start()
    assert len(agent.poll(server.seen(), wait_s=20).orders) == 1
    timer.join()


def test_the_spawner_waits_for_a_change(service: Running) -> None:
    server = service.start("ada")
    opened = stop(service, server)
    order = service.agent().order()
    timer = threading.Timer(0.3, service.agent().say, (order, Step.CAPTURED))
    timer.start()
    query = {"wait_s": "10", "after": opened["updated_at"]}
    found = service.spawner("GET", f"/operations/{opened['id']}", params=query).json()
    timer.join()
    assert found["step"] == "captured"


def test_checkpoints_are_made_ready_where_they_were_stopped(service: Running) -> None:
    server = service.start("ada")
    stop(service, server)
    agent = service.agent()
    order = agent.order()
    image = digest()
    agent.finish(order, digest=image)
    reference = f"{order.repository}@{image}"
    assert agent.poll().prefetch == (reference,)
    assert agent.poll(local_checkpoints=[reference]).prefetch == ()
    service.clock.move(days=8)
    assert agent.poll().prefetch == (), "nobody waits for it any more"


def test_an_agent_has_a_bounded_number_of_orders_and_teams_take_turns(service: Running) -> None:
    many = [service.start(f"ada{number}") for number in range(polling.IN_HAND + 4)]
    for server in many:
        stop(service, server)
    late = service.start("bob", groups=("biology",))
    stop(service, late)
    agent = service.agent()
    orders = agent.poll().orders
    assert len(orders) == polling.IN_HAND
    assert orders[1].server_id == late.id, "it waits for one of the other team, not for all of them"
    in_hand = [each.operation_id for each in orders]
    assert agent.poll(busy_with=in_hand).orders == ()
    agent.finish(orders[0])
    (another,) = agent.poll(busy_with=in_hand[1:]).orders
    assert another.server_id in {each.id for each in many}
    agent.say(another, Step.FROZEN)
    assert another.operation_id in {each.operation_id for each in agent.poll().orders}, (
        "a restarted agent gets it again"
    )
