"""Taking away parts of a cluster that runs on this machine; pid files of its launcher name its processes."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.cluster import Cluster
from support.cluster_platform import Platform
from support.installation import wait_until


def _pid(cluster: Cluster, name: str) -> int:
    path = cluster.kubeconfig.parent / "run" / f"{name}.pid"
    if not path.exists():
        pytest.skip(f"{name} of this cluster does not run on this machine (no {path}), so it cannot be taken away")
    return int(path.read_text())


def _again(cluster: Cluster, name: str, command: list[bytes], env: dict[bytes, bytes]) -> None:
    with (cluster.kubeconfig.parent / "log" / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    (cluster.kubeconfig.parent / "run" / f"{name}.pid").write_text(f"{process.pid}\n")


def _end(pid: int) -> tuple[list[bytes], dict[bytes, bytes]]:
    """kill -9; its command and environment, to start it again."""
    folder = Path(f"/proc/{pid}")
    command = folder.joinpath("cmdline").read_bytes().split(b"\0")[:-1]
    env = dict(each.split(b"=", 1) for each in folder.joinpath("environ").read_bytes().split(b"\0") if b"=" in each)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while folder.exists() and "\nState:\tZ" not in (folder / "status").read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    return command, env


@contextmanager
def node_lost(cluster: Cluster, node: str, ctr: list[str]) -> Iterator[None]:
    """`node` loses its power for the block: kubelet, containerd and every container. Then it is switched on again.

    Args:
        ctr: command line of `ctr` for that node's containerd.
    """
    number = node.rpartition("-")[2]
    names = [f"kubelet-{number}", f"containerd-{number}"]
    pids = {name: _pid(cluster, name) for name in names}
    kubelet = _end(pids[names[0]])
    listed = subprocess.run([*ctr, "tasks", "ls", "-q"], capture_output=True, text=True, check=True, timeout=60)
    for task in listed.stdout.split():
        subprocess.run([*ctr, "tasks", "kill", "-s", "SIGKILL", task], check=False, capture_output=True, timeout=60)
    containerd = _end(pids[names[1]])
    try:
        yield
    finally:
        _again(cluster, names[1], *containerd)
        look = [*ctr, "version"]  # a kubelet that finds no containerd ends
        wait_until("containerd answers", lambda: subprocess.run(look, check=False, capture_output=True).returncode == 0)
        _again(cluster, names[0], *kubelet)


@contextmanager
def api_server_away(cluster: Cluster) -> Iterator[None]:
    """The API server answers nothing for the block, and goes on after it."""
    pid = _pid(cluster, "apiserver")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def is_ready(cluster: Cluster, node: str) -> bool:
    """Whether the node is there and ready."""
    listed = [each for each in cluster.get("nodes")["items"] if each["metadata"]["name"] == node]
    conditions = listed[0]["status"].get("conditions") or () if listed else ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def offer(cluster: Cluster, node: str, device: str, count: int) -> None:
    """Have a node advertise `count` of an extended resource, as a device plugin would."""
    key = device.replace("/", "~1")
    change = [
        {"op": "add", "path": f"/status/{where}/{key}", "value": str(count)} for where in ("capacity", "allocatable")
    ]
    cluster.kubectl("patch", "node", node, "--subresource=status", "--type=json", f"--patch={json.dumps(change)}")


def move_away(platform: Platform, node: str) -> None:
    """Have hub, proxy and service run on other nodes than `node`."""
    platform.cluster.kubectl("cordon", node)
    try:
        for name in ("hub", "proxy", "service"):
            if platform.component(name)["spec"].get("nodeName") == node:
                platform.kubectl("rollout", "restart", f"deployment/{name}")
                platform.kubectl("rollout", "status", f"deployment/{name}", "--timeout=180s", timeout_s=200)
    finally:
        platform.cluster.kubectl("uncordon", node)
    wait_until("the platform answers", platform.answers, timeout_s=120)
