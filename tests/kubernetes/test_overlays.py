"""What `kubectl apply -k` of each overlay would send: taken by a real API server, and no more than it must be."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hubernate_core.manifests.restricted import violations
from support.cluster import Cluster
from support.cluster_manifests import renamed
from support.installation import ROOT

OVERLAYS = sorted(path.name for path in (ROOT / "config" / "kubernetes" / "overlays").iterdir())
_TEMPLATES = ("Deployment", "DaemonSet")
_SPACE = "overlays-dryrun"
Json = dict[str, Any]


def _rendered(cluster: Cluster, overlay: Path) -> list[Json]:
    made: list[Json] = list(yaml.safe_load_all(cluster.kubectl("kustomize", str(overlay))))
    return made


@pytest.fixture(params=[*OVERLAYS, "k3s"])
def documents(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> list[Json]:
    """An overlay's objects; of ``one-node`` with the k3s component too."""
    folder = shutil.copytree(ROOT / "config" / "kubernetes", tmp_path / "kubernetes")
    name = str(request.param)
    if name == "k3s":
        name, path = "one-node", folder / "overlays" / "one-node" / "kustomization.yaml"
        text = path.read_text()
        path.write_text(text.replace("components: [", "components: [../../components/k3s, "))
        assert path.read_text() != text
    return _rendered(cluster, folder / "overlays" / name)


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


def test_every_pod_but_the_agents_passes_restricted(documents: list[Json]) -> None:
    pods = {each["metadata"]["name"]: each["spec"]["template"] for each in documents if each["kind"] in _TEMPLATES}
    assert violations(pods.pop("agent")), "the agent cannot"
    assert pods.keys() >= {"hub", "proxy", "service"}
    for container in pods.get("registry", {"spec": {"containers": []}})["spec"]["containers"]:
        assert {each.pop("hostIP") for each in container["ports"] if each.pop("hostPort")} == {"127.0.0.1"}, (
            "the node alone"
        )
    assert {name: found for name, pod in pods.items() if (found := violations(pod))} == {}


def test_every_container_has_requests_limits_and_a_fixed_image(documents: list[Json]) -> None:
    for each in documents:
        if each["kind"] not in _TEMPLATES:
            continue
        pod = each["spec"]["template"]["spec"]
        assert pod["priorityClassName"] == "hubernate-platform", each["metadata"]["name"]
        for container in pod["containers"]:
            limits = container["resources"]
            assert {"cpu", "memory"} <= limits["requests"].keys() and {"cpu", "memory"} <= limits["limits"].keys()
            assert "@sha256:" in container["image"] or container["image"].startswith("docker.io/library/registry:")
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert "livenessProbe" in container
