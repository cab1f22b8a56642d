"""A real cluster: the one that KUBECONFIG names. Tests that need it are skipped, loudly, where there is none.

HUBERNATE_TEST_REGISTRY names a registry that this machine's Docker Engine pushes to and that the nodes pull from under
the same name (default ``127.0.0.1:5000``); pods reach it on its port at the first node's address.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

NO_CLUSTER = (
    "KUBECONFIG is not set: nothing in tests/kubernetes was tried on a real cluster, only on the fake API server. Set"
    " it to a cluster that may be filled and emptied, and run `make test-kubernetes`"
)
REGISTRY = os.environ.get("HUBERNATE_TEST_REGISTRY") or "127.0.0.1:5000"


@dataclass(frozen=True)
class NodePlaces:
    """Where a node keeps what the agent mounts."""

    name: str
    containerd: str = "/var/lib/containerd"
    socket: str = "/run/containerd/containerd.sock"
    kubelet: str = "/var/lib/kubelet"


@dataclass(frozen=True)
class Cluster:
    """A cluster, spoken to by kubectl."""

    kubeconfig: Path

    @cached_property
    def program(self) -> str:
        """kubectl: from the PATH, or beside the kubeconfig."""
        found = shutil.which("kubectl") or shutil.which("kubectl", path=str(self.kubeconfig.parent / "bin"))
        if found is None:
            raise RuntimeError("KUBECONFIG is set, but kubectl is not on the PATH")
        return found

    def command(self, *arguments: str) -> list[str]:
        """A whole command line of kubectl."""
        return [self.program, f"--kubeconfig={self.kubeconfig}", *arguments]

    def kubectl(self, *arguments: str, text: str = "", check: bool = True, timeout_s: float = 120) -> str:
        """What kubectl prints; RuntimeError with its errors when it fails and `check`."""
        done = subprocess.run(
            self.command(*arguments), input=text, text=True, capture_output=True, timeout=timeout_s, check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Objects as JSON has them: ``get("pods", "--all-namespaces")``."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def nodes(self) -> list[NodePlaces]:
        """Every node. Several kubelets on one machine have a folder each, beside the kubeconfig."""
        found = []
        for node in self.get("nodes")["items"]:
            name = node["metadata"]["name"]
            own = self.kubeconfig.parent / name
            if (own / "containerd.sock").exists():
                found.append(NodePlaces(name, f"{own}/containerd", f"{own}/containerd.sock", f"{own}/kubelet"))
            else:
                found.append(NodePlaces(name))
        return found

    def address(self) -> str:
        """The first node's, as pods reach it."""
        addresses = self.get("nodes")["items"][0]["status"]["addresses"]
        found: str = next(each["address"] for each in addresses if each["type"] == "InternalIP")
        return found

    def registry_url(self) -> str:
        """The registry as pods reach it."""
        host, _, port = REGISTRY.partition(":")
        return f"http://{self.address()}:{port}" if host in ("127.0.0.1", "localhost") else f"http://{REGISTRY}"


def find_cluster() -> Cluster | None:
    """The cluster of KUBECONFIG, None where it is not set."""
    named = os.environ.get("KUBECONFIG")
    return Cluster(Path(named)) if named else None
