"""Stops, evictions and deaths of pods: nothing goes away unsaved, and "stopped" is said after it is true (P1, P8)."""

import time
from typing import Any

from hubernate_core.operation import Step
from hubernate_core.server import Ticket
from hubernate_hub.reconcile import pods as loop
from hubernate_hub.store import servers
from support.kube_platform import HUNGRY, Platform, StartedPod, pod_of, wait_gone
from support.platform_service import eventually

HOLDS = {"hold": "sleep 60", "grace_s": 60}
"""A pod that takes its time when somebody deletes it, as a notebook does for its save."""


def newest(platform: Platform, started: StartedPod, user: str = "ada") -> dict[str, Any]:
    found: dict[str, Any] = platform.server(started, user)["operation"] or {}
    return found


def asks_to_stop(platform: Platform, started: StartedPod) -> dict[str, Any]:
    return platform.service.tell(started.ticket, "stop", {"generation": started.ticket.generation})


def test_a_start_has_a_placement_and_is_where_its_pod_is(platform: Platform) -> None:
    started = platform.start("ada")
    placement = started.ticket.placement
    assert placement is not None
    assert placement.namespace == platform.namespace("physics")
    assert placement.home_size == 10 * 1024**3
    shown = platform.server(started, "ada")
    assert (shown["state"], shown["node"]) == ("running", started.node)


def test_a_stop_ends_only_when_the_pod_is_gone(platform: Platform) -> None:
    started = platform.start("ada")
    agent = platform.agent(started.node)
    asks_to_stop(platform, started)
    order = agent.order(started.seen())
    assert (order.container_id, order.gate_container_id, order.deleting) == (started.uid, "", False)
    assert agent.record(order) == "release"
    pin = {"metadata": {"finalizers": ["hubernate.test/stays"]}}
    merge = "application/merge-patch+json"
    platform.admin("PATCH", started.path, pin, kind=merge)
    platform.service.inside.kube.settings.delete_wait_s = 2  # type: ignore[union-attr]
    refused = agent.report(order, Step.RELEASED)
    assert refused.status_code == 503
    assert "not gone yet" in refused.json()["detail"]
    assert platform.server(started, "ada")["state"] == "running", "its pod is still there"
    platform.admin("PATCH", started.path, {"metadata": {"finalizers": None}}, kind=merge)
    assert agent.say(order, Step.RELEASED) == "continue"
    assert platform.is_gone(started)
    assert platform.server(started, "ada")["state"] == "asleep"
    assert newest(platform, started)["outcome"] == "stopped"
    assert agent.say(order, Step.RELEASED) == "continue", "a repeated report gets the same answer"


def test_released_before_anything_is_recorded_removes_nothing(platform: Platform) -> None:
    started = platform.start("ada")
    agent = platform.agent(started.node)
    asks_to_stop(platform, started)
    order = agent.order(started.seen())
    for step in (None, Step.QUIESCED, Step.PUSHED):
        if step is not None:
            agent.say(order, step)
        assert agent.report(order, Step.RELEASED).status_code == 409
    time.sleep(1)
    assert not platform.is_gone(started)


def test_a_save_leaves_the_pod(platform: Platform) -> None:
    started = platform.start("ada")
    platform.service.person("ada")("POST", f"/servers/{started.id}/operations", json={"kind": "save"})
    agent = platform.agent(started.node)
    assert agent.record(agent.order(started.seen())) == "keep"
    assert not platform.is_gone(started)


def test_the_next_start_prefers_the_node_that_has_the_image(platform: Platform) -> None:
    started = platform.start("ada")
    agent = platform.agent(started.node)
    asks_to_stop(platform, started)
    order = agent.order(started.seen())
    agent.record(order)
    agent.say(order, Step.RELEASED)
    platform.service.hub.forgets("ada")
    saved = platform.service.person("ada")("GET", f"/servers/{started.id}/checkpoints").json()["items"][0]
    agent.poll(local_checkpoints=[f"{saved['repository']}@{saved['digest']}"])
    placement = platform.service.request_start("ada").json()["placement"]
    assert placement["prefer_node"] == started.node


def test_a_discard_is_the_services_own_work(platform: Platform) -> None:
    started = platform.start("ada", ready=False, pod=HOLDS)
    operation = asks_to_stop(platform, started)
    assert (operation["kind"], operation["node"]) == ("discard", "")
    assert platform.agent(started.node).poll().orders == (), "no agent is asked"
    eventually("the server sleeps", lambda: platform.server(started, "ada")["state"] == "asleep", timeout_s=60)
    assert platform.is_gone(started)
    assert newest(platform, started)["outcome"] == "discarded"


def test_an_eviction_is_saved_before_the_pod_goes(platform: Platform) -> None:
    started = platform.start("ada", pod=HOLDS)
    name = started.path.rpartition("/")[2]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    platform.admin("POST", f"{started.path}/eviction", eviction)
    opened = eventually("a stop is opened", lambda: newest(platform, started), timeout_s=60)
    assert (opened["kind"], opened["trigger"]) == ("stop", "evicted")
    agent = platform.agent(started.node)
    order = agent.order(started.seen())
    assert order.deleting
    assert not platform.is_gone(started), "the hold keeps it"
    assert agent.record(order) == "release"
    released = "the pod is let go; this one's hold ends with its grace period"
    eventually(released, lambda: agent.report(order, Step.RELEASED).status_code == 200, timeout_s=60)
    assert platform.is_gone(started)
    assert newest(platform, started)["outcome"] == "stopped"
    assert platform.service.hub.asked("DELETE", "users/ada/server") == 1


