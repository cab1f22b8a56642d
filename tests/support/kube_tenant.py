"""One tenant on a fake cluster for the spawner's tests: a scripted platform service, and gates that answer over HTTP.

The hub's rights are those of config/kubernetes. A call that they do not allow is refused, as on a cluster.
"""

import asyncio
import base64
import contextlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from hubernate_core import names
from hubernate_core.fingerprint import FINGERPRINT_HEADER, fingerprint
from hubernate_core.gate_file import GATE_PORT
from hubernate_core.kubernetes import Cluster, Placement
from hubernate_core.manifests.tenant import TenantSpec, make_tenant
from hubernate_core.quota import Quota
from hubernate_core.server import ServerState
from support.fake_kube.runtime import Behaviour
from support.fake_kube.server import FakeKube
from support.fake_service import FakeService
from support.permissions import rights

DIGEST = "sha256:" + "a" * 64
IMAGE = f"registry.test/profiles/base@{DIGEST}"
GATE_IMAGE = f"registry.test/platform/gate@{DIGEST}"
CLUSTER = Cluster()


STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "fake.test/volumes",
    "allowVolumeExpansion": True,
    "volumeBindingMode": "WaitForFirstConsumer",
}


def bare_pod(name: str, namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    """A pod as small as a tenant's namespace admits, made by somebody else than a spawner."""
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    small = {"cpu": "1m", "memory": "1Mi", "ephemeral-storage": "1Mi"}
    container = {
        "name": "notebook",
        "image": IMAGE,
        "securityContext": confined,
        "resources": {"limits": small, "requests": small},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "containers": [container],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "serviceAccountName": "notebook",
            "restartPolicy": "Never",
        },
    }


