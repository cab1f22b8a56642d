"""The overlays of config/kubernetes as ``kubectl apply -k`` would send them. Rendering needs kubectl and no cluster."""

import os
import re
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
OLDEST = (1, 30)
"""As of the clusters that we support: an older kubectl renders with an older kustomize."""
_UNCHECKED = "the overlays of config/kubernetes were not rendered, so nothing checked them"
_TEMPLATES = ("Deployment", "DaemonSet")


def find_kubectl() -> tuple[str | None, str]:
    """From the PATH, or beside the kubeconfig; or None, and why."""
    config = os.environ.get("KUBECONFIG")
    places = [os.environ.get("PATH", ""), *([str(Path(config).parent / "bin")] if config else [])]
    why = "kubectl is not on the PATH"
    for program in filter(None, (shutil.which("kubectl", path=place) for place in places)):
        done = subprocess.run(
            [program, "version", "--client", "--output=json"], text=True, capture_output=True, check=False, timeout=60
        )
        said = re.search(r'"gitVersion": *"v(\d+)\.(\d+)', done.stdout)
        if said is None:
            why = f"{program} did not tell its version ({done.stderr.strip()[:200]})"
        elif (int(said[1]), int(said[2])) < OLDEST:
            why = f"{program} is version {said[1]}.{said[2]}, and {OLDEST[0]}.{OLDEST[1]} is the oldest that will do"
        else:
            return program, ""
    return None, f"{why}: {_UNCHECKED}"


KUBECTL, NO_KUBECTL = find_kubectl()


def render(overlay: str, folder: Path, component: str = "") -> list[Json]:
    """An overlay's objects; `component` beside those that it names. `folder` is a scratch folder."""
    assert KUBECTL is not None, NO_KUBECTL
    target = shutil.copytree(SOURCE, folder / "kubernetes") / "overlays" / overlay
    if component:
        path = target / "kustomization.yaml"
        text = path.read_text()
        path.write_text(text.replace("components: [", f"components: [../../components/{component}, "))
        assert path.read_text() != text
    done = subprocess.run([KUBECTL, "kustomize", str(target)], text=True, capture_output=True, check=False)
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
