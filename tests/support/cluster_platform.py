"""The whole platform on a real cluster, in namespaces of its own: pushed, installed, reached by a forwarded port."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import httpx
import yaml

from hubernate_core.names import KUBE_INSTANCE, KUBE_SERVER, profile_repository
from hubernate_core.platform_file import Accounts
from hubernate_machine import mirrors, proxy
from hubernate_machine.images.build import ensure_images
from hubernate_machine.images.catalogue import push_to
from hubernate_machine.kubernetes.kubectl import Kubectl
from hubernate_machine.kubernetes.overlay import PLATFORM, Overlay
from hubernate_machine.kubernetes.secrets import ensure_secrets, read_accounts
from support.at_work import browser_at
from support.cluster import REGISTRY, Cluster
from support.cluster_manifests import agent_per_node, renamed
from support.installation import ROOT, wait_until
from support.person import Person

_STATE = "/var/lib/hubernate-test"
_SERVICE = """\
c.HubernateService.reconcile_every_s = 1
c.HubernateService.cull_every_s = 1
c.HubernateService.hub_every_s = 2
c.HubernateService.hub_grace_s = 10
c.HubernateService.agent_silent_after_s = 25
c.HubernateService.retry_after_s = 5
c.KubernetesBackend.not_ready_after_s = 10
c.KubernetesBackend.tenants_every_s = 10
"""
_CA = "ca-bundle.crt"
_HUB = "c.Gate.activity_interval_s = 1\nc.JupyterHub.named_server_limit_per_user = 40\n"
_OVERLAY = {
    "resources": ["../../base"],
    "components": ["images"],
    "configMapGenerator": [
        {"name": "platform", "namespace": "hubernate", "files": ["platform.json", "service.py", "hub.py", _CA]},
        {
            "name": "catalogue",
            "namespace": "hubernate",
            "files": ["profiles.json", "tenants.json"],
            "options": {"disableNameSuffixHash": True},
        },
    ],
}
DEVICE = "example.com/gpu"
"""An extended resource that no node offers unless a test says so."""
_TENANT = {"quota": {"servers": 20, "devices": {DEVICE: 1}}}


@dataclass
class Platform:
    """One platform on a cluster. `instance` is its namespace too."""

    cluster: Cluster
    instance: str
    port: int
    forwarding: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """For commands of ours."""
        return {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig)}

    @cached_property
    def accounts(self) -> Accounts:
        found = read_accounts(Kubectl(self.instance))
        assert found is not None
        return found

    def person(self, name: str) -> Person:
        """`name`, logged in."""
        known = self.accounts
        return Person.login(self.url, name, known.admin_password if name == known.admin else known.user_password)

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """kubectl in the platform's own namespace."""
        return self.cluster.kubectl(f"--namespace={self.instance}", *arguments, **options)

    def page(self, name: str) -> str:
        """The text of `name`'s page of servers and checkpoints."""
        with browser_at(self.url, name, self.accounts.user_password) as client:
            return client.get("/services/hubernate/").text

    def pods(self, server_id: str = "") -> list[dict[str, Any]]:
        """The notebooks' pods, of one server or of all."""
        selector = f"{KUBE_INSTANCE}={self.instance},hubernate.io/role=notebook"
        selector += f",{KUBE_SERVER}={server_id}" if server_id else ""
        found: list[dict[str, Any]] = self.cluster.get("pods", "--all-namespaces", f"--selector={selector}")["items"]
        return found

    def pod_of(self, person: Person) -> dict[str, Any]:
        """The pod of a person's server, which must be the only one."""
        (found,) = self.pods(person.platform_server()["id"])
        return found

    def component(self, name: str) -> dict[str, Any]:
        """The running pod of ``hub``, ``service``, ``proxy``, or the first ``agent``."""
        listed = self.cluster.get(
            "pods", f"--namespace={self.instance}", f"--selector=app.kubernetes.io/component={name}"
        )["items"]
        found: dict[str, Any] = next(each for each in listed if not each["metadata"].get("deletionTimestamp"))
        return found

    def kill(self, component: str, node: str = "") -> None:
        """kill -9 of a component's first process; the kubelet starts the container again."""
        listed = self.cluster.get(
            "pods", f"--namespace={self.instance}", f"--selector=app.kubernetes.io/component={component}"
        )["items"]
        pod = next(each for each in listed if not node or each["spec"]["nodeName"] == node)
        status = pod["status"]["containerStatuses"][0]
        container = status["containerID"].partition("//")[2]
        kill = [*self.ctr(pod["spec"]["nodeName"]), "tasks", "kill", "-s", "SIGKILL", container]
        subprocess.run(kill, check=True, capture_output=True, timeout=30)
        before = status["restartCount"]
        name = pod["metadata"]["name"]

        def again() -> bool:
            now = self.cluster.get("pod", name, f"--namespace={self.instance}")["status"]["containerStatuses"][0]
            return bool(now["restartCount"] > before and now["ready"])

        wait_until(f"{component} runs again", again, timeout_s=120)

    def ctr(self, node: str) -> list[str]:
        """The command line of `ctr` for a node's containerd, which must be on this machine."""
        socket_of = {each.name: each.socket for each in self.cluster.nodes()}
        program = shutil.which("ctr", path=str(self.cluster.kubeconfig.parent / "bin")) or shutil.which("ctr")
        assert program is not None, "ctr is neither beside the kubeconfig nor on the PATH"
        return [program, "-a", socket_of[node], "-n", "k8s.io"]

    def forward(self) -> None:
        """Keep the proxy's Service at `url`, also when its pod is replaced."""
        while not self.ended.is_set():
            command = self.cluster.command(
                f"--namespace={self.instance}", "port-forward", "service/proxy-public", f"{self.port}:8000"
            )
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                self.forwarding.append(process)
                process.wait()
            self.ended.wait(0.5)

    def answers(self) -> bool:
        """Whether hub and service answer through the proxy."""
        try:
            paths = ("/hub/health", "/services/hubernate/health")
            return all(httpx.get(f"{self.url}{path}", timeout=5).status_code == 200 for path in paths)
        except httpx.HTTPError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def this_machines_mirrors() -> mirrors.Found:
    """What pip, npm and apt of this machine use."""
    return mirrors.ask_machine(os.environ, [sys.executable, "-m", "pip"], proxy.npm())


