"""`kubectl describe pod` says which operation saves a server, which checkpoint came of it, and why one failed."""

from typing import Any

from hubernate_core.operation import Step
from support.kube_platform import Platform, StartedPod
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
