"""What befalls pods while they are saved, and many at once: told as it is, nothing left open, nothing recorded lost.

F16, F18, F19, F20, F42, F46. On a fake of their own.
"""

from typing import Any

import pytest

from hubernate_core.operation import Step
from support.fake_kube.server import FakeKube
from support.kube_platform import Platform, StartedPod, wait_gone
from support.platform_service import eventually

HOLDS = {"hold": "sleep 60", "grace_s": 60}


@pytest.fixture
def kube(faulty: Platform) -> FakeKube:
    assert faulty.cluster.fake is not None
    return faulty.cluster.fake


def shown(platform: Platform, started: StartedPod, user: str = "ada") -> dict[str, Any]:
    return platform.server(started, user)


def checkpoints(platform: Platform, started: StartedPod, user: str = "ada") -> list[Any]:
    found: list[Any] = platform.service.person(user)("GET", f"/servers/{started.id}/checkpoints").json()["items"]
    return found


def saved_once(platform: Platform, started: StartedPod) -> None:
    """A checkpoint from before the mishap."""
    platform.service.person("ada")("POST", f"/servers/{started.id}/operations", json={"kind": "save"})
    agent = platform.agent(started.node)
    assert agent.record(agent.order(started.seen())) == "keep"


@pytest.mark.parametrize("how", ["its grace period ends", "somebody forces it"])
def test_a_pod_that_is_killed_in_the_middle_of_its_save(faulty: Platform, kube: FakeKube, how: str) -> None:
    """F16, F18: what was not saved in time is called lost, the save before is there, nothing stays open."""
    started = faulty.start("ada", pod={"hold": "sleep 60", "grace_s": 2})
    saved_once(faulty, started)
    agent = faulty.agent(started.node)
    kube.delete("pods", faulty.namespace_of(started), started.name)
    order = eventually("an order", lambda: agent.poll(started.seen()).orders, timeout_s=60)[0]
    agent.say(order, Step.FROZEN)
    if how.startswith("somebody"):
        kube.delete("pods", faulty.namespace_of(started), started.name, grace_s=0)
    wait_gone(faulty, started)
    assert agent.report(order, Step.FAILED, reason="the container is not there any more").status_code in (200, 409)
    eventually("it sleeps", lambda: shown(faulty, started)["state"] == "asleep", timeout_s=60)
    now = shown(faulty, started)
    assert now["operation"]["step"] == "failed", "no open operation is left behind"
    assert len(checkpoints(faulty, started)) == 1
    faulty.service.hub.forgets("ada")
    assert faulty.start("ada").ticket.checkpoint is not None, "from the save before"


def test_a_pod_that_is_pushed_away_is_saved_first(faulty: Platform, kube: FakeKube) -> None:
    """F16: preemption deletes with the grace period, so the hold keeps it."""
    started = faulty.start("ada", pod=HOLDS)
    kube.kubelet.preempt(faulty.namespace_of(started), started.name)
    agent = faulty.agent(started.node)
    order = eventually("an order", lambda: agent.poll(started.seen()).orders, timeout_s=60)[0]
    assert shown(faulty, started)["operation"]["trigger"] == "evicted" and not faulty.is_gone(started)
    assert agent.record(order) == "release"
    eventually("let go", lambda: agent.report(order, Step.RELEASED).status_code == 200, timeout_s=60)
    assert len(checkpoints(faulty, started)) == 1


def test_a_namespace_that_is_deleted_in_the_middle_of_a_save(faulty: Platform, kube: FakeKube) -> None:
    """F18: the save becomes the last one, and the pod goes once it is recorded."""
    started = faulty.start("ada", pod=HOLDS)
    faulty.service.person("ada")("POST", f"/servers/{started.id}/operations", json={"kind": "save"})
    agent = faulty.agent(started.node)
    order = agent.order(started.seen())
    agent.say(order, Step.FROZEN)
    kube.delete("namespaces", "", faulty.namespace_of(started))
    eventually("it is a stop", lambda: shown(faulty, started)["operation"]["kind"] == "stop", timeout_s=60)
    assert not faulty.is_gone(started), "the hold keeps it"
    assert agent.record(order) == "release"
    eventually("let go", lambda: agent.report(order, Step.RELEASED).status_code == 200, timeout_s=60)
    assert shown(faulty, started)["state"] == "asleep" and len(checkpoints(faulty, started)) == 1


