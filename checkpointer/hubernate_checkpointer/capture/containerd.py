"""containerd on a Kubernetes node, as far as a save needs it. A container is known by its pod's UID.

The kubelet owns pods: this never makes, starts or removes one. It freezes, ends and reads the notebook container, and
lets a held pod go.
"""

import json
import platform
import re
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.empty_pb2 import Empty

from hubernate_core.errors import Broken, NotFound, Unavailable, shorten
from hubernate_core.names import GENERATION_LABEL, INSTANCE_LABEL, OWNER_LABEL, SERVER_LABEL, TENANT_LABEL
from hubernate_core.wire import Leftover

from . import overlay
from .cgroup import Cgroup, find_cgroup
from .containerd_api import cri_pb2, snapshots_pb2, tasks_pb2, version_pb2
from .cri_images import CriImages
from .engine import Container, Storage
from .grpc_client import GrpcClient
from .hold import release_hold
from .pods import Notebook, find_notebook, find_notebooks, is_uid

_OLDEST = (1, 6)
_KILL_S = 30
_LOOK_S = 0.1
_ALIVE = (tasks_pb2.RUNNING, tasks_pb2.PAUSING, tasks_pb2.PAUSED)
_FROZEN = tasks_pb2.Process(status=tasks_pb2.PAUSED)
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_TASKS = "/containerd.services.tasks.v1.Tasks"
_SNAPSHOTS = "/containerd.services.snapshots.v1.Snapshots"


