"""What a cluster does to a running service: API servers that go away, watches that lie, nodes that are lost.

The invariant of every case: nothing that runs is stopped on a doubt, and what is told is true (F12–F15, F34, F35, F40,
F41, F46). On a fake of their own: nobody breaks a real cluster's API server.
"""

import time
from datetime import timedelta
from typing import Any

import pytest

from hubernate_core.operation import Step
from hubernate_hub.context import Work
from hubernate_hub.store import servers
from hubernate_hub.store.database import Tx
from hubernate_hub.ui import views
from support.fake_kube.faults import Fault
from support.fake_kube.server import FakeKube
from support.kube_platform import Platform, StartedPod
from support.platform_service import eventually

HOLDS = {"hold": "sleep 60", "grace_s": 60}


@pytest.fixture
def kube(faulty: Platform) -> FakeKube:
    assert faulty.cluster.fake is not None
    return faulty.cluster.fake


def fresh(platform: Platform) -> bool:
    """Whether the service has heard the API server lately."""
    parts = platform.service.inside.kube
    assert parts is not None
    return parts.sight.fresh and all(each.stale_s < 5 for each in parts.informers)


def state(platform: Platform, started: StartedPod) -> str:
    return str(platform.server(started, "ada")["state"])


def operation(platform: Platform, started: StartedPod) -> dict[str, Any]:
    return platform.server(started, "ada")["operation"] or {}


def rounds(platform: Platform, count: int = 15) -> None:
    """Let the loops look that many times, ten a second."""
    time.sleep(count * 0.1)


def page(platform: Platform, user: str = "ada") -> str:
    """The person's page of environments."""
    context = platform.service.inside

    def use(tx: Tx) -> str:
        rows = [each for each in servers.all_servers(tx) if each.user == user]
        (card,) = views.cards(Work(tx, context, context.clock()), rows)
        return card.alert + (" [Discard the changes]" if card.can_discard else "")

    return context.store.now(use)


def lose(platform: Platform, kube: FakeKube, node: str) -> None:
    """The node is gone for the cluster, and its agent has been silent for long enough."""
    context = platform.service.inside
    assert context.kube is not None
    context.kube.nodes._after_s = 0
    context.fleet._silent_after_s = 0.2
    context.fleet._started -= 60
    kube.kubelet.lose_node(node)
    eventually("the service knows", lambda: context.kube and context.kube.nodes.trouble(node))
    eventually("its agent is silent", lambda: context.fleet.silent(node))


def test_an_api_server_that_is_away_stops_nobody_and_refuses_nothing_wrongly(faulty: Platform, kube: FakeKube) -> None:
    started = faulty.start("ada", pod=HOLDS)
    faulty.agent(started.node).poll(started.seen())
    kube.down()
    context = faulty.service.inside
    assert context.kube is not None
    context.kube.sight._fresh_s = 0.1  # minutes of silence in a moment
    rounds(faulty)
    assert state(faulty, started) == "running"
    assert operation(faulty, started) == {}, "nothing was opened on a doubt"
    # People's own requests are answered from our own rows meanwhile.
    assert faulty.service.person("ada")("GET", "/servers").json()["total"] == 1
    assert faulty.service.request_start("ada").json()["adopt"] == started.uid
    kube.up()
    context.kube.sight._fresh_s = 150
    eventually("heard again", lambda: fresh(faulty), timeout_s=60)
    assert state(faulty, started) == "running"
    assert not faulty.is_gone(started)


def test_a_pod_deleted_while_the_api_server_was_away_is_noticed_after(faulty: Platform, kube: FakeKube) -> None:
    started = faulty.start("ada", pod=HOLDS)
    kube.down()
    kube.delete("pods", faulty.namespace_of(started), started.name)
    kube.compact()
    kube.up()
    opened = eventually("a stop is opened", lambda: operation(faulty, started), timeout_s=60)
    assert (opened["kind"], opened["trigger"]) == ("stop", "evicted")


@pytest.mark.parametrize("how", ["ended", "broken", "forgotten", "forgotten, told by HTTP"])
def test_a_lost_watch_stops_nobody_and_misses_nothing(faulty: Platform, kube: FakeKube, how: str) -> None:
    started, other = faulty.start("ada", pod=HOLDS), faulty.start("bob", pod=HOLDS)
    kube.watches.expired_as_http = how.endswith("HTTP")
    lists = kube.calls.count(verb="list", resource="pods", subject=faulty.service_account)
    for _ in range(3):
        if how.startswith("forgotten"):
            kube.compact()
        kube.cut_watches("pods", abrupt=how == "broken")
        eventually("it watches again", lambda: kube.watches.count("pods") == 1)
    assert state(faulty, started) == "running"
    assert operation(faulty, started) == {}
    kube.delete("pods", faulty.namespace_of(other), other.name)
    eventually("what happens now is seen", lambda: (faulty.server(other, "bob")["operation"] or {}).get("trigger"))
    anew = kube.calls.count(verb="list", resource="pods", subject=faulty.service_account) - lists
    assert anew <= (3 if how.startswith("forgotten") else 0), "a lost watch is no reason to list"