def mirrors_of(found: mirrors.Found) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """``mirrors`` of platform.json, and the destinations that open a package index which is no public address."""
    env = mirrors.for_notebooks(found, "127.0.0.1,localhost").env
    if not found.pip_index:  # the public one: a public address, which needs no opening
        return {"env": env, "ca_bundle": f"/state/config/{_CA}" if found.ca_bundle else None}, []
    index = urlsplit(found.pip_index)
    port = index.port or (443 if index.scheme == "https" else 80)
    try:
        listed = {ip_address(each[4][0]) for each in socket.getaddrinfo(index.hostname, port, type=socket.SOCK_STREAM)}
    except OSError:
        listed = set()
    opened = [
        {"network": str(ip_network(each)), "ports": [port]} for each in sorted(listed, key=str) if not each.is_global
    ]
    return {"env": env, "ca_bundle": f"/state/config/{_CA}" if found.ca_bundle else None}, opened


def push_images(overlay: Path, found: mirrors.Found) -> None:
    """Build what is missing, push it, and have `overlay` use it."""
    client = docker.from_env(timeout=600)
    tags, _ = ensure_images(client, (*PLATFORM, "base"), ROOT, found)
    images = {
        name: f"{REGISTRY}/{push_to(client, tags[name], REGISTRY, where)}"
        for name in (*PLATFORM, "base")
        for where in [profile_repository(name) if name == "base" else f"hubernate/{name}"]
    }
    Overlay(overlay).name_images(REGISTRY, images)
    catalogue = overlay / "profiles.json"
    profiles = json.loads(catalogue.read_text())
    catalogue.write_text(json.dumps([each | {"image": profiles[0]["image"]} for each in profiles]))