class Containerd(CriImages):
    """containerd on one socket. Every method raises Unavailable when it does not answer.

    Args:
        socket: path of its socket, as this process sees it.
        login: user and password for the registry; None where it needs none.
        kubelet_dir: the kubelet's folder, as the node names it.
        host_root: where the node's root is seen from this process; empty when its paths are the same here.
    """

    name = "containerd"
    compression = "zstd"
    identity = (INSTANCE_LABEL, TENANT_LABEL, OWNER_LABEL, SERVER_LABEL, GENERATION_LABEL)
    restarts = False

    def __init__(
        self, socket: str, login: Callable[[], tuple[str, str] | None], kubelet_dir: str, host_root: str
    ) -> None:
        client = GrpcClient(socket)
        super().__init__(client, login)
        self._client = client
        self._host_root = host_root.rstrip("/")
        self._kubelet = Path(self._here(kubelet_dir))
        self.processes = self._here("/proc")
        self._cgroups: dict[str, Cgroup] = {}
        self.architecture = _MACHINES.get(platform.machine(), platform.machine())
        answer = client.ask("/containerd.services.version.v1.Version/Version", Empty(), version_pb2.VersionResponse)
        self._version = str(answer.version).removeprefix("v")

    def _here(self, path: str) -> str:
        """`path` of the node as this process sees it."""
        return f"{self._host_root}{path}"

    def check_supported(self) -> None:
        """Refuse a containerd too old to be tested. Raises Broken."""
        if tuple(int(part) for part in re.findall(r"\d+", self._version)[:2]) < _OLDEST:
            raise Broken(
                f"this node has containerd {shorten(self._version, 40)}; 1.6 or later is needed. Servers run on, "
                "nothing is saved"
            )

    def inspect(self, container_id: str) -> Container | None:
        """The notebook container of the pod with this UID, None when there is none."""
        found = find_notebook(self._client, container_id)
        if found is None:
            return None
        return self._describe(found, *self._state(found))

    def ours(self, instance: str) -> list[Container]:
        """The notebook container of every pod of our installation that has begun to run one."""
        result = []
        for found in find_notebooks(self._client, instance):
            task, ended = self._state(found)
            if _runs(task) or ended is None or ended.state != cri_pb2.CONTAINER_CREATED:
                result.append(self._describe(found, task, ended))
        return result

    def _state(self, found: Notebook) -> tuple[Any, Any]:
        """containerd's task of a notebook and, where that does not run, what CRI says of its end."""
        group = self._cgroup(found.runtime_id)
        if group is not None and group.told_to_freeze:
            return _FROZEN, None  # containerd need not know, and may not answer while an exec is frozen half-way
        task = self._task(found.runtime_id)
        return task, None if _runs(task) else self._cri_status(found.runtime_id)

    def _cgroup(self, runtime_id: str) -> Cgroup | None:
        """Its control group, None when it does not run or is not to be seen."""
        known = self._cgroups.get(runtime_id)
        if known is None or not known.freezer.exists():
            self._cgroups.pop(runtime_id, None)
            known = find_cgroup(Path(self.processes), Path(self._here("/sys/fs/cgroup")), runtime_id)
            if known is not None:
                self._cgroups[runtime_id] = known
        return known

    def _must_see(self, container_id: str) -> Cgroup:
        group = self._cgroup(self._find(container_id).runtime_id)
        if group is None:
            raise Unavailable(
                "the server's control group is not to be seen. Should it run: the agent needs hostPID: true and the "
                "node's /sys/fs/cgroup"
            )
        return group

    def _describe(self, found: Notebook, task: Any, ended: Any) -> Container:
        running, code = _runs(task), None
        group = self._cgroups.get(found.runtime_id)
        if not running and ended is not None and ended.state == cri_pb2.CONTAINER_EXITED:
            code = int(ended.exit_code)
        elif not running and task is not None and task.status == tasks_pb2.STOPPED:
            code = int(task.exit_status)
        return Container(
            id=found.uid,
            cgroup=found.runtime_id,
            running=running,
            paused=running and task.status == tasks_pb2.PAUSED,
            still=not running or (group is not None and group.frozen),
            exit_code=code,
            oom_killed=ended is not None and ended.reason == "OOMKilled",
            labels=found.labels,
        )

    def _find(self, uid: str) -> Notebook:
        found = find_notebook(self._client, uid)
        if found is None:
            raise Unavailable(f"pod {shorten(uid, 40)} has no notebook container on this node any more")
        return found

    def _task(self, runtime_id: str) -> Any:
        """containerd's task, None when there is none: not begun yet, or ended and cleared away by CRI."""
        try:
            answer = self._client.ask(
                f"{_TASKS}/Get", tasks_pb2.TaskRequest(container_id=runtime_id), tasks_pb2.GetResponse
            )
        except NotFound:
            return None
        if answer.process.status == tasks_pb2.UNKNOWN:  # after two seconds without a word from the shim
            raise Unavailable(f"containerd's shim of {runtime_id[:12]} does not answer")
        return answer.process

    def _cri_status(self, runtime_id: str) -> Any:
        """How CRI says the container ended, None when it does not know it."""
        try:
            request = cri_pb2.ContainerStatusRequest(container_id=runtime_id)
            method = "/runtime.v1.RuntimeService/ContainerStatus"
            return self._client.ask(method, request, cri_pb2.ContainerStatusResponse).status
        except (NotFound, Broken):
            return None

    def storage(self, container_id: str, diff_ids: Sequence[str]) -> Storage:
        """The overlay directories of the container's snapshot, whose parent must be exactly these layers.

        Raises:
            Broken: another snapshotter, other layers, a user namespace, or the kernel shows something else.
            Unavailable: the container just ended, or the agent may not see its mounts.
        """
        found = self._find(container_id)
        record = found.record
        if record.snapshotter != "overlayfs":
            raise Broken(
                f"containerd keeps this container with the snapshotter {shorten(record.snapshotter, 40)!r}; only "
                "overlayfs can be saved. Set snapshotter = 'overlayfs' for CRI on this node. The server runs on"
            )
        overlay.refuse_user_namespace(json.loads(record.spec.value or b"{}"))
        request = snapshots_pb2.SnapshotRequest(snapshotter=record.snapshotter, key=record.snapshot_key)
        try:
            parent = self._client.ask(f"{_SNAPSHOTS}/Stat", request, snapshots_pb2.StatResponse).info.parent
            mounts = self._client.ask(f"{_SNAPSHOTS}/Mounts", request, snapshots_pb2.MountsResponse).mounts
        except NotFound as problem:
            raise Broken("the container's changes are gone: its pod was deleted while it was being saved") from problem
        if len(mounts) != 1:
            raise Broken(f"containerd makes this container's root of {len(mounts)} mounts; it cannot be saved so")
        upper, lowers = overlay.directories(mounts[0].type, mounts[0].options)
        if parent != overlay.chain_id(diff_ids) or len(lowers) != len(diff_ids):
            raise Broken("the container runs another image than the platform started it with; it was left as it is")
        task = self._task(found.runtime_id)
        if _runs(task):
            overlay.prove(Path(self.processes), task.pid, upper, Path(self._here(upper)))
        below = tuple(self._here(each) for each in lowers)
        return Storage(self._here(upper), below, below)

    def cpu_seconds(self, container_id: str) -> float | None:
        """CPU time the container used, None when it does not run or its cgroup cannot be seen."""
        found = find_notebook(self._client, container_id)
        group = None if found is None else self._cgroup(found.runtime_id)
        return None if group is None else group.cpu_seconds

    def pids(self, container_id: str) -> list[int]:
        """Process ids, as the node counts them; empty when it does not run."""
        request = tasks_pb2.TaskRequest(container_id=self._find(container_id).runtime_id)
        try:
            processes = self._client.ask(f"{_TASKS}/ListPids", request, tasks_pb2.ListPidsResponse).processes
        except NotFound:
            return []
        return [int(each.pid) for each in processes]

    def pause(self, container_id: str) -> None:
        """Freeze. The caller looks whether it really is."""
        self._must_see(container_id).freeze()

    def unpause(self, container_id: str) -> None:
        """Thaw."""
        self._must_see(container_id).thaw()

    def stop(self, container_id: str, grace_s: int) -> None:
        """SIGTERM, and SIGKILL after `grace_s` seconds. The dead container keeps its changes while its pod exists."""
        runtime_id = self._find(container_id).runtime_id
        group = self._cgroup(runtime_id)
        if group is not None and group.told_to_freeze:
            group.thaw()
        for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _KILL_S)):
            request = tasks_pb2.KillRequest(container_id=runtime_id, signal=number, all=number == signal.SIGKILL)
            try:
                self._client.ask(f"{_TASKS}/Kill", request, Empty)
            except NotFound:
                wait_s = _KILL_S  # it ended by itself, which containerd says a moment later
            if self._ends(runtime_id, wait_s):
                return
        raise Unavailable(f"stop: containerd's task {runtime_id[:12]} does not end, not even by SIGKILL")

    def _ends(self, runtime_id: str, wait_s: float) -> bool:
        deadline = time.monotonic() + wait_s
        while _runs(self._task(runtime_id)):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_S)
        return True

    def start(self, container_id: str) -> None:
        """Never: a container that ended cannot be started again in a pod. Raises Broken."""
        raise Broken(f"the notebook of pod {shorten(container_id, 40)} ended, and a pod cannot start it again")

    def release(self, container_id: str) -> None:
        """Let the pod go, should it be held; the service deletes it."""
        if is_uid(container_id):
            release_hold(self._kubelet, container_id)

    def remove(self, leftover: Leftover) -> None:
        """Never: on a cluster homes go with the tenant's namespace, which is the service's work."""
        raise Broken(f"{leftover.kind} {leftover.name} is the cluster's; it was not touched")


def _runs(task: Any) -> bool:
    return task is not None and task.status in _ALIVE
