"""The whole platform on a real cluster, in namespaces of its own: pushed, installed, reached by a forwarded port."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import yaml

from hubernate_core.names import KUBE_INSTANCE, KUBE_SERVER
from hubernate_core.platform_file import Accounts
from hubernate_machine.kubernetes.kubectl import Kubectl
from hubernate_machine.kubernetes.secrets import ensure_secrets, read_accounts
from support.at_work import browser_at
from support.cluster import REGISTRY, Cluster
from support.cluster_manifests import agent_per_node, renamed
from support.cluster_overlay import Beside, push_images, this_machines_mirrors, write_overlay
from support.cluster_surroundings import Surroundings
from support.installation import wait_until
from support.person import Person

_STATE = "/var/lib/hubernate-test"


@dataclass
class Platform:
    """One platform on a cluster. `instance` is its namespace too."""

    cluster: Cluster
    instance: str
    port: int
    around: Surroundings | None = None
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
        if self.around is not None:
            self.around.provider.sits(name)
            return Person.sign_on(self.url, name)
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


def install(cluster: Cluster, folder: Path, around: Surroundings | None, **changes: Any) -> Platform:
    """Install a platform of its own; returns when it answers."""
    platform = Platform(cluster, "t" + secrets.token_hex(4), _free_port(), around)
    found = this_machines_mirrors()
    beside = Beside(REGISTRY, cluster.registry_url())
    if around is not None:
        registry = around.registry
        beside = Beside(registry.name, registry.url, registry.certificate, ("../../components/external",))
    overlay = write_overlay(folder, platform.instance, platform.url, beside, found, changes)
    push_images(overlay, found, beside.registry)
    apply(platform, overlay)
    threading.Thread(target=platform.forward, daemon=True).start()
    wait_until("the platform answers", platform.answers, timeout_s=240)
    return platform


def apply(platform: Platform, overlay: Path) -> None:
    """Namespace, secrets, then everything, as the install guide says; under this test's names."""
    documents = list(yaml.safe_load_all(platform.cluster.kubectl("kustomize", str(overlay))))
    mine = agent_per_node(
        renamed(documents, platform.instance), platform.cluster.nodes(), f"{_STATE}/{platform.instance}"
    )
    _put(platform, [each for each in mine if each["kind"] == "Namespace"])
    if platform.around is not None:
        own, pull = platform.around.secrets(), {".dockerconfigjson": platform.around.registry.pull_config}
        _put(platform, [_secret(platform, "platform-secrets", "Opaque", own)])
        _put(platform, [_secret(platform, "registry", "kubernetes.io/dockerconfigjson", pull)])
    ensure_secrets(Kubectl(platform.instance))
    _put(platform, mine)


def _put(platform: Platform, objects: list[dict[str, Any]]) -> None:
    # By the server: a CA bundle is too large for the annotation that kubectl would make of it.
    platform.cluster.kubectl("apply", "--server-side", "--filename=-", text=yaml.safe_dump_all(objects))


def _secret(platform: Platform, name: str, kind: str, content: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": platform.instance}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": content}


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
def platform_on(
    cluster: Cluster, folder: Path, around: Surroundings | None = None, **changes: Any
) -> Iterator[Platform]:
    """A platform before the body, nothing of it after. `changes`: of ``kubernetes`` in its platform.json.

    Args:
        around: a database, a registry and an identity provider to use instead of the platform's own.
    """
    platform = None
    os.environ["PATH"] = f"{Path(cluster.program).parent}:{os.environ['PATH']}"  # where our own commands find kubectl
    try:
        platform = install(cluster, folder, around, **changes)
        yield platform
    finally:
        if platform is not None and not os.environ.get("HUBERNATE_TEST_KEEP"):
            uninstall(platform)
