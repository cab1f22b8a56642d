"""A containerd of a test's own with its CRI plugin, so that pods are made by the code that makes them on a node.

Its pods use the machine's network: no CNI plugin, no bridge and no firewall rule is involved.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hubernate_checkpointer.capture.grpc_client import GrpcClient
from hubernate_core.errors import HubernateError

from .engine import BUSYBOX

_START_S = 30
_PAUSE = "hubernate.test/pause:1"
_CONFIG = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "{snapshotter}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
"""


class PrivateContainerd:
    """A containerd with its own storage and socket."""

    def __init__(self, folder: Path, snapshotter: str = "overlayfs") -> None:
        if shutil.which("containerd") is None:
            raise RuntimeError("containerd is not installed: apt-get install containerd (docker.io brings it)")
        self.folder = folder
        self.socket = folder / "containerd.sock"
        (folder / "config.toml").write_text(_CONFIG.format(folder=folder, pause=_PAUSE, snapshotter=snapshotter))
        self.messages = _compile(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        self.client = GrpcClient(str(self.socket))
        self._import_pause()

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            command = ["containerd", "--config", str(self.folder / "config.toml")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if self.ctr("plugins", "ls", check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError(f"containerd does not answer: {(self.folder / 'log').read_text(errors='replace')[-1500:]}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal and wait until it is gone; containers run on under their shims."""
        if self._process is not None:
            os.kill(self._process.pid, number)
            self._process.wait(timeout=60)
            self._process = None

    def ctr(
        self, *arguments: str, check: bool = True, stdin: bytes | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run ``ctr`` in the namespace of pods."""
        command = ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *arguments]
        done = subprocess.run(command, capture_output=True, input=stdin, check=False)
        if check and done.returncode:
            raise RuntimeError(f"ctr {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    def runtime(self, method: str, request: Any, answer: str = "PodSandboxRequest", timeout_s: float = 60) -> Any:
        """Ask CRI's RuntimeService."""
        return self.client.ask(
            f"/runtime.v1.RuntimeService/{method}", request, getattr(self.messages, answer), timeout_s
        )

    def _import_pause(self) -> None:
        # The archive names it. A name for the index too would name both: the second takes it from the first, which is
        # then collected while `ctr` still reads it.
        self.ctr("images", "import", "-", stdin=_pause_archive())

    def close(self) -> None:
        """End every process in it, then itself."""
        for name in self.ctr("containers", "ls", "-q", check=False).stdout.split():
            self.ctr("tasks", "kill", "--signal", "SIGKILL", name, check=False)
        self.client.close()
        self.end()
        for pid in _shims(self.socket):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if (at := line.split(" ")[1]).startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", at], check=False, stderr=subprocess.DEVNULL)


def _compile(folder: Path) -> Any:
    """The messages of cri_pods.proto."""
    from grpc_tools import protoc

    here = Path(__file__).parent
    if protoc.main(["protoc", f"-I{here}", f"--python_out={folder}", "cri_pods.proto"]) != 0:
        raise RuntimeError("cri_pods.proto cannot be compiled")
    sys.path.insert(0, str(folder))
    try:
        import cri_pods_pb2  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(folder))
    return cri_pods_pb2


def _pause_archive() -> bytes:
    """An image of one program that waits, as ``docker save`` writes it."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        info = tarfile.TarInfo("busybox")
        info.size, info.mode = BUSYBOX.stat().st_size, 0o755
        tar.addfile(info, io.BytesIO(BUSYBOX.read_bytes()))
    config = {"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/busybox", "sleep", "1000000"]},
              "rootfs": {"type": "layers", "diff_ids": []}}  # fmt: skip
    import hashlib

    config["rootfs"] = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]}
    manifest = [{"Config": "config.json", "RepoTags": [_PAUSE], "Layers": ["layer.tar"]}]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (
            ("layer.tar", layer.getvalue()),
            ("config.json", json.dumps(config).encode()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _shims(socket: Path) -> list[int]:
    """Processes that were started for this containerd and outlived it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"shim" in words[0] and os.fsencode(socket) in words:
            found.append(int(folder.name))
    return found


@contextmanager
def private_containerd(snapshotter: str = "overlayfs") -> Iterator[PrivateContainerd]:
    """A containerd for the block."""
    folder = Path(tempfile.mkdtemp(prefix="hbn-containerd-"))
    made = PrivateContainerd(folder, snapshotter)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def quietly(action: Any) -> None:
    """Do what may have been done already."""
    try:
        action()
    except HubernateError as problem:
        print(f"left: {problem.message}")
