"""A Docker Engine of a test's own, which may be killed and started again; the machine's engine is never touched.

It has a network namespace of its own. That is not a nicety: a second dockerd beside the first deletes its `docker0`
when told ``--bridge none`` (moby, daemon_unix.go, configureNetworking), and edits its firewall rules otherwise.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import docker

_START_S = 60
_CLONE_NEWNET = 0x40000000


class PrivateEngine:
    """A dockerd with its own storage, socket, containerd and (empty) network."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("dockerd") is None:
            raise RuntimeError("dockerd is not installed")
        self.folder = folder
        self.url = f"unix://{folder}/docker.sock"
        (folder / "daemon.json").write_text("{}")
        held = "ip link set lo up && echo up && exec sleep infinity"
        self._network = subprocess.Popen(["unshare", "--net", "sh", "-c", held], stdout=subprocess.PIPE)
        assert self._network.stdout is not None
        if self._network.stdout.readline() != b"up\n" or self.namespace == os.readlink("/proc/self/ns/net"):
            raise RuntimeError("no network namespace of its own could be made; nothing was started")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def namespace(self) -> str:
        """Its network namespace, as the kernel names it."""
        return os.readlink(f"/proc/{self._network.pid}/ns/net")

    def start(self) -> None:
        """Start it and wait until it answers."""
        space = f"hbn-{self.folder.name}"
        command = ["nsenter", f"--net=/proc/{self._network.pid}/ns/net", "dockerd",
                   "--config-file", str(self.folder / "daemon.json"), "--host", self.url,
                   "--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "run"),
                   "--pidfile", str(self.folder / "docker.pid"), "--bridge", "none", "--iptables=false",
                   "--ip-forward=false", "--ip-masq=false", "--storage-driver", "overlay2",
                   "--containerd-namespace", space, "--containerd-plugins-namespace", f"{space}-plugins"]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the private dockerd ended: {self._last_lines()}")
            try:
                client = self.client()
            except docker.errors.DockerException:
                time.sleep(0.1)
                continue
            client.close()
            return
        raise RuntimeError(f"the private dockerd does not answer: {self._last_lines()}")

    def client(self) -> docker.DockerClient:
        """A client of it, once it answers."""
        return docker.DockerClient(base_url=self.url, version="auto", timeout=120)

    def end(self, number: signal.Signals) -> None:
        """Send it a signal and wait until it is gone; what it kept on disk stays."""
        if self._process is not None:
            os.kill(self._process.pid, number)
            self._process.wait(timeout=60)
            self._process = None

    def reach(self, port: int) -> None:
        """Let it reach `port` of this machine's 127.0.0.1 at the same address in its own network."""
        made: list[socket.socket] = []

        def listen() -> None:
            """On a thread of its own: the kernel moves the calling thread only, and it ends with this."""
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/proc/{self._network.pid}/ns/net", "rb") as namespace:
                if libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.create_server(("127.0.0.1", port), backlog=64))

        thread = Thread(target=listen)
        thread.start()
        thread.join()
        Thread(target=_relay, args=(made[0], port), daemon=True).start()

    def close(self) -> None:
        """Remove its containers, then itself."""
        if self._process is None:
            self.start()
        client = self.client()
        for container in client.containers.list(all=True, ignore_removed=True):
            container.remove(force=True)
        client.close()
        self.end(signal.SIGTERM)
        self._network.kill()
        self._network.wait()
        subprocess.run(["umount", "--recursive", str(self.folder / "data")], check=False, stderr=subprocess.DEVNULL)

    def _last_lines(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-1500:]


def _relay(listener: socket.socket, port: int) -> None:
    while True:
        near, _ = listener.accept()
        far = socket.create_connection(("127.0.0.1", port))
        for source, target in ((near, far), (far, near)):
            Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return  # either side went away


@contextmanager
def private_engine() -> Iterator[PrivateEngine]:
    """A private engine for the block."""
    folder = Path(tempfile.mkdtemp(prefix="hbn-engine-"))
    engine = PrivateEngine(folder)
    try:
        yield engine
    finally:
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)
