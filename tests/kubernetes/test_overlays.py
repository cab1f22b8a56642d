"""What `kubectl apply -k` of each overlay would send: complete, no more than it must be, taken by a real API server.

Rendered where kubectl is; the API server's own word where KUBECONFIG names one. Checkov and schemas: test_checkers.py.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hubernate_core.manifests.restricted import violations
from support.cluster import Cluster
from support.cluster_manifests import renamed
from support.overlays import KUBECTL, NO_KUBECTL, OVERLAYS, Json, containers, pod_templates, render, selects

pytestmark = pytest.mark.skipif(KUBECTL is None, reason=NO_KUBECTL)
_SPACE = "overlays-dryrun"
_OF_THE_CLUSTER = ("Namespace", "ClusterRole", "ClusterRoleBinding", "PriorityClass")
_HOST_PATHS = {
    "/run/containerd", "/var/lib/containerd", "/var/lib/kubelet/pods", "/sys/fs/cgroup", "/var/lib/hubernate/agent",
    "/run/k3s/containerd", "/var/lib/rancher/k3s/agent/containerd",
}  # fmt: skip
_CAPABILITIES = {"DAC_READ_SEARCH", "DAC_OVERRIDE", "SYS_ADMIN", "SYS_PTRACE"}


@pytest.fixture(params=[*OVERLAYS, "k3s"])
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> list[Json]:
    """An overlay's objects; of ``one-node`` with the k3s component too."""
    name = str(request.param)
    return render("one-node", tmp_path, "k3s") if name == "k3s" else render(name, tmp_path)


@pytest.fixture
def space(cluster: Cluster) -> Iterator[str]:
    """A namespace that a dry run may speak of."""
    cluster.kubectl("create", "namespace", _SPACE)
    yield _SPACE
    cluster.kubectl("delete", "namespace", _SPACE, "--wait=true", timeout_s=180)


def test_the_api_server_takes_every_object(documents: list[Json], cluster: Cluster, space: str) -> None:
    mine = [each for each in renamed(documents, space) if each["kind"] != "Namespace"]
    kinds = {each["kind"] for each in mine}
    assert {"Deployment", "DaemonSet", "NetworkPolicy", "ClusterRole", "ValidatingAdmissionPolicy"} <= kinds
    options = ("--server-side", "--dry-run=server", "--validate=strict", "--field-manager=test", "--filename=-")
    cluster.kubectl("apply", *options, text=yaml.safe_dump_all(mine))


def test_everything_goes_to_the_platforms_namespace(documents: list[Json]) -> None:
    """An object that names none would land wherever the admin's kubectl happens to point."""
    strays = [
        f"{each['kind']} {each['metadata']['name']}"
        for each in documents
        if each["kind"] not in _OF_THE_CLUSTER and each["metadata"].get("namespace") != "hubernate"
    ]
    assert strays == []


def test_every_pod_but_the_agents_passes_restricted(documents: list[Json]) -> None:
    pods = pod_templates(documents)
    assert violations(pods.pop("agent")), "the agent cannot"
    assert pods.keys() >= {"hub", "proxy", "service"}
    for container in pods.get("registry", {"spec": {"containers": []}})["spec"]["containers"]:
        assert {each.pop("hostIP") for each in container["ports"] if each.pop("hostPort")} == {"127.0.0.1"}, (
            "the node alone"
        )
    assert {name: found for name, pod in pods.items() if (found := violations(pod))} == {}


def test_the_agent_has_what_its_page_lists_and_no_more(documents: list[Json]) -> None:
    pod = pod_templates(documents)["agent"]["spec"]
    paths = {each["hostPath"]["path"] for each in pod["volumes"] if "hostPath" in each}
    assert paths <= _HOST_PATHS and len(paths) == 5
    (container,) = pod["containers"]
    assert set(container["securityContext"]["capabilities"]["add"]) == _CAPABILITIES
    assert not container["securityContext"].get("privileged") and not pod.get("hostNetwork")
    writable = {each["name"] for each in container["volumeMounts"] if not each.get("readOnly")}
    assert writable == {"state", "tmp", "pods", "cgroups"}
    for name, other in pod_templates(documents).items():
        hosts = [each for each in other["spec"].get("volumes", ()) if "hostPath" in each]
        assert name == "agent" or hosts == [], f"{name} mounts the node"


def test_every_container_has_requests_limits_probes_and_a_fixed_image(documents: list[Json]) -> None:
    amounts = {"cpu", "memory", "ephemeral-storage"}
    for name, container in containers(documents):
        given = container["resources"]
        assert given["requests"].keys() == amounts == given["limits"].keys(), name
        assert "@sha256:" in container["image"] or container["image"] == "docker.io/library/registry:3.0.0", name
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert {"livenessProbe", "readinessProbe"} <= container.keys(), name
    for name, pod in pod_templates(documents).items():
        assert pod["spec"]["priorityClassName"] == "hubernate-platform", name
        assert pod["spec"]["enableServiceLinks"] is False and "automountServiceAccountToken" in pod["spec"], name


def test_nothing_that_must_be_one_is_ever_two(documents: list[Json]) -> None:
    """F33: also not for the moment of an upgrade."""
    for each in documents:
        if each["kind"] == "Deployment":
            assert (each["spec"]["replicas"], each["spec"]["strategy"]) == (1, {"type": "Recreate"}), each["metadata"]


def test_one_budget_for_each_part_and_none_for_the_agent(documents: list[Json]) -> None:
    """Two for a pod make its eviction an error. On one node nothing moves: a drain saves notebooks, then waits."""
    budgets = [each["spec"] for each in documents if each["kind"] == "PodDisruptionBudget"]
    for name, pod in pod_templates(documents).items():
        found = [each for each in budgets if selects(each["selector"], pod["metadata"]["labels"])]
        assert len(found) == (0 if name == "agent" else 1), name
    alone = "registry" in pod_templates(documents)
    assert {each["maxUnavailable"] for each in budgets} == ({0} if alone else {1})
    assert {each["unhealthyPodEvictionPolicy"] for each in budgets} == {"AlwaysAllow"}


def test_nothing_is_open_that_is_not_named(documents: list[Json]) -> None:
    """Every Service stays inside the cluster; every pod but the agent, which listens on nothing, has its own policy."""
    services = [each["spec"] for each in documents if each["kind"] == "Service"]
    assert services and {each.get("type", "ClusterIP") for each in services} == {"ClusterIP"}
    policies = {each["metadata"]["name"]: each["spec"] for each in documents if each["kind"] == "NetworkPolicy"}
    closed = policies.pop("closed")
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress"]}
    for name, pod in pod_templates(documents).items():
        own = [each for each in policies.values() if selects(each["podSelector"], pod["metadata"]["labels"])]
        assert len(own) == (0 if name == "agent" else 1), name
    assert not [port for name, each in containers(documents) if name == "agent" for port in each.get("ports", ())]


def test_secrets_are_mounted_for_their_reader_alone(documents: list[Json]) -> None:
    """No whole Secret, none that everybody can read, none in an environment but the proxy's, which knows no file."""
    for name, pod in pod_templates(documents).items():
        for volume in pod["spec"].get("volumes", ()):
            assert "secret" not in volume, f"{name} mounts a whole Secret"
            sources = volume.get("projected", {}).get("sources", ())
            taken = [each["secret"] for each in sources if "secret" in each]
            assert all(each["items"] for each in taken), name
            assert not taken or volume["projected"]["defaultMode"] in (0o400, 0o440), name
    named = [name for name, each in containers(documents) for one in each.get("env", ()) if "secretKeyRef" in str(one)]
    assert named == ["proxy"]
