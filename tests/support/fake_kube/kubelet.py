"""Nodes, and what happens on them: scheduling, volumes, the lives of pods; and what a test may do to them."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

from . import scheduler, subresources
from .pod_life import PodLife
from .resources import CLAIMS, EVENTS, NAMESPACES, NODES, PODS, STORAGE_CLASSES, Object
from .runtime import Exit, ScriptedRuntime
from .store import Change
from .writing import Deleting, Writer, Writing, stamp

_UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
_CAPACITY = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "2000"}


class Kubelet:
    """Scheduler, volume binder and one kubelet for each node. Its public methods may be called from any thread."""

    def __init__(self, writer: Writer) -> None:
        self.writer, self.store = writer, writer.store
        self.runtime = ScriptedRuntime()
        self.schedules = True
        """False: pods stay Pending without any event, as while the scheduler is away."""
        self.retry_s = 1.0
        """Seconds between attempts to pull a missing image."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lives: dict[str, tuple[PodLife, asyncio.Task[None]]] = {}
        self._online: dict[str, asyncio.Event] = {}
        self._said: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._main: asyncio.Task[None] | None = None
        self._stop: Callable[[], None] = lambda: None
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: list[BaseException] = []
        """What went wrong inside the kubelet itself; `FakeKube` raises the first at its end."""

    # --- in the server's loop

    async def start(self) -> None:
        """Begin."""
        self._loop = asyncio.get_running_loop()

        def hear(change: Change) -> None:
            if change.resource in (PODS, NODES, CLAIMS) and self._loop:
                self._loop.call_soon_threadsafe(self._heard, change)

        self._stop = self.store.listen(hear)
        self._main = asyncio.create_task(self._work())

    async def close(self) -> None:
        """End everything."""
        self._stop()
        tasks = [task for _, task in self._lives.values()] + ([self._main] if self._main else []) + list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _heard(self, change: Change) -> None:
        self._wake.set()
        if change.resource != PODS:
            return
        uid = change.object["metadata"]["uid"]
        life = self._lives.get(uid)
        if change.type == "DELETED":
            self._said.pop(uid, None)
            if life:
                self._lives.pop(uid)
                life[1].cancel()
        elif life:
            life[0].seen(change.object)
        elif change.object["spec"].get("nodeName") in self._online:
            self._adopt(change.object)

    def _adopt(self, pod: Object) -> None:
        online = self._online[pod["spec"]["nodeName"]]
        life = PodLife(self.writer, self.runtime, pod, self.event, online, self.retry_s)
        if "deletionTimestamp" in pod["metadata"]:
            life.seen(pod)
        task = asyncio.create_task(life.live())
        task.add_done_callback(self._note)
        self._lives[pod["metadata"]["uid"]] = (life, task)

    def _note(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            self.failures.append(error)

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            if self.schedules:
                try:
                    self._bind_claims()
                    self._schedule()
                except Exception as e:  # noqa: BLE001 - kept, and raised where the test ends
                    self.failures.append(e)
            await self._wake.wait()

    def _bind_claims(self) -> None:
        """Claims of classes that bind at once; the others when a pod that uses them has its node."""
        for claim in self.store.all(CLAIMS):
            if claim["status"].get("phase") != "Pending":
                continue
            name = claim["spec"].get("storageClassName")
            kind = self.store.find(STORAGE_CLASSES, "", name) if name else None
            if name and kind is None:
                continue  # nobody provisions it
            if kind and kind.get("volumeBindingMode") == "WaitForFirstConsumer" and not self._consumed(claim):
                continue
            metadata = claim["metadata"]
            change = {
                "phase": "Bound",
                "accessModes": claim["spec"].get("accessModes"),
                "capacity": dict(claim["spec"]["resources"]["requests"]),
            }
            self.writer.status(CLAIMS, metadata["namespace"], metadata["name"], change)

    def _consumed(self, claim: Object) -> bool:
        name = claim["metadata"]["name"]
        return any(
            (volume.get("persistentVolumeClaim") or {}).get("claimName") == name
            for pod in self.store.all(PODS, claim["metadata"]["namespace"])
            if pod["spec"].get("nodeName")
            for volume in pod["spec"].get("volumes") or ()
        )

    def _schedule(self) -> None:
        with self.store.lock:
            waiting = [
                pod for pod in self.store.all(PODS)
                if not pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]
                and pod["spec"].get("schedulerName") == "default-scheduler" and not pod["spec"].get("schedulingGates")
            ]  # fmt: skip
            for pod in waiting:
                self._place(pod)

    def _place(self, pod: Object) -> None:
        metadata = pod["metadata"]
        node, why = "", self._lacks(pod)
        if not why:
            node, why = scheduler.choose(pod, self.store.all(NODES), self.store.all(PODS), self._asked)
        if node:
            subresources.bind(self.writer, metadata["namespace"], metadata["name"], {"target": {"name": node}})
            self.event(
                pod,
                "Normal",
                "Scheduled",
                f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {node}",
            )
        elif self._said.get(metadata["uid"]) != why:
            self._said[metadata["uid"]] = why
            self.event(pod, "Warning", "FailedScheduling", why)
            conditions = subresources.with_condition(
                pod["status"].get("conditions"), "PodScheduled", False, "Unschedulable", why
            )
            self.writer.status(PODS, metadata["namespace"], metadata["name"], {"conditions": conditions})

    def _asked(self, pod: Object) -> dict[str, int]:
        return self.store.worked_out(pod, "requests", scheduler.requests)

    def _lacks(self, pod: Object) -> str:
        for volume in pod["spec"].get("volumes") or ():
            name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if name and not self.store.find(CLAIMS, pod["metadata"]["namespace"], name):
                nodes = len(self.store.all(NODES))
                return f'0/{nodes} nodes are available: persistentvolumeclaim "{name}" not found.'
        return ""

    # --- for tests, from any thread

    def event(self, about: Object, kind: str, reason: str, message: str) -> None:
        """An Event about a pod."""
        metadata, now = about["metadata"], stamp()
        body: dict[str, Any] = {
            "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(8)}"},
            "involvedObject": {
                "apiVersion": about["apiVersion"], "kind": about["kind"], "name": metadata["name"],
                "namespace": metadata["namespace"], "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "reason": reason, "message": message, "type": kind, "count": 1, "eventTime": None,
            "firstTimestamp": now, "lastTimestamp": now,
            "source": {"component": "default-scheduler" if "chedul" in reason else "kubelet"},
            "reportingComponent": "kubelet", "reportingInstance": "",
        }  # fmt: skip
        with self.store.lock:
            space = self.store.find(NAMESPACES, "", metadata["namespace"])
            if space and "deletionTimestamp" not in space["metadata"]:
                self.writer.create(EVENTS, metadata["namespace"], body, Writing(manager="kubelet"))

    def add_node(
        self,
        name: str,
        labels: dict[str, str] | None = None,
        allocatable: dict[str, str] | None = None,
        taints: tuple[Object, ...] = (),
    ) -> None:
        """A Ready node. `allocatable` adds to plenty of cpu and memory."""
        self._online[name] = event = asyncio.Event()
        event.set()
        own = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        spec = {"taints": list(taints)} if taints else {}
        self.writer.create(NODES, "", {"metadata": {"name": name, "labels": {**own, **(labels or {})}}, "spec": spec})
        capacity = {**_CAPACITY, **(allocatable or {})}
        conditions = subresources.with_condition([], "Ready", True, "KubeletReady", "kubelet is posting ready status")
        info = {"architecture": "amd64", "operatingSystem": "linux", "containerRuntimeVersion": "containerd://2.1.9"}
        addresses = [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}]
        change = {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": conditions,
            "nodeInfo": info,
            "addresses": addresses,
        }
        self.writer.status(NODES, "", name, change)

    def lose_node(self, name: str) -> None:
        """The node stops reporting: NotReady, its pods unready and, when their toleration is over, deleted in vain."""
        assert self._loop
        self._loop.call_soon_threadsafe(self._online[name].clear)
        why = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
        self._node(name, None, why, [_UNREACHABLE, {**_UNREACHABLE, "effect": "NoSchedule"}])
        for pod in self.store.all(PODS):
            if pod["spec"].get("nodeName") == name:
                conditions = subresources.with_condition(pod["status"].get("conditions"), "Ready", False)
                self.writer.status(
                    PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], {"conditions": conditions}
                )
                self._loop.call_soon_threadsafe(self._evict_later, pod)

    def _evict_later(self, pod: Object) -> None:
        toleration = scheduler.tolerates(pod, _UNREACHABLE)
        if toleration and toleration.get("tolerationSeconds") is None:
            return

        async def later() -> None:
            await asyncio.sleep(toleration["tolerationSeconds"] if toleration else 0)
            metadata = pod["metadata"]
            now = self.store.find(PODS, metadata["namespace"], metadata["name"])
            if now and now["metadata"]["uid"] == metadata["uid"] and not self._online[pod["spec"]["nodeName"]].is_set():
                self.writer.delete(PODS, metadata["namespace"], metadata["name"])

        task = asyncio.create_task(later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def restore_node(self, name: str) -> None:
        """It reports again."""
        assert self._loop
        self._node(name, True, ("KubeletReady", "kubelet is posting ready status"), [])
        self._loop.call_soon_threadsafe(self._online[name].set)
        for pod in self.store.all(PODS):
            life = self._lives.get(pod["metadata"]["uid"])
            if pod["spec"].get("nodeName") == name and life:
                asyncio.run_coroutine_threadsafe(life[0]._write(), self._loop)

    def _node(self, name: str, ready: bool | None, why: tuple[str, str], taints: list[Object]) -> None:
        with self.store.lock:
            node = self.store.get(NODES, "", name)
            kept = [each for each in node["spec"].get("taints") or () if each["key"] != _UNREACHABLE["key"]]
            conditions = subresources.with_condition(node["status"]["conditions"], "Ready", ready, *why)
            changed = {**node, "metadata": dict(node["metadata"]), "spec": {**node["spec"], "taints": kept + taints}}
            self.store.put(NODES, {**changed, "status": {**node["status"], "conditions": conditions}})

    def end(self, namespace: str, name: str, container: str, code: int = 0, reason: str = "") -> None:
        """Let a running container end with that code. LookupError where it does not run."""
        assert self._loop
        uid = self.store.get(PODS, namespace, name)["metadata"]["uid"]

        async def now() -> bool:
            return self.runtime.end(uid, container, Exit(code, reason))

        if not asyncio.run_coroutine_threadsafe(now(), self._loop).result():
            raise LookupError(f"{namespace}/{name}: container {container} does not run")

    def oom_kill(self, namespace: str, name: str, container: str) -> None:
        """The kernel kills it for memory."""
        self.end(namespace, name, container, 137, "OOMKilled")

    def release(self, namespace: str, name: str) -> None:
        """Let the pod's held preStop hook end."""
        assert self._loop
        uid = self.store.get(PODS, namespace, name)["metadata"]["uid"]
        self._loop.call_soon_threadsafe(self.runtime.release, uid)

    def held(self) -> list[str]:
        """Names of pods whose preStop hook waits."""
        uids = set(self.runtime.held())
        return [pod["metadata"]["name"] for pod in self.store.all(PODS) if pod["metadata"]["uid"] in uids]

    def evict_for_pressure(self, namespace: str, name: str, what: str = "memory") -> None:
        """The node is short of something: containers are killed at once, the pod is Failed and stays."""
        pod = self.store.get(PODS, namespace, name)
        message = f"The node was low on resource: {what}. "
        change = {"phase": "Failed", "reason": "Evicted", "message": message}
        self.writer.status(PODS, namespace, name, change)
        for each in [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]:
            assert self._loop
            self._loop.call_soon_threadsafe(self.runtime.end, pod["metadata"]["uid"], each["name"], Exit(137, ""))

    def preempt(self, namespace: str, name: str) -> None:
        """The scheduler makes room for a pod of higher priority: deleted with its grace period."""
        pod = self.store.get(PODS, namespace, name)
        self.event(pod, "Normal", "Preempted", "Preempted by a pod on its node")
        self.writer.delete(PODS, namespace, name, Deleting())
