"""Pods on a private containerd, made and removed through CRI as the kubelet does it: one Kubernetes node in a test.

`Pod` answers to what the tests ask of a Docker container, so that the same tests run on both engines.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from hubernate_checkpointer.capture.cgroup import Cgroup, find_cgroup
from hubernate_checkpointer.capture.containerd_api import cri_pb2, tasks_pb2
from hubernate_core.errors import NotFound
from hubernate_core.names import KUBE_PREFIX
from hubernate_core.wire import SavedImage

from .agent import Node, node_folder
from .containerd import PrivateContainerd, quietly
from .engine import RegistryProcess, registry

_STATES = {tasks_pb2.RUNNING: "running", tasks_pb2.PAUSED: "paused", tasks_pb2.PAUSING: "running"}


class Pod:
    """A sandbox and the notebook container in it; `id` is the pod's UID."""

    def __init__(self, containerd: PrivateContainerd, uid: str, sandbox: str, runtime_id: str, hold: Path) -> None:
        self._containerd = containerd
        self.id = uid
        self.sandbox = sandbox
        self.runtime_id = runtime_id
        self.hold = hold
        self.status = ""
        self.reload()

    def reload(self) -> None:
        """Look at its state: running, paused, exited, or removed. The agent freezes without containerd's knowledge."""
        group = self._group()
        if group is not None and group.told_to_freeze:
            self.status = "paused"
            return
        task = self._task()
        if task is not None and task.status in _STATES:
            self.status = _STATES[task.status]
            return
        listed = self._containerd.ctr("containers", "ls", "-q").stdout.split()
        self.status = "exited" if self.runtime_id in listed else "removed"

    def _group(self) -> Cgroup | None:
        return find_cgroup(Path("/proc"), Path("/sys/fs/cgroup"), self.runtime_id)

    def _task(self) -> Any:
        request = tasks_pb2.TaskRequest(container_id=self.runtime_id)
        try:
            return self._containerd.client.ask(
                "/containerd.services.tasks.v1.Tasks/Get", request, tasks_pb2.GetResponse
            ).process
        except NotFound:
            return None

    @property
    def pid(self) -> int:
        """Its first process."""
        return int(self._task().pid)

    def kill(self, signal: str = "SIGKILL") -> None:
        """End its first process."""
        self._containerd.ctr("tasks", "kill", "--signal", signal, self.runtime_id)

    def pause(self) -> None:
        """Freeze it."""
        self._containerd.ctr("tasks", "pause", self.runtime_id)

    def unpause(self) -> None:
        """Thaw it, whoever froze it."""
        if self._task().status == tasks_pb2.PAUSED:
            self._containerd.ctr("tasks", "resume", self.runtime_id)
        elif (group := self._group()) is not None:
            group.thaw()

    def wait(self, timeout: float = 60) -> None:
        """Until it has ended and CRI has cleared its task away."""
        deadline = time.monotonic() + timeout
        while self._task() is not None:
            if time.monotonic() > deadline:
                raise AssertionError("the notebook did not end")
            time.sleep(0.1)

    def run(self, script: str) -> tuple[int, str]:
        """Exit code and output of a shell script inside."""
        messages = self._containerd.messages
        request = messages.ExecSyncRequest(container_id=self.runtime_id, cmd=["/bin/sh", "-ec", script], timeout=120)
        answer = self._containerd.runtime("ExecSync", request, "ExecSyncResponse", 130)
        return answer.exit_code, (answer.stdout + answer.stderr).decode(errors="replace")

    def remove(self, force: bool = True) -> None:
        """Delete the pod as the kubelet does once its grace period is over: everything goes."""
        del force
        messages, runtime = self._containerd.messages, self._containerd.runtime
        quietly(lambda: runtime("StopContainer", messages.StopContainerRequest(container_id=self.runtime_id)))
        quietly(lambda: runtime("RemoveContainer", messages.ContainerRequest(container_id=self.runtime_id)))
        quietly(lambda: runtime("StopPodSandbox", messages.PodSandboxRequest(pod_sandbox_id=self.sandbox)))
        quietly(lambda: runtime("RemovePodSandbox", messages.PodSandboxRequest(pod_sandbox_id=self.sandbox)))

    def delete(self, grace_s: float = 60) -> Thread:
        """``kubectl delete pod``: the preStop hook waits for the hold's file, then the container is killed."""

        def hold_then_kill() -> None:
            wait = f"for n in $(seq {int(grace_s * 5)}); do [ -e /run/hubernate/released ] && exit; sleep 0.2; done"
            quietly(lambda: self.run(wait))
            self.remove()

        thread = Thread(target=hold_then_kill)
        thread.start()
        return thread

    @property
    def merged(self) -> Path:
        """Its root on this machine, without what is mounted into it."""
        return self._containerd.folder / f"state/io.containerd.runtime.v2.task/k8s.io/{self.runtime_id}/rootfs"

    @property
    def upper(self) -> Path:
        """Its overlay's upper directory."""
        words = self._containerd.ctr("snapshots", "mounts", "/x", self.runtime_id).stdout
        return Path(words.partition("upperdir=")[2].partition(",")[0])