def test_a_stale_list_makes_no_running_server_gone(faulty: Platform, kube: FakeKube) -> None:
    with kube.stale_lists("pods", always=True):  # as of before the start: it lacks the pod
        started = faulty.start("ada", pod=HOLDS)
        kube.compact()
        kube.cut_watches("pods")
        rounds(faulty, 30)  # longer than `gone_after_s`
        assert state(faulty, started) == "running"
        assert not faulty.is_gone(started)
    kube.compact()
    kube.cut_watches("pods")
    rounds(faulty)
    assert state(faulty, started) == "running"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_storm_of_errors_is_sat_out(faulty: Platform, kube: FakeKube, status: int) -> None:
    started = faulty.start("ada", pod=HOLDS)
    agent = faulty.agent(started.node)
    faulty.service.tell(started.ticket, "stop", {"generation": 1})
    order = agent.order(started.seen())
    assert agent.record(order) == "release"
    calm = kube.faults.add(Fault(status=status, reason="Trouble", retry_after_s=1), subject=faulty.service_account)
    refused = agent.report(order, Step.RELEASED)
    assert refused.status_code == 503
    assert state(faulty, started) == "running", "it is not called stopped while that is not known"
    calm()
    assert agent.say(order, Step.RELEASED) == "continue"
    assert state(faulty, started) == "asleep"
    assert faulty.is_gone(started)


def test_a_silent_agent_keeps_the_pod_and_is_named(faulty: Platform, kube: FakeKube) -> None:
    started = faulty.start("ada", pod=HOLDS)
    faulty.agent(started.node).poll(started.seen())
    faulty.service.inside.fleet._silent_after_s = 0.2
    faulty.service.inside.fleet._started -= 60
    faulty.service.tell(started.ticket, "stop", {"generation": 1})
    note = eventually("it is told", lambda: operation(faulty, started)["progress"]["note"])
    assert f"The agent on node {started.node}" in note and "your server keeps running" in note
    assert state(faulty, started) == "running"
    assert not faulty.is_gone(started)


def test_a_lost_node_is_told_and_left_alone_until_somebody_gives_it_up(faulty: Platform, kube: FakeKube) -> None:
    started = faulty.start("ada", pod=HOLDS)
    agent = faulty.agent(started.node)
    ada = faulty.service.person("ada")
    ada("POST", f"/servers/{started.id}/operations", json={"kind": "save"})
    assert agent.record(agent.order(started.seen())) == "keep"
    refused = ada("POST", f"/servers/{started.id}/operations", params={"confirm": "discard"}, json={"kind": "discard"})
    assert refused.status_code == 409, "while its node is there it can be saved"
    lose(faulty, kube, started.node)
    rounds(faulty)
    assert state(faulty, started) == "running"
    told = page(faulty)
    assert "[Discard the changes]" in told
    assert f"node {started.node} has not been ready".lower() in told.lower()
    assert "the newest save is" in told and "discard what is not saved and start from that save" in told
    unsure = ada("POST", f"/servers/{started.id}/operations", json={"kind": "discard"})
    assert unsure.status_code == 409 and "unsaved changes would be lost" in unsure.json()["detail"]
    answer = ada("POST", f"/servers/{started.id}/operations", params={"confirm": "discard"}, json={"kind": "discard"})
    assert answer.status_code == 202, answer.text
    eventually("it sleeps", lambda: state(faulty, started) == "asleep")
    assert faulty.is_gone(started)
    faulty.service.hub.forgets("ada")
    again = faulty.start("ada")
    assert again.node != started.node
    assert again.ticket.checkpoint is not None, "from that save"


def test_a_node_that_comes_back_is_fenced(faulty: Platform, kube: FakeKube) -> None:
    started = faulty.start("ada", pod=HOLDS)
    agent = faulty.agent(started.node)
    faulty.service.tell(started.ticket, "stop", {"generation": 1})
    order = agent.order(started.seen())
    agent.say(order, Step.FROZEN)
    ada = faulty.service.person("ada")
    too_soon = ada("POST", f"/servers/{started.id}/operations", params={"confirm": "discard"}, json={"kind": "discard"})
    assert too_soon.status_code == 409 and "being saved" in too_soon.json()["detail"]
    lose(faulty, kube, started.node)
    given_up = ada("POST", f"/servers/{started.id}/operations", params={"confirm": "discard"}, json={"kind": "discard"})
    assert given_up.json()["id"] == order.operation_id, "the open stop becomes a discard"
    eventually("it sleeps", lambda: state(faulty, started) == "asleep")
    faulty.service.hub.forgets("ada")
    again = faulty.start("ada")
    kube.kubelet.restore_node(started.node)
    for step in (Step.CAPTURED, Step.VERIFIED, Step.RELEASED):
        late = agent.report(order, step)
        assert late.status_code in (403, 409), step
    assert state(faulty, again) == "running"
    assert not faulty.is_gone(again)
    assert ada("GET", f"/servers/{again.id}/checkpoints").json()["items"] == []
    orders = agent.poll(started.seen()).orders
    assert [each.generation for each in orders] in ([], [2]), "nothing of the old start is asked for"


def test_clocks_that_are_wrong_stop_nobody(faulty: Platform, kube: FakeKube) -> None:
    started = faulty.start("ada", pod=HOLDS)
    agent = faulty.agent(started.node)
    for offset in (timedelta(hours=1), timedelta(hours=-1), timedelta(days=-400)):
        faulty.service.clock.offset = offset
        agent.poll(started.seen())
        rounds(faulty, 5)
        assert state(faulty, started) == "running", offset
    assert not faulty.is_gone(started)


def test_a_quota_below_what_runs_keeps_what_runs(faulty: Platform, kube: FakeKube) -> None:
    started = faulty.start("ada", pod=HOLDS)
    faulty.change_tenant("physics", quota={"servers": 1, "cpu": "1"})
    namespace = faulty.namespace_of(started)

    def limit() -> str:
        found = kube.get("resourcequotas", namespace, "tenant")
        return str(found["spec"]["hard"]["pods"]) if found else ""

    eventually("the cluster knows the quota", lambda: limit() == "1")
    rounds(faulty)
    assert state(faulty, started) == "running"
    assert not faulty.is_gone(started)