def write_overlay(
    folder: Path, platform: Platform, registry_url: str, found: mirrors.Found, changes: dict[str, Any]
) -> Path:
    """A copy of config/kubernetes with an overlay of this test's."""
    shutil.copytree(ROOT / "config" / "kubernetes", folder, dirs_exist_ok=True)
    overlay = folder / "overlays" / "test"
    (overlay / "images").mkdir(parents=True)
    own_mirrors, destinations = mirrors_of(found)
    description = {
        "instance": platform.instance,
        "node": "",
        "public_url": platform.url,
        "registry": REGISTRY,
        "registry_url": registry_url,
        "images": {"gate": ""},
        "mirrors": own_mirrors,
        "kubernetes": {
            "namespace": platform.instance,
            "save_grace_s": 120,
            "gate_cpu": "100m",
            "destinations": destinations,
        }
        | changes,
    }
    tenants = [{"name": name, "title": name.title()} | _TENANT for name in ("research", "analytics")]
    files = {
        "kustomization.yaml": json.dumps(_OVERLAY),
        "platform.json": json.dumps(description),
        "tenants.json": json.dumps(tenants),
        "profiles.json": json.dumps(_PROFILES),
        "service.py": _SERVICE,
        "hub.py": _HUB,
        # Beside a bundle there may be none: an empty file is not mounted anywhere.
        _CA: found.ca_bundle.read_text() if found.ca_bundle else "",
    }
    for name, text in files.items():
        (overlay / name).write_text(text)
    return overlay


# Small enough for many of them on a test's machine.
_SMALL = {"cpu_guarantee": "20m", "memory_guarantee": "128Mi", "disk_guarantee": "64Mi"}
_PROFILES: list[dict[str, Any]] = [
    {
        "name": name,
        "title": title,
        "image": f"{REGISTRY}/profiles/base@sha256:{'0' * 64}",
        "resources": {"cpu": "1", "memory": "1Gi"},
        "kubernetes": _SMALL | more,
    }
    for name, title, more in (("base", "Python", {}), ("device", "With a device", {"devices": {DEVICE: 1}}))
]


def install(cluster: Cluster, folder: Path, **changes: Any) -> Platform:
    """Install a platform of its own; returns when it answers."""
    platform = Platform(cluster, "t" + secrets.token_hex(4), _free_port())
    found = this_machines_mirrors()
    overlay = write_overlay(folder, platform, cluster.registry_url(), found, changes)
    push_images(overlay, found)
    apply(platform, overlay)
    ensure_secrets(Kubectl(platform.instance))
    threading.Thread(target=platform.forward, daemon=True).start()
    wait_until("the platform answers", platform.answers, timeout_s=240)
    return platform


def apply(platform: Platform, overlay: Path) -> None:
    """`kubectl apply` of the overlay, under this test's names."""
    documents = list(yaml.safe_load_all(platform.cluster.kubectl("kustomize", str(overlay))))
    mine = agent_per_node(
        renamed(documents, platform.instance), platform.cluster.nodes(), f"{_STATE}/{platform.instance}"
    )
    spaces = [each for each in mine if each["kind"] == "Namespace"]
    for part in (spaces, mine):
        # By the server: a CA bundle is too large for the annotation that kubectl would make of it.
        platform.cluster.kubectl("apply", "--server-side", "--filename=-", text=yaml.safe_dump_all(part))


def uninstall(platform: Platform) -> None:
    """Remove everything of the platform, saved or not."""
    platform.ended.set()
    for process in platform.forwarding:
        process.terminate()
    cluster, mine = platform.cluster, f"--selector={KUBE_INSTANCE}={platform.instance}"
    cluster.kubectl("delete", "namespace", platform.instance, "--wait=false", check=False)
    now = ("--grace-period=0", "--force", "--wait=false")
    cluster.kubectl("delete", "pods", "--all-namespaces", mine, *now, check=False)
    cluster.kubectl("delete", "namespaces", mine, "--wait=false", check=False)
    kinds = (
        "clusterroles,clusterrolebindings,priorityclasses,validatingadmissionpolicies,validatingadmissionpolicybindings"
    )
    for line in cluster.kubectl("get", kinds, "--output=name").splitlines():
        if line.partition("/")[2].startswith(f"{platform.instance}-"):
            cluster.kubectl("delete", line, check=False)
    shutil.rmtree(f"{_STATE}/{platform.instance}", ignore_errors=True)


@contextlib.contextmanager
def platform_on(cluster: Cluster, folder: Path, **changes: Any) -> Iterator[Platform]:
    """A platform before the body, nothing of it after."""
    platform = None
    os.environ["PATH"] = f"{Path(cluster.program).parent}:{os.environ['PATH']}"  # where our own commands find kubectl
    try:
        platform = install(cluster, folder, **changes)
        yield platform
    finally:
        if platform is not None and not os.environ.get("HUBERNATE_TEST_KEEP"):
            uninstall(platform)
