"""Trying the network from a notebook's place: pods with the gate's image, in a namespace made and removed for it.

They carry the labels of a notebook and stand under the very policies of a tenant, on every node.
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubernate_core.errors import HubernateError, shorten
from hubernate_core.kubernetes import Cluster, TenantKubernetes
from hubernate_core.manifests.access import NOTEBOOK_ACCOUNT, make_service_account
from hubernate_core.manifests.network import NOTEBOOK_ROLE, make_policies
from hubernate_core.manifests.objects import HUB_PORT, SERVICE_PORT, make_object
from hubernate_core.names import KUBE_ROLE, KUBE_TENANT

from .judge import OPEN
from .kubectl import Kubectl

PORT = 8888
_READY_S, _CLOSED_S = 120.0, 30.0
_PYTHON = "/opt/hubernate/bin/python"
_LISTEN = f"""
import socket, signal
signal.signal(signal.SIGTERM, lambda *_: exit())
server = socket.create_server(("", {PORT}))
while True: server.accept()[0].close()
"""
_TRY = """
import json, socket, sys
reached = {}
for each in sys.argv[1:]:
    name, host, port = each.rsplit(",", 2)
    try:
        if port == "name": socket.getaddrinfo(host, 80)
        else: socket.create_connection((host, int(port)), 3).close()
        reached[name] = True
    except OSError:
        reached[name] = False
print(json.dumps(reached))
"""


@dataclass(frozen=True)
class Reached:
    """What one node's pod reached, by name; `before`: whether another pod was, while no policy stood."""

    node: str
    reached: Mapping[str, bool]
    before: bool


