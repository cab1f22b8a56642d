"""Kubernetes' own schemas and checkov over everything that the platform puts on a cluster: what the service and the hub
make in every run, the overlays where kubectl is. `make test` installs both; by hand: tools/manifests.

Checkov's rules hold but for `ALLOWED`, each with its reason; one that is no longer broken has to leave the list. What
checkov does not see (the runtime's socket, host folders, namespaces, budgets, networks) is in test_overlays.py.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hubernate_core.manifests.admission import make_admission
from hubernate_core.manifests.server import make_gate_secret, make_home_claim, make_pod
from hubernate_core.manifests.tenant import make_tenant
from support.installation import ROOT
from support.manifests import a_gate_file, a_server, a_server_with_everything, a_tenant, an_admission
from support.overlays import KUBECTL, NO_KUBECTL, OVERLAYS, render

TOOL = ROOT / "tools" / "manifests"
VERSIONS = ("1.30", "1.36")
"""The oldest that we support, and the one that the tests run on."""

_WHOLE_NODE = "it saves containers of any owner from the node's side (docs/reference/kubernetes-permissions.md)"
ALLOWED = {
    ("CKV_K8S_17", "agent"): _WHOLE_NODE,
    ("CKV_K8S_23", "agent"): _WHOLE_NODE,
    ("CKV_K8S_25", "agent"): _WHOLE_NODE,
    ("CKV_K8S_39", "agent"): _WHOLE_NODE,
    ("CKV_K8S_40", "agent"): _WHOLE_NODE,
    (
        "CKV_K8S_20",
        "agent",
    ): "the API server refuses allowPrivilegeEscalation: false beside SYS_ADMIN",
    ("CKV_K8S_35", "proxy"): "configurable-http-proxy takes its token from the environment alone",
    ("CKV_K8S_38", "hub"): "it makes pods",
    ("CKV_K8S_38", "service"): "it makes tenants' namespaces and watches pods",
    (
        "CKV_K8S_15",
        "registry",
    ): "a released version does not change; asking each time needs Docker Hub each time",
    ("CKV_K8S_43", "registry"): "the same image has another digest in a mirror of yours",
    ("CKV_K8S_26", "registry"): "containerd speaks plain http to 127.0.0.1 alone, so the port is the node's",
    ("CKV_K8S_8", "notebook"): "a notebook that does not answer is busy; killing it would lose what is not saved",
    ("CKV_K8S_9", "notebook"): "no Service leads to it; its gate has a probe, and the proxy asks that",
    ("CKV_K8S_22", "notebook"): "the root file system is the environment that is saved",
    ("CKV_K8S_40", "notebook"): "people's files at home belong to uid 1000, on Docker as here",
}


@dataclass(frozen=True)
class Checked:
    """What is checked at once.

    Args:
        files: manifests.
        holds: an object that is among them, as the schemas' checker names it.
        passes: so many of checkov's rules hold at least.
        allowed: the part of `ALLOWED` that is about them.
    """

    files: list[Path]
    holds: str
    passes: int
    allowed: set[tuple[str, str]]


@pytest.fixture(scope="module", params=["tenant", "overlays"])
def checked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """A tenant's objects with those of its servers, or the platform's by each overlay."""
    folder = tmp_path_factory.mktemp("manifests")
    of_notebooks = {key for key in ALLOWED if key[1] == "notebook"}
    if request.param == "tenant":
        file = folder / "tenant.yaml"
        file.write_text(yaml.safe_dump_all(_of_a_tenant()))
        return Checked([file], "pod/", 150, of_notebooks)
    if KUBECTL is None:
        pytest.skip(NO_KUBECTL)
    files = []
    for name in OVERLAYS:
        files.append(folder / f"{name}.yaml")
        files[-1].write_text(yaml.safe_dump_all(render(name, folder / name)))
    return Checked(files, "poddisruptionbudget/platform", 1000, ALLOWED.keys() - of_notebooks)


def _of_a_tenant() -> list[dict[str, Any]]:
    spec, full = a_server(), a_server_with_everything()
    secret = make_gate_secret(spec, a_gate_file(), "0b1d5e1c-0000-0000-0000-000000000000")
    made = [*make_tenant(a_tenant()), make_pod(spec), make_home_claim(spec), secret, make_pod(full)]
    return [*made, *make_admission(an_admission())]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_fits_the_schemas(checked: Checked, version: str) -> None:
    command = [
        str(TOOL),
        "kubernetes-validate",
        "--strict",
        f"--kubernetes-version={version}",
        *map(str, checked.files),
    ]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, "\n".join(line for line in said.splitlines() if not line.startswith("INFO"))
    assert checked.holds in said, "it looked"


def test_checkovs_rules_hold_but_for_those_with_a_reason(checked: Checked) -> None:
    command = [str(TOOL), "checkov", "--framework=kubernetes", "--skip-download", "--quiet", "--compact", "-o", "json"]
    command += [argument for file in checked.files for argument in ("-f", str(file))]
    done = subprocess.run(command, text=True, capture_output=True, check=False, env=_offline())
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0, report["summary"]
    assert report["summary"]["passed"] > checked.passes, report["summary"]
    broken = {
        (each["check_id"], _part(each["resource"])): f"{each['check_name']} ({each['resource']})"
        for each in report["results"]["failed_checks"]
    }
    assert {key: said for key, said in broken.items() if key not in checked.allowed} == {}
    assert checked.allowed - broken.keys() == set(), "no longer needed"


def _part(resource: str) -> str:
    """``Deployment.hubernate.hub`` → ``hub``; every pod is a notebook's."""
    kind, _, name = resource.partition(".")
    return "notebook" if kind == "Pod" else name.rpartition(".")[2]


def _offline() -> dict[str, str]:
    return os.environ | {"LOG_LEVEL": "ERROR", "BC_SKIP_MAPPING": "true"}