def test_a_full_disk_of_a_node_fails_the_save_and_keeps_the_pod(faulty: Platform, kube: FakeKube) -> None:
    """F19."""
    started = faulty.start("ada", pod=HOLDS)
    faulty.service.tell(started.ticket, "stop", {"generation": 1})
    agent = faulty.agent(started.node)
    order = agent.order(started.seen())
    agent.say(order, Step.FROZEN)
    agent.say(order, Step.FAILED, reason="no space left on node-1 in /var/lib/hubernate/agent")
    now = shown(faulty, started)
    assert now["state"] == "running" and "no space left" in now["operation"]["reason"]
    assert not faulty.is_gone(started)


def test_pressure_on_a_node_is_told(faulty: Platform, kube: FakeKube) -> None:
    """F20: the kubelet kills without a hold; nothing of ours lay only on the node, and the save before is offered."""
    started = faulty.start("ada", pod=HOLDS)
    saved_once(faulty, started)
    kube.kubelet.evict_for_pressure(faulty.namespace_of(started), started.name, "ephemeral-storage")
    opened = eventually("a stop is opened", lambda: shown(faulty, started)["operation"], timeout_s=60)
    opened = eventually(
        "of the dead server",
        lambda: (now := shown(faulty, started)["operation"])["trigger"] == "died" and now,
        timeout_s=60,
    )
    assert opened["kind"] == "stop", opened
    agent = faulty.agent(started.node)
    order = agent.order(started.seen(running=False, exit_code=137))
    agent.say(order, Step.FAILED, reason="the container is not there any more")
    assert len(checkpoints(faulty, started)) == 1
    assert shown(faulty, started)["operation"]["step"] == "failed"


def test_a_node_that_loses_its_device_keeps_what_runs(faulty: Platform, kube: FakeKube) -> None:
    """F46."""
    started = faulty.start("ada", pod=HOLDS)
    kube.status("nodes", "", started.node, {"allocatable": {"cpu": "0", "memory": "0", "nvidia.com/gpu": "0"}})
    faulty.agent(started.node).poll(started.seen())
    assert shown(faulty, started)["state"] == "running" and not faulty.is_gone(started)
    assert shown(faulty, started)["operation"] is None


def test_a_storm_of_stops_loses_nobody(faulty: Platform, kube: FakeKube) -> None:
    """F42: everybody is recorded before their pod goes, nobody stays behind."""
    people = [(f"user{number}", "physics" if number % 3 else "biology") for number in range(18)]
    started = {user: faulty.start(user, groups=(team,), pod={"grace_s": 1}) for user, team in people}
    for each in started.values():
        faulty.service.tell(each.ticket, "stop", {"generation": 1})
    by_uid = {each.uid: each for each in started.values()}
    for node in {each.node for each in started.values()}:
        agent = faulty.agent(node)
        seen = [each.seen() for each in started.values() if each.node == node]
        while orders := agent.poll(*seen).orders:
            for order in orders:
                pod = by_uid[order.container_id]
                assert not faulty.is_gone(pod)
                assert agent.record(order) == "release"
                eventually("let go", lambda: agent.report(order, Step.RELEASED).status_code == 200)  # noqa: B023
                seen = [each for each in seen if each["container_id"] != pod.uid]
    for user, each in started.items():
        assert shown(faulty, each, user)["state"] == "asleep", user
        assert len(checkpoints(faulty, each, user)) == 1, user
        assert faulty.is_gone(each), user
