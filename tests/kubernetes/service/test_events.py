"""`kubectl describe pod` says which operation saves a server, which checkpoint came of it, and why one failed."""

import asyncio
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hubernate_core.operation import Step
from hubernate_hub.context import Work
from hubernate_hub.kube.client import KubeApi
from hubernate_hub.reconcile import events as telling
from hubernate_hub.reconcile.events import Telling, worth_telling
from support.fake_kube.faults import Fault
from support.kube_platform import Cluster, Platform, StartedPod, on_cluster
from support.platform_service import eventually

HOLDS = {"hold": "sleep 60", "grace_s": 60}


def events(platform: Platform, started: StartedPod) -> dict[str, dict[str, Any]]:
    """Ours about that pod, by reason."""
    path = f"/api/v1/namespaces/{platform.namespace_of(started)}/events"
    found = platform.admin("GET", path)["items"]
    ours = [each for each in found if each.get("source", {}).get("component") == "hubernate"]
    about = [each for each in ours if each["involvedObject"].get("uid") == started.uid]
    assert len({each["reason"] for each in about}) == len(about), "each is told once"
    return {each["reason"]: each for each in about}


def test_a_stop_is_told_on_its_pod(platform: Platform) -> None:
    started = platform.start("ada", pod=HOLDS)
    platform.service.tell(started.ticket, "stop", {"generation": 1})
    agent = platform.agent(started.node)
    order = agent.order(started.seen())
    begun = eventually("it is told", lambda: events(platform, started).get("Stopping"))
    assert order.operation_id in begun["message"] and "user" in begun["message"]
    assert begun["metadata"]["labels"]["hubernate.io/server"] == started.id
    assert agent.record(order) == "release"
    agent.say(order, Step.RELEASED)
    saved = eventually("it is told", lambda: events(platform, started).get("Saved"))
    (checkpoint,) = platform.service.person("ada")("GET", f"/servers/{started.id}/checkpoints").json()["items"]
    assert checkpoint["id"] in saved["message"] and saved["type"] == "Normal"
    assert saved["metadata"]["annotations"]["hubernate.io/operation"] == order.operation_id


def test_a_failed_save_is_a_warning_with_its_reason(platform: Platform) -> None:
    started = platform.start("ada")
    platform.service.person("ada")("POST", f"/servers/{started.id}/operations", json={"kind": "save"})
    agent = platform.agent(started.node)
    order = agent.order(started.seen())
    agent.say(order, Step.FAILED, reason="the registry answered 507")
    told = eventually("it is told", lambda: events(platform, started).get("SaveFailed"))
    assert (told["type"], "507" in told["message"]) == ("Warning", True)
    assert {"Saving", "SaveFailed"} <= events(platform, started).keys()


def test_an_event_that_is_not_accepted_holds_up_no_other(faulty: Platform) -> None:
    assert faulty.cluster.fake is not None
    eve, ada = faulty.start("eve", groups=("biology",)), faulty.start("ada")
    refuse = Fault(status=422, reason="Invalid", message="the namespace's policy wants a label")
    faulty.cluster.fake.faults.add(refuse, verb="create", resource="events", namespace=faulty.namespace_of(eve))
    for user, started in ("eve", eve), ("ada", ada):
        faulty.service.person(user)("POST", f"/servers/{started.id}/operations", json={"kind": "save"})
    assert eventually("the other team's is told", lambda: events(faulty, ada).get("Saving"))
    assert events(faulty, eve) == {}


def test_what_became_of_a_start_is_told_although_the_next_one_runs(tmp_path: Path, cluster: Cluster) -> None:
    with on_cluster(tmp_path, cluster, reconcile_every_s=3600) as platform:
        first = platform.start("ada")
        stop(platform, first)
        second = platform.start("ada")
        assert (second.id, second.name) != (first.id, first.name)
        rounds(platform)
        assert {"Stopping", "Saved"} <= events(platform, first).keys()
        assert events(platform, second) == {}


def test_only_the_first_round_looks_back(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def counted(work: Work, since: datetime | None) -> list[Any]:
        found = worth_telling(work, since)
        looked.append(len(found))
        return found

    with on_cluster(tmp_path, cluster, reconcile_every_s=3600) as platform:
        stop(platform, platform.start("ada"))
        platform.service.clock.move(minutes=3)
        monkeypatch.setattr(telling, "worth_telling", counted)
        rounds(platform, 2)
        assert looked == [2, 0]


def stop(platform: Platform, started: StartedPod) -> None:
    """Stop a server, saved, by its agent's word."""
    platform.service.tell(started.ticket, "stop", {"generation": started.ticket.generation})
    agent = platform.agent(started.node)
    order = agent.order(started.seen())
    assert agent.record(order) == "release"
    agent.say(order, Step.RELEASED)


def rounds(platform: Platform, count: int = 1) -> None:
    """That many rounds of a service that has just begun."""
    context = platform.service.inside
    assert context.kube is not None
    kube = replace(context.kube, api=KubeApi(context.kube.settings))

    async def look() -> None:
        telling = Telling(context, kube)
        for _ in range(count):
            await telling.round()
        await kube.close()

    asyncio.run(look())