def test_a_deletion_during_a_save_turns_it_into_a_stop_and_the_agent_learns_of_it(platform: Platform) -> None:
    started = platform.start("ada", pod=HOLDS)
    platform.service.person("ada")("POST", f"/servers/{started.id}/operations", json={"kind": "save"})
    agent = platform.agent(started.node)
    order = agent.order(started.seen())
    assert (order.kind, order.deleting) == ("save", False)
    platform.admin("DELETE", started.path)
    eventually("it is a stop", lambda: newest(platform, started)["kind"] == "stop")
    answer = agent.report(order, Step.QUIESCED).json()
    assert answer["deleting"] is True
    assert agent.record(order) == "release"


def test_a_failed_save_of_a_pod_that_is_being_deleted_is_tried_again_soon(platform: Platform) -> None:
    started = platform.start("ada", pod=HOLDS)
    platform.admin("DELETE", started.path)
    agent = platform.agent(started.node)
    first = eventually("an order", lambda: agent.poll(started.seen()).orders)[0]
    agent.say(first, Step.FAILED, reason="the registry is away")
    again = eventually("another order", lambda: agent.poll(started.seen()).orders, timeout_s=60)[0]
    assert again.operation_id != first.operation_id


def test_a_start_while_the_pod_is_being_deleted_waits_for_the_save(platform: Platform) -> None:
    started = platform.start("ada", pod=HOLDS)
    platform.admin("DELETE", started.path)
    eventually("it is known", lambda: newest(platform, started))
    answer = platform.service.request_start("ada").json()
    assert answer["wait_for"] == newest(platform, started)["id"]


def test_a_notebook_that_ends_by_itself_is_saved_from_its_dead_container(platform: Platform) -> None:
    started = platform.start("ada", pod={"command": "sleep 3; exit 7"})
    opened = eventually("a stop is opened", lambda: newest(platform, started), timeout_s=60)
    assert opened["trigger"] == "died"
    assert "exit code 7" in opened["reason"]
    shown = platform.server(started, "ada")
    assert shown["state"] == "dead"
    agent = platform.agent(started.node)
    order = agent.order(started.seen(running=False, exit_code=7))
    assert agent.record(order) == "release"
    agent.say(order, Step.RELEASED)
    assert platform.is_gone(started)


def test_out_of_memory_is_told(platform: Platform) -> None:
    started = platform.start("ada", pod={"command": HUNGRY})
    platform.cluster.out_of_memory(started)
    opened = eventually("a stop is opened", lambda: newest(platform, started), timeout_s=60)
    assert "ran out of memory" in opened["reason"]


def test_a_pod_that_is_gone_without_a_save_is_told_as_such(platform: Platform) -> None:
    started = platform.start("ada")
    platform.admin("DELETE", started.path, {"gracePeriodSeconds": 0})
    wait_gone(platform, started)
    eventually("the server sleeps", lambda: platform.server(started, "ada")["state"] == "asleep", timeout_s=60)
    agent = platform.agent(started.node)
    for order in agent.poll().orders:
        agent.say(order, Step.FAILED, reason="the container is not there any more")
    page = platform.service.person("ada")("GET", f"/servers/{started.id}").json()
    assert page["state"] == "asleep"
    row = platform.service.inside.store.now(_row, started.id)
    assert "gone" in row.notice


def _row(tx: Any, server: str) -> Any:
    return servers.get(tx, server)  # type: ignore[arg-type]


def test_a_pod_that_lost_our_labels_is_not_taken_for_gone(platform: Platform) -> None:
    started = platform.start("ada")
    labels = {"metadata": {"labels": {"hubernate.io/instance": None}}}
    platform.admin("PATCH", started.path, labels, kind="application/merge-patch+json")
    time.sleep(4)
    assert platform.server(started, "ada")["state"] == "running"
    labels["metadata"]["labels"]["hubernate.io/instance"] = platform.instance  # type: ignore[assignment]
    platform.admin("PATCH", started.path, labels, kind="application/merge-patch+json")


def test_what_a_dying_hub_left_is_removed_when_empty_and_taken_in_when_not(platform: Platform) -> None:
    started = platform.start("ada")
    service = platform.service
    answer = service.request_start("bob", profile="base")
    assert answer.status_code == 200
    ticket = Ticket.model_validate(answer.json())
    assert ticket.placement is not None
    pods = f"/api/v1/namespaces/{ticket.placement.namespace}/pods"
    never = pod_of(ticket, platform.instance)
    never["spec"]["nodeSelector"] = {"hubernate.test/nowhere": "x"}
    made = platform.admin("POST", pods, never)
    service.tell(ticket, "abandoned", {"generation": ticket.generation})
    before, loop._EMPTY_AFTER_S = loop._EMPTY_AFTER_S, 1.0
    try:
        left = StartedPod(ticket, made["metadata"]["uid"], "", f"{pods}/{made['metadata']['name']}")
        wait_gone(platform, left)
    finally:
        loop._EMPTY_AFTER_S = before
    assert not platform.is_gone(started)