@dataclass(frozen=True)
class _Made:
    """What the kubelet keeps of a pod, to run containers in it."""

    uid: str
    sandbox: Any
    sandbox_id: str
    names: dict[str, str]
    hold: Path


class PodNode(Node):
    """A Kubernetes node in miniature. The pods that `notebook` makes are removed at the end, not before."""

    def __init__(self, process: RegistryProcess, folder: Path, containerd: PrivateContainerd) -> None:
        super().__init__(process, folder)
        self.containerd = containerd
        self.pods: list[Pod] = []
        self._made: dict[str, tuple[_Made, str]] = {}

    def values(self, **changes: object) -> dict[str, object]:
        """Settings of an agent of this node, by name."""
        settings: dict[str, object] = {
            "engine": "containerd",
            "containerd_socket": str(self.containerd.socket),
            "kubelet_dir": str(self.folder / "kubelet"),
        }
        return super().values(**(settings | changes))

    def notebook(self, image: str = "", **options: Any) -> Any:
        """Start the next generation of the server's pod."""
        self.generation += 1
        return self.start_pod(image or self.base.reference, self.labels, **options)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the present generation's pod."""
        values = {
            "instance": self.instance, "tenant": self.tenant, "owner": self.owner, "server": self.server,
            "generation": str(self.generation), "role": "notebook",
        }  # fmt: skip
        return {f"{KUBE_PREFIX}/{name}": value for name, value in values.items()}

    def start_pod(self, image: str, labels: dict[str, str], **options: Any) -> Pod:
        """A pod with `labels` and one container, with a hold, as the kubelet would make it; see `_run` for options."""
        messages, uid = self.containerd.messages, str(uuid.uuid4())
        hold = self.folder / f"kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/hold"
        hold.mkdir(parents=True)
        names = {
            "io.kubernetes.pod.name": f"pod-{uid[:8]}",
            "io.kubernetes.pod.namespace": "test",
            "io.kubernetes.pod.uid": uid,
        }
        sandbox = messages.PodSandboxConfig(
            metadata=messages.PodSandboxMetadata(name=f"pod-{uid[:8]}", uid=uid, namespace="test"),
            labels=labels | names,
            linux=messages.LinuxPodSandboxConfig(
                cgroup_parent=f"/hbn-test/{uid}",
                security_context=messages.SandboxSecurityContext(namespace_options=self._network),
            ),
        )
        request = messages.RunPodSandboxRequest(config=sandbox)
        sandbox_id = self.containerd.runtime("RunPodSandbox", request, "RunPodSandboxResponse").pod_sandbox_id
        made = _Made(uid, sandbox, sandbox_id, names, hold)
        pod = Pod(self.containerd, uid, sandbox_id, self._run(made, image, **options), hold)
        self._made[uid] = made, image
        self.pods.append(pod)
        return pod

    def again(self, pod: Pod) -> None:
        """Run the notebook a second time in the same pod, as no restartPolicy of ours allows."""
        made, image = self._made[pod.id]
        self._run(made, image, attempt=1)

    @property
    def _network(self) -> Any:
        return self.containerd.messages.NamespaceOption(network=self.containerd.messages.NODE)

    def _run(
        self,
        pod: "_Made",
        image: str,
        *,
        attempt: int = 0,
        command: list[str] | None = None,
        environment: dict[str, str] | None = None,
        labels_of_container: dict[str, str] | None = None,
        mem_limit: str = "",
        memswap_limit: str = "",
    ) -> str:
        """Start a notebook container in the sandbox; containerd's id of it."""
        self._pull(image)
        messages, runtime = self.containerd.messages, self.containerd.runtime
        limits = messages.Resources(
            memory_limit_in_bytes=_bytes(mem_limit), memory_swap_limit_in_bytes=_bytes(memswap_limit)
        )
        security = messages.ContainerSecurityContext(
            namespace_options=self._network, capabilities=messages.Capability(add_capabilities=["MKNOD"])
        )
        config = messages.ContainerConfig(
            metadata=messages.ContainerMetadata(name="notebook", attempt=attempt),
            image=messages.ImageSpec(image=image),
            command=command or [],
            envs=[messages.KeyValue(key=key, value=value) for key, value in (environment or {}).items()],
            mounts=[messages.Mount(container_path="/run/hubernate", host_path=str(pod.hold))],
            labels=(labels_of_container or {}) | pod.names | {"io.kubernetes.container.name": "notebook"},
            linux=messages.LinuxContainerConfig(resources=limits, security_context=security),
        )
        request = messages.CreateContainerRequest(
            pod_sandbox_id=pod.sandbox_id, config=config, sandbox_config=pod.sandbox
        )
        runtime_id = str(runtime("CreateContainer", request, "CreateContainerResponse").container_id)
        runtime("StartContainer", messages.ContainerRequest(container_id=runtime_id))
        return runtime_id

    def _pull(self, image: str) -> None:
        request = cri_pb2.PullImageRequest(image=cri_pb2.ImageSpec(image=image))
        self.containerd.client.ask("/runtime.v1.ImageService/PullImage", request, cri_pb2.PullImageResponse)

    def resume(self, image: SavedImage, **options: Any) -> Any:
        """Start the next generation from a saved image, pulled from the registry."""
        return self.notebook(self.reference(image), **options)

    def gate(self) -> Any:
        """None: on Kubernetes it is in the same pod, and no order names it."""

    def pull(self, image: SavedImage) -> None:
        """Fetch a recorded image, which proves that it can be used."""
        self._pull(self.reference(image))

    def statuses(self) -> dict[str, str]:
        """The state of every pod, by UID."""
        for pod in self.pods:
            pod.reload()
        return {pod.id: pod.status for pod in self.pods if pod.status != "removed"}

    def let_go(self, container: Any) -> bool:
        """Whether the agent is done with it: it does not run, or runs held and is released. The service deletes it."""
        container.reload()
        return container.status in ("exited", "removed") or (container.hold / "released").exists()

    def removed_at(self, container_id: str, since: float) -> float | None:
        """Never: the agent removes no pod."""
        return None

    def close(self) -> None:
        """Remove everything."""
        self.stop_agents()
        for pod in self.pods:
            pod.reload()
            if pod.status == "paused":
                pod.unpause()
            pod.remove()
        for name in self.containerd.ctr("images", "ls", "-q").stdout.split():
            if name.startswith(self.registry.name):
                self.containerd.ctr("images", "rm", name, check=False)
        super().close()


def _bytes(text: str) -> int:
    """Megabytes as Docker's options have them (``64m``); 0 for none."""
    return int(text.removesuffix("m") or 0) * 1024 * 1024


@contextmanager
def pod_node(containerd: PrivateContainerd) -> Iterator[PodNode]:
    """A node with its own registry, state folder and service, on a containerd shared with other tests."""
    with registry() as process, node_folder() as folder:
        made = PodNode(process, folder, containerd)
        try:
            yield made
        finally:
            made.close()
