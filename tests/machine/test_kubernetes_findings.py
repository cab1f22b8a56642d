"""What the doctor concludes about a cluster, and that every bad finding says what to do."""

from pathlib import Path
from typing import Any

import pytest

from hubernate_core.errors import HubernateError
from hubernate_core.kubernetes import Cluster
from hubernate_core.manifests.restricted import violations
from hubernate_machine.findings import GIB, Finding, Grade
from hubernate_machine.kubernetes import judge
from hubernate_machine.kubernetes.doctor import left_behind
from hubernate_machine.kubernetes.probe import Probe, make_probe, why_not

NODE: dict[str, Any] = {
    "metadata": {"name": "node-1"},
    "status": {
        "nodeInfo": {
            "kubeletVersion": "v1.36.2",
            "containerRuntimeVersion": "containerd://2.1.9",
            "architecture": "amd64",
        }
    },
}
SEEN: dict[str, Any] = {
    "clock": 0.0, "free": 50 * GIB, "total": 100 * GIB, "engine": "", "snapshotters": ["overlayfs"], "changes": "",
    "cgroups": "", "kubelet": "", "registry": "",
}  # fmt: skip
REACHED = {"names": True, "hub": True, "service": True, "another pod": False, "the API server": False}


def node(name: str = "node-2", **info: str) -> dict[str, Any]:
    """Another node."""
    return {"metadata": {"name": name}, "status": {"nodeInfo": NODE["status"]["nodeInfo"] | info}}


def bad(found: list[Finding]) -> list[str]:
    """What is wrong; everything that is not in order has to say what to do."""
    for each in found:
        assert each.grade is Grade.OK or each.todo, f"{each.what} says no next step"
    return [each.what for each in found if each.grade is Grade.WRONG]


def test_a_good_cluster() -> None:
    assert bad(judge.judge_versions("v1.36.2+k3s1", [NODE])) == []
    assert bad(judge.judge_node("node-1", SEEN)) == []
    assert bad(judge.judge_reach("node-1", REACHED, before=True)) == []


@pytest.mark.parametrize(
    ("server", "other", "what"),
    [
        ("v1.29.4", {}, ["API server"]),
        ("v1.36.2", {"kubeletVersion": "v1.28.1-eks"}, ["kubelet of node-2"]),
        ("v1.36.2", {"containerRuntimeVersion": "cri-o://1.30.0"}, ["runtime"]),
        ("v1.36.2", {"containerRuntimeVersion": "containerd://1.5.9"}, ["runtime"]),
        ("v1.36.2", {"containerRuntimeVersion": ""}, ["runtime"]),
    ],
)
def test_versions_that_will_not_do(server: str, other: dict[str, str], what: list[str]) -> None:
    found = judge.judge_versions(server, [NODE, node(**other)])
    assert bad(found) == what
    if what == ["runtime"]:
        assert "node-2" in next(each.says for each in found if each.what == "runtime"), "it says which node"


def test_nodes_of_two_architectures_are_told() -> None:
    found = judge.judge_versions("v1.36.2", [NODE, node(architecture="arm64")])
    assert [each.grade for each in found if each.what == "architecture"] == [Grade.WARNING]


def storage_class(name: str, *, default: bool = False, expansion: bool = True) -> dict[str, Any]:
    """A StorageClass as the API has it."""
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": annotations}, "allowVolumeExpansion": expansion}


def test_storage_classes() -> None:
    fast, usual = storage_class("fast"), storage_class("usual", default=True)
    assert bad(judge.judge_storage([fast, usual], {"research": "", "analytics": "fast"})) == []
    assert bad(judge.judge_storage([fast], {"research": ""})) == ["storage"], "no default"
    assert bad(judge.judge_storage([usual], {"research": "slow"})) == ["storage"], "a class that is not there"
    (found,) = judge.judge_storage([storage_class("rigid", default=True, expansion=False)], {"research": ""})
    assert found.grade is Grade.WARNING and "rigid" in found.says


