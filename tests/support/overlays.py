"""The overlays of config/kubernetes as ``kubectl apply -k`` would send them. Rendering needs kubectl and no cluster."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from support.installation import ROOT

Json = dict[str, Any]
SOURCE = ROOT / "config" / "kubernetes"
OVERLAYS = sorted(path.name for path in (SOURCE / "overlays").iterdir())
NO_KUBECTL = "kubectl is not on the PATH: the overlays of config/kubernetes were not rendered, so nothing checked them"
_TEMPLATES = ("Deployment", "DaemonSet")


def find_kubectl() -> str | None:
    """From the PATH, or beside the kubeconfig."""
    beside = Path(os.environ.get("KUBECONFIG") or "/nowhere").parent / "bin"
    return shutil.which("kubectl") or shutil.which("kubectl", path=str(beside))


def render(overlay: str, folder: Path, component: str = "") -> list[Json]:
    """An overlay's objects; `component` beside those that it names. `folder` is a scratch folder."""
    kubectl = find_kubectl()
    assert kubectl is not None, NO_KUBECTL
    target = shutil.copytree(SOURCE, folder / "kubernetes") / "overlays" / overlay
    if component:
        path = target / "kustomization.yaml"
        text = path.read_text()
        path.write_text(text.replace("components: [", f"components: [../../components/{component}, "))
        assert path.read_text() != text
    done = subprocess.run([kubectl, "kustomize", str(target)], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def pod_templates(documents: Iterable[Json]) -> dict[str, Json]:
    """The pods that an overlay runs, by the name of what runs them."""
    return {each["metadata"]["name"]: each["spec"]["template"] for each in documents if each["kind"] in _TEMPLATES}


def containers(documents: Iterable[Json]) -> Iterator[tuple[str, Json]]:
    """Every container of them with its pod's name."""
    for name, pod in pod_templates(documents).items():
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            yield name, container


def selects(selector: Json, labels: Json) -> bool:
    """Whether a LabelSelector matches; only what our manifests use of it."""
    for each in selector.get("matchExpressions", ()):
        assert each["operator"] == "In", each
        if labels.get(each["key"]) not in each["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
