"""One bound pod from its images to its end, as a kubelet takes it there."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from . import status
from .resources import BY_PLURAL, CLAIMS, PODS, Object
from .runtime import Exit, ImageMissing, Runtime
from .subresources import with_condition
from .writing import Deleting, Writer, stamp

_ADDRESSES = itertools.count(2)
_POLL_S = 0.05


class Changes:
    """Tells everybody who waits that something changed. Whoever looks again before waiting misses nothing."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def tell(self) -> None:
        """Something changed."""
        for each in self._waiting:
            if not each.done():
                each.set_result(None)

    async def wait(self) -> None:
        """Until the next change."""
        told = asyncio.get_running_loop().create_future()
        self._waiting.add(told)
        try:
            await told
        finally:
            self._waiting.discard(told)


@dataclass
class PodLife:
    """The kubelet's work on one pod. `report` says an event; `online`: the node can reach the API server."""

    writer: Writer
    runtime: Runtime
    pod: Object
    report: Callable[[Object, str, str, str], None]
    online: asyncio.Event
    retry_s: float = 1.0
    _states: dict[str, Object] = field(default_factory=dict)
    _ready: set[str] = field(default_factory=set)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _deleting: asyncio.Event = field(default_factory=asyncio.Event)
    _sooner: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: Changes = field(default_factory=Changes)
    _restarts: dict[str, int] = field(default_factory=dict)
    _ip: str = ""
    _stopping: bool = False
    _since: str = ""

    def seen(self, pod: Object) -> None:
        """A new version of the pod."""
        self.pod = pod
        if "deletionTimestamp" in pod["metadata"]:
            self._deleting.set()
            self._sooner.set()

    async def live(self) -> None:
        """From bound to gone, or to a terminal phase and then to gone."""
        self._since = stamp()
        self._states = {each["name"]: _waiting("ContainerCreating") for each in self._all()}
        running = asyncio.create_task(self._run())
        deleting = asyncio.create_task(self._deleting.wait())
        following = asyncio.create_task(self._follow())
        try:
            await asyncio.wait({running, deleting, following}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()  # it ends by an error only
            if not deleting.done():
                await running
                await deleting  # its containers ended; the pod stays until somebody deletes it
            await self._end(running)
        finally:
            for each in (running, deleting, following, *self._tasks.values()):
                each.cancel()

    def _all(self) -> list[Object]:
        return [*self._init(), *self.pod["spec"]["containers"]]

    def _init(self) -> list[Object]:
        return list(self.pod["spec"].get("initContainers") or ())

    async def _run(self) -> None:
        await self._volumes()
        for each in self._init():
            await self._start(each)
            sidecar = each.get("restartPolicy") == "Always"
            await self._until(lambda e=each, s=sidecar: (s and e["name"] in self._ready) or self._ended(e))
            if not sidecar and self._exit_code(each):
                return await self._finish()
        await asyncio.gather(*(self._start(each) for each in self.pod["spec"]["containers"]))
        await self._until(lambda: all(self._ended(each) for each in self.pod["spec"]["containers"]))
        await self._finish()

    async def _finish(self) -> None:
        """All that mattered has ended: sidecars are stopped, the phase is final."""
        self._stopping = True
        for each in self._all():
            if not self._ended(each) and each["name"] in self._tasks:
                self.runtime.stop(self.pod, each, 1)
        await asyncio.gather(*self._tasks.values())
        await self._write()

    async def _volumes(self) -> None:
        """Wait for claims and secrets: a kubelet tries again until they are there."""
        said = False
        while missing := self._missing():
            if not said:
                self.report(self.pod, "Warning", "FailedMount", missing)
                said = True
            await asyncio.sleep(_POLL_S)

    def _missing(self) -> str:
        namespace = self.pod["metadata"]["namespace"]
        for volume in self.pod["spec"].get("volumes") or ():
            failed = f'MountVolume.SetUp failed for volume "{volume["name"]}" :'
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            found = self.writer.store.find(CLAIMS, namespace, claim) if claim else None
            if claim and (found is None or found.get("status", {}).get("phase") != "Bound"):
                return f'{failed} persistentvolumeclaim "{claim}" not bound'
            for kind, plural, key in (("secret", "secrets", "secretName"), ("configMap", "configmaps", "name")):
                source = volume.get(kind) or {}
                name = source.get(key)
                if (
                    name
                    and not source.get("optional")
                    and not self.writer.store.find(BY_PLURAL["", plural], namespace, name)
                ):
                    return f'{failed} {kind.lower()} "{name}" not found'
        return ""

    async def _start(self, container: Object) -> None:
        name = container["name"]
        while True:
            try:
                await self.runtime.pull(self.pod, container)
            except ImageMissing as e:
                text = f'Failed to pull image "{container["image"]}": {e}'
                self.report(self.pod, "Warning", "Failed", text)
                self.report(self.pod, "Warning", "Failed", "Error: ErrImagePull")
                await self._set(name, _waiting("ErrImagePull", str(e)))
                await asyncio.sleep(self.retry_s / 2)
                self.report(self.pod, "Normal", "BackOff", f'Back-off pulling image "{container["image"]}"')
                self.report(self.pod, "Warning", "Failed", "Error: ImagePullBackOff")
                await self._set(name, _waiting("ImagePullBackOff", f'Back-off pulling image "{container["image"]}"'))
                await asyncio.sleep(self.retry_s / 2)
            else:
                break
        self.report(self.pod, "Normal", "Started", f"Container started: {name}")
        self._tasks[name] = task = asyncio.create_task(self._one(container))
        task.add_done_callback(lambda _: self._changed.tell())
        await asyncio.sleep(0)

    async def _one(self, container: Object) -> None:
        """Run a container, again where its restart policy says so."""
        name = container["name"]
        policy = container.get("restartPolicy") or self.pod["spec"]["restartPolicy"]
        if container in self._init() and container.get("restartPolicy") != "Always":
            policy = "Never" if policy == "Never" else "OnFailure"
        while True:
            began = stamp()
            self._states[name] = {"running": {"startedAt": began}}
            self._changed.tell()

            def ready(name: str = name) -> None:
                self._ready.add(name)
                self._changed.tell()

            how = await self.runtime.run(self.pod, container, ready)
            self._ready.discard(name)
            ended = _terminated(how, began, self.pod, name)
            again = not self._stopping and (policy == "Always" or (policy == "OnFailure" and how.code))
            if not again:
                return await self._set(name, ended)
            self._restarts[name] = self._restarts.get(name, 0) + 1
            why = f"back-off restarting failed container={name}"
            self.report(self.pod, "Warning", "BackOff", why)
            await self._set(name, _waiting("CrashLoopBackOff", why))
            await asyncio.sleep(self.retry_s / 10)

    async def _follow(self) -> None:
        """Write the status when a container has started or become ready."""
        while True:
            await self._write()
            await self._changed.wait()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            for task in self._tasks.values():
                if task.done():
                    task.result()  # an error in here, and not the container's end
            await self._changed.wait()

    def _ended(self, container: Object) -> bool:
        return "terminated" in self._states[container["name"]]

    def _exit_code(self, container: Object) -> int:
        return int(self._states[container["name"]].get("terminated", {}).get("exitCode", 0))

    async def _set(self, name: str, state: Object) -> None:
        self._states[name] = state
        self._changed.tell()
        await self._write()

    async def _end(self, running: "asyncio.Task[None]") -> None:
        """The pod is being deleted: hooks, SIGTERM, sidecars last, a final status, and the object goes."""
        self._stopping = True
        running.cancel()
        await asyncio.wait({running})
        loop = asyncio.get_running_loop()
        began = loop.time()

        def left() -> float:
            return max(0.0, began + self.pod["metadata"].get("deletionGracePeriodSeconds", 0) - loop.time())

        mains = [each for each in self.pod["spec"]["containers"] if self._alive(each)]
        if mains:
            self.report(self.pod, "Normal", "Killing", f"Stopping container {mains[0]['name']}")
        await asyncio.gather(*(self._stop(each, left) for each in mains))
        for each in reversed(self._init()):
            if self._alive(each):
                await self._stop(each, left)
        await self._write()
        await self.online.wait()
        metadata = self.pod["metadata"]
        try:
            self.writer.delete(PODS, metadata["namespace"], metadata["name"], Deleting(uid=metadata["uid"], grace_s=0))
        except status.Refusal as refusal:
            if refusal.code not in (404, 409):
                raise

    def _alive(self, container: Object) -> bool:
        task = self._tasks.get(container["name"])
        return task is not None and not task.done()

    async def _stop(self, container: Object, left: Callable[[], float]) -> None:
        if (container.get("lifecycle") or {}).get("preStop"):
            await self._bounded(self.runtime.pre_stop(self.pod, container), left)
        # A hook that used up the grace period: two more seconds, as the kubelet gives.
        self.runtime.stop(
            self.pod, container, max(2.0, left()) if self.pod["metadata"].get("deletionGracePeriodSeconds") else 0
        )
        await self._tasks[container["name"]]

    async def _bounded(self, hook: Awaitable[None], left: Callable[[], float]) -> None:
        """The hook, the end of the grace period (a second delete may bring it nearer), or the end of the container."""
        task = asyncio.ensure_future(hook)
        while not task.done() and left() > 0:
            self._sooner.clear()
            sooner = asyncio.create_task(self._sooner.wait())
            await asyncio.wait(
                {task, sooner, *self._tasks.values()}, timeout=left(), return_when=asyncio.FIRST_COMPLETED
            )
            sooner.cancel()
            if all(each.done() for each in self._tasks.values()):
                break
        task.cancel()

    def _entry(self, container: Object) -> Object:
        state = self._states[container["name"]]
        running, ready = "running" in state, container["name"] in self._ready
        finished = state.get("terminated", {}).get("exitCode") == 0 and container in self._init()
        entry: dict[str, Any] = {
            "name": container["name"],
            "state": state,
            "lastState": {},
            "ready": (running and ready) or finished,
            "restartCount": self._restarts.get(container["name"], 0),
            "image": container["image"],
            "imageID": "" if "waiting" in state else f"{container['image'].partition('@')[0]}@sha256:{'0' * 64}",
            "started": running and ready,
        }
        if "waiting" not in state:
            entry["containerID"] = _container_id(self.pod, container["name"])
        return entry

    async def _write(self) -> None:
        """The status as it is now; waits while the node is cut off."""
        await self.online.wait()
        metadata = self.pod["metadata"]
        now = self.writer.store.find(PODS, metadata["namespace"], metadata["name"])
        if now is None or now["metadata"]["uid"] != metadata["uid"]:
            return
        if now["status"].get("phase") in ("Succeeded", "Failed"):
            return
        number = 0 if self._ip else next(_ADDRESSES)
        self._ip = self._ip or f"{self.runtime.network}.{number // 250 % 250}.{number % 250 + 2}"
        started = any("waiting" not in self._states[each["name"]] for each in self.pod["spec"]["containers"])
        ready = all(
            self._entry(each)["ready"]
            for each in self._all()
            if each in self.pod["spec"]["containers"] or _sidecar(each)
        )
        conditions = now["status"].get("conditions")
        initialized = all(self._entry(each)["started"] or self._ended(each) for each in self._init())
        phase = self._phase(started)
        over = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "")
        for kind, holds, why in (
            ("PodReadyToStartContainers", not over, ""),
            ("Initialized", initialized, over or "ContainersNotInitialized"),
            ("ContainersReady", ready and not over, over or "ContainersNotReady"),
            ("Ready", ready and not over, over or "ContainersNotReady"),
        ):
            conditions = with_condition(conditions, kind, holds, "" if holds and not over else why)
        change: Object = {
            "phase": phase,
            "conditions": conditions,
            "hostIP": "127.0.0.1",
            "hostIPs": [{"ip": "127.0.0.1"}],
            "podIP": self._ip,
            "podIPs": [{"ip": self._ip}],
            "startTime": self._since,
            "containerStatuses": [self._entry(each) for each in self.pod["spec"]["containers"]],
        }
        if self._init():
            change["initContainerStatuses"] = [self._entry(each) for each in self._init()]
        self.writer.status(PODS, metadata["namespace"], metadata["name"], change)

    def _phase(self, started: bool) -> str:
        mains = self.pod["spec"]["containers"]
        failed_init = any(self._ended(e) and self._exit_code(e) and not _sidecar(e) for e in self._init())
        if failed_init:
            return "Failed"
        if all(self._ended(each) for each in mains) and not any(self._alive(e) for e in self._init()):
            return "Failed" if any(self._exit_code(each) for each in mains) else "Succeeded"
        return "Running" if started else "Pending"


def _sidecar(container: Object) -> bool:
    return container.get("restartPolicy") == "Always"


def _waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def _terminated(how: Exit, began: str, pod: Object, name: str) -> Object:
    ended = {"exitCode": how.code, "reason": how.said, "startedAt": began, "finishedAt": stamp()}
    return {"terminated": {**ended, "containerID": _container_id(pod, name)}}


def _container_id(pod: Object, name: str) -> str:
    text = f"{pod['metadata']['uid'].replace('-', '')}{name.encode().hex()}"
    return f"containerd://{text:0<64.64}"
