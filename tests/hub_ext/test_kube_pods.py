"""What a pod says of its notebook, and when it is surely gone. Names and labels must fit, or it is nobody's."""

from dataclasses import replace
from typing import Any, cast

import pytest

from hubernate_core.names import OwnerId, ServerId
from hubernate_core.profile import Profile
from hubernate_core.server import ServerState, Start
from hubernate_hub.bell import Bell
from hubernate_hub.kube.mirror import Change
from hubernate_hub.kube.nodes import Node, Nodes, read_node
from hubernate_hub.kube.pods import Pod, read_pod
from hubernate_hub.kube.sight import PodSight
from hubernate_hub.kube.watch import Informer
from hubernate_hub.store.servers import ServerRow

SERVER, TENANT = "s123456789", "t123456789"


def thing(state: dict[str, Any] | None = None, phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    labels = {"hubernate.io/server": SERVER, "hubernate.io/generation": "3", "hubernate.io/tenant": TENANT}
    names = {"namespace": f"hubernate-t-{TENANT}", "name": f"hubernate-{SERVER}-g3", "uid": "uid-1", "labels": labels}
    statuses = [{"name": "gate", "state": {"running": {}}}, {"name": "notebook", "state": state or {}}]
    return {
        "metadata": names | metadata,
        "spec": {"nodeName": "node-1"},
        "status": {"phase": phase, "containerStatuses": statuses},
    }


def pod(*args: Any, **more: Any) -> Pod:
    found = read_pod(thing(*args, **more), "hubernate")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("state", "phase", "began", "running"),
    [
        ({"running": {}}, "Running", True, True),
        ({"waiting": {"reason": "ContainerCreating"}}, "Pending", False, False),
        ({"terminated": {"exitCode": 1}}, "Failed", True, False),
        ({}, "Failed", True, False),  # lost with its node: it may have held something
    ],
)
def test_states(state: dict[str, Any], phase: str, began: bool, running: bool) -> None:
    found = pod(state, phase)
    assert (found.began, found.running, found.node, found.deleting) == (began, running, "node-1", False)


def test_why_it_ended() -> None:
    seen = pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "Failed").seen()
    assert (seen.oom_killed, seen.exit_code, seen.container_id) == (True, 137, "uid-1")


def test_a_deletion_is_seen() -> None:
    assert pod({"running": {}}, deletionTimestamp="2026-11-24T04:00:00Z").deleting


@pytest.mark.parametrize(
    "changed",
    [
        {"namespace": "default"},
        {"name": f"hubernate-{SERVER}-g4"},
        {"labels": {}},
        {"labels": {"hubernate.io/server": "../../x", "hubernate.io/generation": "3", "hubernate.io/tenant": TENANT}},
        {"labels": {"hubernate.io/server": SERVER, "hubernate.io/generation": "x", "hubernate.io/tenant": TENANT}},
    ],
)
def test_a_pod_that_only_looks_like_ours_is_left_out(changed: dict[str, Any]) -> None:
    assert read_pod(thing({"running": {}}, **changed), "hubernate") is None


class Known:
    """An informer as a test wants it."""

    def __init__(self) -> None:
        self.objects: dict[str, Pod] = {}
        self.synced, self.stale_s, self.proven_at = True, 0.0, 1e12


def row(uid: str = "uid-1", generation: int = 3) -> ServerRow:
    resources = {"cpu": "1", "memory": "1Gi"}
    image = "r.example/profiles/base@sha256:" + "b" * 64
    profile = Profile.model_validate({"name": "base", "title": "Base", "image": image, "resources": resources})
    base = ServerRow(
        ServerId(SERVER),
        OwnerId("o123456789"),
        "",
        ServerState.RUNNING,
        generation,
        profile,
        Start.CLEAN,
        "",
        "",
        "",
        "",
    )
    return replace(base, container_id=uid)


def sight(known: Known, gone_after_s: float = 0.0) -> PodSight:
    found = PodSight(Bell(), gone_after_s, 150)
    found.watch(cast(Informer[Pod], known))
    return found


def test_a_pod_whose_end_was_told_is_gone() -> None:
    known = Known()
    known.proven_at = 0
    looked = sight(known, gone_after_s=10)
    assert not looked.gone(row())
    looked.changed(Change("uid-1", pod(), None))
    assert looked.gone(row())


def test_missing_is_gone_only_by_a_word_that_came_well_after() -> None:
    known = Known()
    known.proven_at = 0  # no word since we first missed it: a watch may be far behind
    looked = sight(known, gone_after_s=10)
    assert not looked.gone(row())
    assert not looked.gone(row())
    known.proven_at = 1e12
    assert looked.gone(row())


@pytest.mark.parametrize("uid", ["", "uid-1"])
def test_nothing_is_gone_before_the_first_list_or_without_a_pod(uid: str) -> None:
    known = Known()
    known.synced = bool(not uid)
    assert not sight(known).gone(row(uid))


def test_old_knowledge_is_not_told() -> None:
    known = Known()
    known.objects = {"uid-1": pod({"terminated": {"exitCode": 1}}, "Failed")}
    looked = sight(known)
    assert looked.seen(row()) is not None
    assert [seen.generation for _, seen in looked.strays([])] == [3]
    assert looked.unseen(["node-1"]) == []
    known.stale_s = 1000.0
    assert "whose API server is silent" in looked.unseen([])[0]
    assert looked.seen(row()) is None
    assert looked.strays([]) == []


def test_an_older_start_is_told_and_one_that_never_began_is_empty() -> None:
    known = Known()
    known.objects = {"uid-1": pod({"running": {}})}
    looked = sight(known)
    assert [node for node, _ in looked.left_behind([row(generation=4)])] == ["node-1"]
    assert looked.left_behind([row(generation=3)]) == []
    assert looked.left_behind([]) == [], "another platform's"
    known.objects = {"uid-1": pod({"waiting": {}}, "Pending")}
    assert [each.at.uid for each in looked.never_began([])] == ["uid-1"]
    assert looked.never_began([row()]) == []
    assert looked.strays([]) == []


def test_a_start_that_a_restored_database_lacks_is_told() -> None:
    known = Known()
    known.objects = {"uid-1": pod({"running": {}})}
    looked = sight(known)
    assert [seen.generation for _, seen in looked.left_behind([row(generation=2)])] == [3]
    known.stale_s = 1000.0
    assert looked.left_behind([row(generation=2)]) == []


def test_a_node_is_in_trouble_after_a_while_by_our_own_clock() -> None:
    now = [0.0]
    nodes = Nodes(120, lambda: now[0])
    nodes.changed(Change("u", None, Node("a", True)))
    assert nodes.trouble("a") == ""
    nodes.changed(Change("u", Node("a", True), Node("a", False)))
    now[0] = 119
    assert nodes.trouble("a") == ""
    now[0] = 180
    assert nodes.trouble("a") == "node a has not been ready for 3 min"
    nodes.changed(Change("u", Node("a", False), Node("a", True)))
    assert nodes.trouble("a") == ""
    nodes.changed(Change("v", None, Node("b", True)))
    nodes.changed(Change("u", Node("a", True), None))
    assert "no longer in the cluster" in nodes.trouble("a")


def test_a_node_whose_kubelet_is_silent_is_not_ready() -> None:
    conditions = [{"type": "Ready", "status": "Unknown"}]
    assert not read_node({"metadata": {"name": "a"}, "status": {"conditions": conditions}}).ready
    assert not read_node({"metadata": {"name": "a"}}).ready
