"""The real platform service on a cluster: the fake one, or a real one where KUBECONFIG points to it.

The service has the rights that config/kubernetes gives it and no more.

with on_cluster(tmp_path, cluster) as platform:
    ada = platform.start("ada")                 # a ready server: a real pod, made as the hub makes it
    agent = platform.agent(ada.node)            # a scripted agent with a real projected token
"""

import base64
import json
import os
import random
import re
import ssl
import string
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from hubernate_core.operation import Step
from hubernate_core.server import Ticket
from hubernate_core.wire import Order
from hubernate_hub.kube.config import KubernetesBackend
from support.fake_kube.runtime import Behaviour
from support.fake_kube.server import FakeKube
from support.permissions import rights
from support.platform_service import STOPPING, Running, ScriptedAgent, eventually, running, saved, write_state

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
IMAGE = os.environ.get("HUBERNATE_TEST_IMAGE", "docker.io/library/busybox:1.37")
"""Any image with a shell and sleep that the cluster's nodes can pull."""
HUNGRY = "sleep 2; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"
HOLD = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


@dataclass
class Admin:
    """The cluster by an administrator's hand, for what hubs, kubelets and people do to it."""

    url: str
    client: httpx.Client

    def __call__(self, method: str, path: str, body: Any = None, *, ok: tuple[int, ...] = (), kind: str = "") -> Any:
        """One request; the decoded answer. Statuses of 400 and more fail the test, but for those in `ok`."""
        headers = {"Content-Type": kind or "application/json"}
        answer = self.client.request(
            method, self.url + path, content=None if body is None else json.dumps(body), headers=headers
        )
        assert answer.status_code < 400 or answer.status_code in ok, f"{method} {path}: {answer.text}"
        return answer.json()

    def exists(self, path: str) -> bool:
        """Whether an object is there."""
        return self("GET", path, ok=(404,)).get("kind") != "Status"


@dataclass
class Cluster:
    """One cluster: an administrator, how the service reaches it, and its fake if it is one."""

    admin: Admin
    ca_file: str = ""
    fake: FakeKube | None = None

    def out_of_memory(self, started: "StartedPod") -> None:
        """Kill the notebook as the kernel does. A real one does it to itself (`HUNGRY`)."""
        if self.fake is not None:
            _, _, _, namespace, _, name = started.path.strip("/").split("/")
            self.fake.kubelet.oom_kill(namespace, name, "notebook")


@contextmanager
def fake_cluster() -> Iterator[Cluster]:
    """The fake, with containers that do what the pods of `pod_of` say."""
    with FakeKube(nodes=("node-1", "node-2")) as kube:
        kube.kubelet.runtime.behaviour = _behaviour
        kube.kubelet.runtime.hold = lambda pod: any("lifecycle" in each for each in pod["spec"]["containers"])
        headers = {"Authorization": f"Bearer {kube.tokens.admin}"}
        with httpx.Client(headers=headers, timeout=30, trust_env=False) as client:
            yield Cluster(Admin(kube.url, client), fake=kube)


def _behaviour(_pod: Any, container: Any) -> Behaviour:
    ends = re.fullmatch(r"sleep (\d+); exit (\d+)", (container.get("command") or [""])[-1])
    return Behaviour(runs_s=float(ends[1]), exit_code=int(ends[2])) if ends else Behaviour(on_term=0)


@contextmanager
def real_cluster() -> Iterator[Cluster]:
    """The cluster of KUBECONFIG, with the client certificate or token that is in it."""
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    context = next(each["context"] for each in config["contexts"] if each["name"] == config["current-context"])
    cluster = next(each["cluster"] for each in config["clusters"] if each["name"] == context["cluster"])
    user = next(each["user"] for each in config["users"] if each["name"] == context["user"])
    authority = base64.b64decode(cluster["certificate-authority-data"])
    trust = ssl.create_default_context(cadata=authority.decode())
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    with tempfile.TemporaryDirectory() as folder:
        ca = Path(folder) / "ca.pem"
        ca.write_bytes(authority)
        if "client-certificate-data" in user:
            pair = Path(folder) / "pair.pem"
            pair.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
            trust.load_cert_chain(pair)
        with httpx.Client(verify=trust, headers=headers, timeout=30, trust_env=False) as client:
            yield Cluster(Admin(cluster["server"], client), str(ca))


def the_cluster() -> AbstractContextManager[Cluster]:
    """Whichever there is."""
    return real_cluster() if os.environ.get("KUBECONFIG") else fake_cluster()