class Probe:
    """One namespace of pods. `problems`: node → why its pod does not run, such as an image that it cannot pull;
    `left`: why the namespace is still there, empty when it is gone or going."""

    def __init__(self, context: str, cluster: Cluster, gate_image: str) -> None:
        self._cluster, self._image = cluster, gate_image
        self.namespace = f"hubernate-doctor-{secrets.token_hex(4)}"
        self._kubectl = Kubectl(self.namespace, context)
        self.problems: dict[str, str] = {}
        self.left = ""

    def look(self, nodes: Mapping[str, str], registry_secret: Mapping[str, Any] | None) -> list[Reached]:
        """Try it from each of `nodes` (name → address). The namespace is gone, or going, afterwards."""
        try:
            self._make(registry_secret)
            running = self._run([*nodes, next(iter(nodes))], registry_secret is not None)
            return self._compare(nodes, running)
        finally:
            self._remove()

    def _remove(self) -> None:
        """Kept for the caller when it fails: what was found is worth more than a tidy end."""
        try:
            self._kubectl.run(["delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false"])
        except HubernateError as problem:
            self.left = problem.message

    def _make(self, registry_secret: Mapping[str, Any] | None) -> None:
        # Hub and service answer to the tenant's label; without the instance's nobody takes it for a tenant's.
        labels = {KUBE_TENANT: "doctor", "pod-security.kubernetes.io/enforce": "restricted"}
        things: list[Mapping[str, Any]] = [
            make_object("v1", "Namespace", self.namespace, labels=labels),
            make_service_account(self.namespace, {}),
        ]
        if registry_secret is not None:
            things.append(make_object("v1", "Secret", "pull", self.namespace) | dict(registry_secret))
        for thing in things:
            self._kubectl.create(thing)

    def _run(self, places: Sequence[str], with_secret: bool) -> dict[str, dict[str, Any]]:
        """Pods by name, once they run; those that do not are in `problems`."""
        where = {f"probe-{number}": node for number, node in enumerate(places)}
        for name, node in where.items():
            self._kubectl.create(make_probe(name, self.namespace, node, self._image, with_secret=with_secret))
        deadline = time.monotonic() + _READY_S
        while True:
            pods = {
                each["metadata"]["name"]: each
                for each in json.loads(self._kubectl.run(["get", "pods", "-o", "json"]))["items"]
            }
            waiting = {name: why for name, pod in pods.items() if (why := why_not(pod))}
            if not waiting or time.monotonic() > deadline:
                break
            time.sleep(1)
        self.problems = {where[name]: why for name, why in waiting.items()}
        return {name: pod for name, pod in pods.items() if name not in waiting}

    def _compare(self, nodes: Mapping[str, str], running: dict[str, dict[str, Any]]) -> list[Reached]:
        address = {name: pod["status"]["podIP"] for name, pod in running.items()}
        place = {name: pod["spec"]["nodeName"] for name, pod in running.items()}
        probes = {place[name]: name for name in sorted(running, reverse=True)}  # one per node, the first

        def others(name: str) -> str:
            return next((address[each] for each in sorted(running, reverse=True) if each != name), "")

        before = {
            node: self._try(name, {"other": f"{others(name)},{PORT}"})["other"] if others(name) else False
            for node, name in probes.items()
        }
        for policy in make_policies(self.namespace, {}, self._cluster, TenantKubernetes()):
            self._kubectl.create(policy)
        found = []
        for node, name in probes.items():
            deadline = time.monotonic() + _CLOSED_S
            while True:
                reached = self._try(name, self._targets(nodes[node], others(name)))
                # Policies take a moment to arrive on the nodes.
                if time.monotonic() > deadline or _as_wished(reached):
                    break
                time.sleep(1)
            found.append(Reached(node, reached, before[node]))
        return found

    def _targets(self, node_address: str, other: str) -> dict[str, str]:
        space = self._cluster.namespace
        return {
            "names": f"hub.{space}.svc,name",
            "hub": f"hub.{space}.svc,{HUB_PORT}",
            "service": f"service.{space}.svc,{SERVICE_PORT}",
            "another pod": f"{other},{PORT}",
            "the API server": "kubernetes.default.svc,443",
            "the kubelet": f"{node_address},10250",
            "the cloud's metadata": "169.254.169.254,80",
        }

    def _try(self, pod: str, targets: Mapping[str, str]) -> dict[str, bool]:
        words = [f"{name},{where}" for name, where in targets.items()]
        said = self._kubectl.run(["exec", pod, "--", _PYTHON, "-ISc", _TRY, *words])
        answer: dict[str, bool] = json.loads(said)
        return answer


def make_probe(name: str, namespace: str, node: str, image: str, *, with_secret: bool) -> dict[str, Any]:
    """A pod in a notebook's place on `node`. Its image is always pulled: whether the node can is a question too."""
    pod = make_object("v1", "Pod", name, namespace, {KUBE_ROLE: NOTEBOOK_ROLE})
    here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    limits = {"cpu": "200m", "memory": "64Mi"}
    spec: dict[str, Any] = {
        "serviceAccountName": NOTEBOOK_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [here]}}},
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "probe",
                "image": image,
                "imagePullPolicy": "Always",
                "command": [_PYTHON, "-ISc", _LISTEN],
                "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": limits},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }
    return pod | {"spec": spec | ({"imagePullSecrets": [{"name": "pull"}]} if with_secret else {})}


def why_not(pod: Mapping[str, Any]) -> str:
    """Why a probe is not ready; empty when it is."""
    status = pod.get("status") or {}
    for each in status.get("containerStatuses") or ():
        if each.get("ready"):
            return ""
        waiting = (each.get("state") or {}).get("waiting") or {}
        if waiting:
            return shorten(f"{waiting.get('reason', '')}: {waiting.get('message', '')}".rstrip(": "), 300)
    conditions = status.get("conditions") or ()
    said = next(
        (each.get("message") for each in conditions if each.get("type") == "PodScheduled" and each.get("message")), ""
    )
    return shorten(str(said or "not started yet"), 300)


def _as_wished(reached: Mapping[str, bool]) -> bool:
    return all(yes == (name in OPEN) for name, yes in reached.items())
