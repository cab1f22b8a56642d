"""What the benchmarks of saving share: an agent in a process of its own, a save, its peer, and the first payload."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
from docker.models.containers import Container

from figures import note
from hubernate_core.names import new_id
from hubernate_core.operation import Kind
from hubernate_core.wire import SavedImage
from support.agent import Node, succeeded
from support.engine import BaseImage, pull

PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "matplotlib", "pyarrow")
PROFILE = "hubernate/base"
_CA = "/etc/ssl/certs/ca-certificates.crt"


class AgentProcess:
    """An agent with an empty state folder, in a process of its own."""

    def __init__(self, made: Node) -> None:
        shutil.rmtree(made.folder / "state", ignore_errors=True)
        flags = [f"--CheckpointAgent.{name}={value}" for name, value in made.values().items()]
        code = "from hubernate_checkpointer.agent import main; main()"
        self._log = (made.folder / "agent.log").open("wb")
        self._process = subprocess.Popen([sys.executable, "-c", code, *flags], stderr=self._log)
        self._polls = len(made.service.polls)
        with made.service.changed:
            made.service.changed.wait_for(lambda: len(made.service.polls) > self._polls, timeout=30)

    def peak_mb(self) -> float:
        """Largest resident memory so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1000

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(timeout=60)
        self._log.close()


@contextmanager
def agent(made: Node) -> Iterator[AgentProcess]:
    """An agent for the block."""
    process = AgentProcess(made)
    try:
        yield process
    finally:
        process.stop()


class Stillness:
    """Listens to the engine: how long a container stood still. (The engine remembers only its last 256 events.)"""

    def __init__(self, made: Node, container: Container) -> None:
        self.seconds = 0.0
        self._paused_at: float | None = None
        self._events = made.client.api.events(filters={"container": container.id}, decode=True)
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for event in self._events:
            moment = event["timeNano"] / 1e9
            if event["Action"] == "pause":
                self._paused_at = moment
            elif event["Action"] == "unpause" and self._paused_at is not None:
                self.seconds += moment - self._paused_at
                self._paused_at = None

    def take(self) -> float:
        """Seconds since the last time this was asked."""
        time.sleep(0.5)  # the last event may still be on its way
        seconds, self.seconds = self.seconds, 0.0
        return seconds


def save(
    made: Node, container: Container, kind: Kind = Kind.SAVE, parent: SavedImage | None = None
) -> tuple[float, float, SavedImage]:
    """Seconds from the request to verified, seconds from the request to captured, and the image."""
    begun = time.time()
    row = made.save(container, kind, parent)
    succeeded(row.operation)
    captured = next((at for at, each in row.reports if each.step in ("captured", "thawed")), begun)
    return row.recorded[0][0] - begun, captured - begun, row.recorded[-1][1]


def commit_and_push(made: Node, container: Container) -> float:
    """Seconds of ``docker commit`` and ``docker push`` to the same registry."""
    name = f"{made.registry.name}/commits"
    tag = new_id()
    begun = time.monotonic()
    container.commit(repository=name, tag=tag)
    for line in made.client.api.push(name, tag=tag, stream=True, decode=True):
        if "error" in line:
            raise RuntimeError(line["error"])
    seconds = time.monotonic() - begun
    made.client.api.remove_image(f"{name}:{tag}", force=True)
    return seconds


def use_profile(made: Node) -> bool:
    """Make the base profile's image the node's base, if it was built on this machine."""
    images = made.client.images.list(name=PROFILE)
    if not images:
        return False
    repository = f"profiles/base-{new_id()}"
    name = f"{made.registry.name}/{repository}"
    images[0].tag(name, "1")
    note("pushing the base profile")
    for line in made.client.api.push(name, tag="1", stream=True, decode=True):
        if "error" in line:
            raise RuntimeError(line["error"])
    headers = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    answer = httpx.head(f"{made.registry.url}/v2/{repository}/manifests/1", headers=headers)
    made.base = BaseImage(made.registry.name, repository, answer.headers["Docker-Content-Digest"])
    pull(made.client, name, made.base.digest)
    return True


def with_packages(made: Node) -> Container:
    """A running container into which the packages were installed."""
    profile = use_profile(made)
    note(f"installing {' '.join(PACKAGES)}")
    if not profile:
        container = made.notebook()
        _copy_packages(container)
        return container
    environment = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    environment |= {"PIP_CERT": _CA, "SSL_CERT_FILE": _CA}
    index = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    if index.returncode == 0:
        environment["PIP_INDEX_URL"] = index.stdout.strip()
    container = made.notebook(
        command=["/bin/sh", "-c", "sleep 1000000"],
        environment=environment,
        volumes={_CA: {"bind": _CA, "mode": "ro"}},
        network_mode="bridge",
    )
    code, output = container.exec_run(["pip", "install", "-q", "--ignore-installed", "--no-cache-dir", *PACKAGES])
    if code != 0:
        raise RuntimeError(f"pip install failed: {output.decode()[-500:]}")
    return container


def _copy_packages(container: Container) -> None:
    """No profile image on this machine: the same files, installed outside and copied in."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "site-packages"
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", str(target), *PACKAGES], check=True)
        packed = Path(folder) / "packed.tar"
        with tarfile.open(packed, "w") as tar:
            tar.add(target, "site-packages")
        with packed.open("rb") as file:
            container.put_archive("/opt", file)