class Gates:
    """Answers for the gates of all pods that run, at their own addresses.

    silent: notebooks that never listen. starting: notebooks that listen but are not up yet.
    """

    def __init__(self, kube: FakeKube) -> None:
        self.kube, self.silent, self.starting = kube, False, False
        self.start_s = 0.0
        """Seconds from a notebook's start to its first answer."""
        self.renewed_after: int = 0
        """Answers still given with the old file after a Secret was replaced, as a kubelet takes its time."""
        self._pods: dict[str, tuple[str, str]] = {}
        self._sites: set[web.TCPSite] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._known: dict[str, str] = {}
        self._old: dict[str, int] = {}
        kube.kubelet.runtime.network = f"127.{random.randint(20, 250)}"
        kube.kubelet.runtime.behaviour = self.behave
        self._runner: web.AppRunner | None = None
        kube.run(self._open())

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_route("GET", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()

    def behave(self, pod: Any, container: Any) -> Behaviour:
        """Called when a container starts, and when it is stopped."""
        meta = pod["metadata"]
        found = self.kube.get("pods", meta["namespace"], meta["name"])
        address = found["status"].get("podIP", "") if found else ""
        if container["name"] == "notebook" and address and address not in self._pods and not self.silent:
            self._pods[address] = (meta["namespace"], meta["name"])
            task = asyncio.ensure_future(self._listen(address))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        return Behaviour()

    async def _listen(self, address: str) -> None:
        if self.start_s:
            await asyncio.sleep(self.start_s)
        assert self._runner
        site = web.TCPSite(self._runner, address, GATE_PORT)
        await site.start()
        self._sites.add(site)

    async def _answer(self, request: web.Request) -> web.Response:
        assert request.transport
        told = self.fingerprint(*self._pods[request.transport.get_extra_info("sockname")[0]])
        status = 503 if self.starting or not told else 200
        return web.json_response({"version": "2.18.0"}, status=status, headers={FINGERPRINT_HEADER: told})

    def fingerprint(self, namespace: str, name: str) -> str:
        """Of the Secret that the pod's gate has read."""
        secret = self.kube.get("secrets", namespace, name)
        if secret is None:
            return ""
        content = json.loads(base64.b64decode(secret["data"]["gate.json"]))
        now = fingerprint(content["hub_token"], content["relay_token"])
        before = self._known.setdefault(name, now)
        if now != before:
            self._old[name] = self._old.get(name, 0) + 1
            if self._old[name] <= self.renewed_after:
                return before
            self._known[name], self._old[name] = now, 0
        return now

    def close(self) -> None:
        """Nobody answers any more."""

        async def end() -> None:
            for task in self._opening:
                task.cancel()
            if self._runner:
                await self._runner.cleanup()

        self.kube.run(end())


class KubeService(FakeService):
    """The platform service of one server on Kubernetes; `people` are others, each with a server of their own."""

    def __init__(self, instance: str, kube: FakeKube) -> None:
        super().__init__(instance, IMAGE, "registry.test")
        self.kube = kube
        self.people: dict[str, KubeService] = {}
        self.place(self.tenant_id)

    def place(self, tenant_id: str) -> str:
        """The server belongs to that tenant from now on; its namespace."""
        self.tenant_id = names.TenantId(tenant_id)
        namespace = names.tenant_namespace(self.instance, self.tenant_id)
        self.placement = Placement(namespace=namespace, home_size=1024**3)
        return namespace

    @property
    def namespace(self) -> str:
        """Where the next pod goes."""
        assert self.placement is not None
        return self.placement.namespace

    @property
    def pod(self) -> str:
        """Name of the newest generation's pod."""
        return names.server_pod(self.instance, names.ServerId(self.server_id), max(1, self.generation))

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        """Each person's server is told about its own calls only."""
        for user, other in self.people.items():
            theirs = (body or {}).get("user") == user or other.server_id in path
            if theirs or any(key in path for key in other.operations):
                return other.answer(path, body)
        return super().answer(path, body)

    def join(self, user: str) -> "KubeService":
        """Another person of the tenant."""
        self.people[user] = other = KubeService(self.instance, self.kube)
        other.place(self.tenant_id)
        return other

    def remove_containers(self) -> None:
        """What the service does when an agent reports `released`."""
        for pod in self.pods():
            self.kube.delete("pods", pod["metadata"]["namespace"], pod["metadata"]["name"], grace_s=0)
        self.state = ServerState.ASLEEP

    def pods(self) -> list[Any]:
        """This server's."""
        labels = (names.KUBE_SERVER, self.server_id)
        return [each for each in self.kube.list("pods") if each["metadata"]["labels"].get(labels[0]) == labels[1]]


@dataclass
class Tenancy:
    """A cluster, a service, and the hub's token."""

    kube: FakeKube
    gates: Gates
    service: KubeService
    token: str

    def add_tenant(self, tenant_id: str, quota: Quota | None = None) -> str:
        """Provision a tenant as the platform service does; its namespace."""
        spec = TenantSpec(self.service.instance, names.TenantId(tenant_id), "research", CLUSTER, quota or Quota())
        for each in make_tenant(spec):
            self.kube.create(each)
        return spec.namespace

    def requests(self) -> list[str]:
        """What the hub asked of the API since the last `kube.calls.clear()`, watching excepted."""
        return [
            f"{call.verb} {call.resource}"
            for call in self.kube.calls.select()
            if call.subject == "system:serviceaccount:hubernate:hub" and call.verb not in ("list", "watch")
        ]


@contextlib.contextmanager
def a_tenancy(quota: Quota | None = None, gates_of: type[Gates] = Gates) -> Iterator[Tenancy]:
    """A fake cluster with one tenant and the hub's rights in it."""
    instance = f"t{random.randrange(16**6):06x}"
    with FakeKube(nodes=("node-1", "node-2")) as kube, KubeService(instance, kube) as service:
        kube.namespace(CLUSTER.namespace)
        for each in rights(instance, CLUSTER.namespace):
            kube.create(each)
        kube.create(STORAGE_CLASS)
        gates = gates_of(kube)
        token = kube.tokens.service_account(CLUSTER.namespace, "hub")
        tenancy = Tenancy(kube, gates, service, token)
        tenancy.add_tenant(service.tenant_id, quota)
        try:
            yield tenancy
        finally:
            gates.close()