def pod_of(ticket: Ticket, instance: str, *, command: str = HOLD, grace_s: int = 1, hold: str = "") -> dict[str, Any]:
    """A pod as restricted as the hub's, of one small container. `hold`: what its preStop hook runs."""
    container: dict[str, Any] = {
        "name": "notebook",
        "image": IMAGE,
        "command": ["/bin/sh", "-c", command],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}, "requests": {"cpu": "1m", "memory": "16Mi"}},
    }
    if hold:
        container["lifecycle"] = {"preStop": {"exec": {"command": ["/bin/sh", "-c", hold]}}}
    labels = {
        "hubernate.io/instance": instance,
        "hubernate.io/tenant": ticket.tenant_id,
        "hubernate.io/owner": ticket.owner_id,
        "hubernate.io/server": ticket.server_id,
        "hubernate.io/generation": str(ticket.generation),
        "hubernate.io/role": "notebook",
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{instance}-{ticket.server_id}-g{ticket.generation}", "labels": labels},
        "spec": {
            "serviceAccountName": "notebook",
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": grace_s,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }


@dataclass(frozen=True)
class StartedPod:
    """A ready server and its pod."""

    ticket: Ticket
    uid: str
    node: str
    path: str

    @property
    def id(self) -> str:
        return self.ticket.server_id

    @property
    def name(self) -> str:
        """The pod's."""
        return self.path.rpartition("/")[2]

    def seen(self, **changes: Any) -> dict[str, Any]:
        """It, as an agent sees it."""
        base = {"server_id": self.id, "generation": self.ticket.generation, "container_id": self.uid, "running": True}
        return base | changes


class KubeAgent(ScriptedAgent):
    """A scripted agent with a token of the cluster."""

    def __init__(self, service: Running, node: str, token: str) -> None:
        super().__init__(service, node)
        self.token = token

    def ask(self, path: str, body: dict[str, Any], token: str = "") -> httpx.Response:
        return super().ask(path, body, token or self.token)

    def record(self, order: Order) -> str:
        """Every step up to a recorded image; the directive."""
        for step in STOPPING:
            self.say(order, step)
        return self.say(order, Step.VERIFIED, saved=saved())


@dataclass
class Platform:
    """A running service and the cluster it uses."""

    cluster: Cluster
    service: Running
    instance: str
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def admin(self) -> Admin:
        return self.cluster.admin

    def start(self, user: str, *, ready: bool = True, pod: dict[str, Any] | None = None, **choice: Any) -> StartedPod:
        """A start, told in the hub's order; `pod` are further arguments of `pod_of`. Waits for the space."""

        def asked() -> httpx.Response | None:
            answer = self.service.request_start(user, **{"profile": "base"} | choice)
            return None if answer.status_code == 503 else answer

        answer = eventually("a ticket", asked, timeout_s=60)
        assert answer.status_code == 200, answer.text
        ticket = Ticket.model_validate(answer.json())
        assert ticket.placement is not None
        assert (ticket.wait_for, ticket.adopt) == (None, None)
        return self.run(ticket, user, ready=ready, pod=pod or {})

    def run(self, ticket: Ticket, user: str, *, ready: bool = True, pod: dict[str, Any]) -> StartedPod:
        """The pod of a ticket, made and told of."""
        assert ticket.placement is not None
        pods = f"/api/v1/namespaces/{ticket.placement.namespace}/pods"
        made = self.admin("POST", pods, pod_of(ticket, self.instance, **pod))
        uid, path = made["metadata"]["uid"], f"{pods}/{made['metadata']['name']}"
        words = {"generation": ticket.generation, "container_id": uid}
        self.service.tell(ticket, "started", words | {"node": ""})

        def bound() -> str:
            return str(self.admin("GET", path)["spec"].get("nodeName", ""))

        node = eventually("the pod has a node", bound, timeout_s=30)
        self.service.tell(ticket, "started", words | {"node": node})
        if ready:
            eventually("the pod runs", lambda: self.admin("GET", path)["status"]["phase"] == "Running", timeout_s=60)
            self.service.tell(ticket, "ready", {"generation": ticket.generation})
            self.service.hub.runs(user)
        return StartedPod(ticket, uid, node, path)

    def agent(self, node: str) -> KubeAgent:
        """The agent of a node, by a token that is bound to a pod there."""
        if node not in self.tokens:
            self.tokens[node] = self.token(node)
        return KubeAgent(self.service, node, self.tokens[node])

    def token(self, node: str, *, account: str = "agent", audience: str = "hubernate", bound: bool = True) -> str:
        """A token of a service account of the platform's namespace, made for a pod on `node`."""
        space = f"/api/v1/namespaces/{self.instance}"
        self.admin("POST", f"{space}/serviceaccounts", _named(account), ok=(409,))
        if (
            bound and self.cluster.fake is not None
        ):  # its TokenRequest does not tell the node of the pod, a real one does
            tokens = self.cluster.fake.tokens
            return tokens.service_account(self.instance, account, audiences=(audience,), node=node)
        spec: dict[str, Any] = {"audiences": [audience], "expirationSeconds": 3600}
        if bound:
            pod = _named(f"{account}-{node}") | {
                "spec": {
                    "nodeName": node,
                    "serviceAccountName": account,
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "agent", "image": IMAGE, "command": ["/bin/sleep", "100000"]}],
                }
            }
            made = self.admin("POST", f"{space}/pods", pod, ok=(409,))
            if made["kind"] == "Status":
                made = self.admin("GET", f"{space}/pods/{account}-{node}")
            metadata = made["metadata"]
            reference = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
            spec["boundObjectRef"] = reference
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str(self.admin("POST", f"{space}/serviceaccounts/{account}/token", body)["status"]["token"])

    def namespace(self, tenant: str = "physics") -> str:
        """The namespace of a tenant, by its name."""
        selector = f"labelSelector=hubernate.io/instance%3D{self.instance}"
        for each in self.admin("GET", f"/api/v1/namespaces?{selector}")["items"]:
            shown = each["metadata"].get("annotations", {}).get("hubernate.io/tenant-name", "")
            if shown.lower() == tenant:
                return str(each["metadata"]["name"])
        return ""

    def server(self, started: StartedPod, user: str) -> dict[str, Any]:
        """The server as its person sees it."""
        answer = self.service.person(user)("GET", f"/servers/{started.id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    @property
    def service_account(self) -> str:
        """Who the service is for the API server."""
        return f"system:serviceaccount:{self.instance}:service"

    @staticmethod
    def namespace_of(started: StartedPod) -> str:
        """Where its pod is."""
        assert started.ticket.placement is not None
        return started.ticket.placement.namespace

    def change_tenant(self, name: str, **changes: Any) -> None:
        """An admin changes a tenant's settings in the file."""
        file = self.service.folder / "tenants.json"
        found = json.loads(file.read_text())
        file.write_text(json.dumps([each | (changes if each["name"] == name else {}) for each in found]))

    def is_gone(self, started: StartedPod) -> bool:
        """Whether the very pod is gone."""
        found = self.admin("GET", started.path, ok=(404,))
        return bool(found["kind"] == "Status" or found["metadata"]["uid"] != started.uid)


def _named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


@contextmanager
def on_cluster(
    folder: Path,
    cluster: Cluster,
    *,
    loops: bool = True,
    backend: dict[str, Any] | None = None,
    **settings: Any,
) -> Iterator[Platform]:
    """The service in `folder` for an installation of its own; what it made on the cluster is removed afterwards.

    Args:
        backend: values of `KubernetesBackend`.
        settings: values of `HubernateService`.
    """
    admin, instance = cluster.admin, "h" + "".join(random.choices(string.ascii_lowercase, k=7))
    folder.mkdir(parents=True, exist_ok=True)
    write_state(folder)
    (folder / "platform.json").write_text(json.dumps({"kubernetes": {"namespace": instance}}))
    try:
        token = _install(admin, instance)
        (folder / "secrets" / "cluster-token").write_text(token)
        reach = {"api_url": admin.url, "ca_file": cluster.ca_file, "token_file": str(folder / "secrets/cluster-token")}
        defaults = {"agent_silent_after_s": 60, "gone_after_s": 1, "backend": "kubernetes", "instance": instance}
        way = KubernetesBackend(**(reach | {"delete_grace_s": 3} | (backend or {})))
        with running(folder, loops=loops, **(defaults | {"kubernetes": way} | settings)) as service:
            yield Platform(cluster, service, instance)
    finally:
        _remove(admin, instance)


def _install(admin: Admin, instance: str) -> str:
    """The platform's namespace and rights; a token of the service's account."""
    admin("POST", "/api/v1/namespaces", _named(instance))
    for each in rights(instance):
        admin("POST", f"{_RBAC}/{each['kind'].lower()}s", each)
    accounts = f"/api/v1/namespaces/{instance}/serviceaccounts"
    admin("POST", accounts, _named("service"))
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    return str(admin("POST", f"{accounts}/service/token", body)["status"]["token"])


def _remove(admin: Admin, instance: str) -> None:
    selector = f"labelSelector=hubernate.io/instance%3D{instance}"
    for each in admin("GET", f"/api/v1/pods?{selector}")["items"]:
        metadata = each["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if metadata.get("finalizers"):
            admin("PATCH", path, {"metadata": {"finalizers": None}}, kind="application/merge-patch+json", ok=(404,))
        admin("DELETE", path, {"gracePeriodSeconds": 0}, ok=(404,))
    spaces = [each["metadata"]["name"] for each in admin("GET", f"/api/v1/namespaces?{selector}")["items"]]
    for name in [instance, *spaces]:
        admin("DELETE", f"/api/v1/namespaces/{name}", ok=(404, 409))
    for each in rights(instance):
        admin("DELETE", f"{_RBAC}/{each['kind'].lower()}s/{each['metadata']['name']}", ok=(404,))


def wait_gone(platform: Platform, started: StartedPod, timeout_s: float = 40) -> float:
    """Seconds until the pod is gone."""
    began = time.monotonic()
    eventually("the pod is gone", lambda: platform.is_gone(started), timeout_s=timeout_s)
    return time.monotonic() - began