def test_what_of_the_platform_does_not_run() -> None:
    def of(name: str, ready: int) -> dict[str, Any]:
        return {"metadata": {"name": name}, "status": {"readyReplicas": ready}}

    agents = [{"metadata": {"name": "agent"}, "status": {"numberReady": 1}}]
    good = [of(name, 1) for name in judge.DEPLOYMENTS]
    assert bad(judge.judge_workloads(good, agents, 1, "hubernate")) == []
    assert bad(judge.judge_workloads(good, agents, 2, "hubernate")) == ["agent"]
    assert bad(judge.judge_workloads([of("hub", 0), of("proxy", 1)], agents, 1, "hubernate")) == ["hub", "service"]


@pytest.mark.parametrize("what", ["engine", "changes", "cgroups", "kubelet", "registry"])
def test_what_an_agent_lacks(what: str) -> None:
    assert bad(judge.judge_node("node-1", SEEN | {what: "it is not so"})) == [f"{what} on node-1"]


def test_a_snapshotter_that_cannot_be_read_and_a_full_disk() -> None:
    assert bad(judge.judge_node("n", SEEN | {"snapshotters": ["overlayfs", "stargz"]})) == ["snapshotter on n"]
    assert bad(judge.judge_node("n", SEEN | {"free": GIB})) == ["disk of the agent on n"]


def test_clocks() -> None:
    assert judge.judge_clocks({"a": 0.4, "b": -0.3}).grade is Grade.OK
    assert judge.judge_clocks({"a": 40.0, "b": 40.5}).grade is Grade.OK, "ours may be wrong; the nodes agree"
    found = judge.judge_clocks({"a": 0.0, "b": 9.0})
    assert found.grade is Grade.WRONG and "b is 9 s ahead of a" in found.says
    assert judge.judge_clocks({}).grade is Grade.WARNING


def test_the_network() -> None:
    for door in ("another pod", "the API server"):
        (found,) = judge.judge_reach("n", REACHED | {door: True}, before=True)
        assert found.grade is Grade.WRONG and door in found.says and found.todo
    (found,) = judge.judge_reach("n", REACHED | {"names": False}, before=True)
    assert "DNS" in found.says
    (found,) = judge.judge_reach("n", REACHED, before=False)
    assert found.grade is Grade.WRONG, "a closed door proves nothing where none was ever open"


def test_secrets_and_policies() -> None:
    needed, choices = ["hub-cookie", "signing-key"], ["accounts.json", "oauth.json"]
    assert judge.judge_secrets([*needed, "oauth.json"], needed, choices).grade is Grade.OK
    found = judge.judge_secrets(["hub-cookie"], needed, choices)
    assert "signing-key" in found.says and "accounts.json or oauth.json" in found.says
    assert judge.judge_policies(["a", "b"], ["a"]).grade is Grade.OK
    assert bad([judge.judge_policies(["a"], ["a", "b"])]) == ["admission"]


def test_a_probe_is_no_more_than_a_notebook_may_be() -> None:
    made = make_probe("probe-0", "doctor", "node-1", "registry.example.com/gate@sha256:" + "a" * 64, with_secret=True)
    assert violations(made) == []
    assert "nodeName" not in made["spec"], "it goes through the scheduler"


def test_why_a_probe_does_not_run() -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "x509: certificate signed by unknown authority"}}
    assert "unknown authority" in why_not({"status": {"containerStatuses": [{"ready": False, "state": waiting}]}})
    assert why_not({"status": {"containerStatuses": [{"ready": True}]}}) == ""
    unplaced = {"type": "PodScheduled", "message": "0/1 nodes are available"}
    assert why_not({"status": {"conditions": [unplaced]}}) == "0/1 nodes are available"
    assert why_not({}) == "not started yet"


def test_a_namespace_that_could_not_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubectl that may make things and not delete them."""
    program = tmp_path / "kubectl"
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '*delete*) echo "Error: namespaces is forbidden" >&2; exit 1;;\n'
        "*pods*) echo oops >&2; exit 1;;\n"
        "esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    probe = Probe("", Cluster(), "registry/gate@sha256:" + "0" * 64)
    with pytest.raises(HubernateError, match="oops"):
        probe.look({"node-1": "10.0.0.1"}, None)
    assert "forbidden" in probe.left
    (told,) = left_behind(probe)
    assert told.grade is Grade.WRONG and probe.namespace in told.says
    assert told.todo == f"`kubectl delete namespace {probe.namespace}`"
