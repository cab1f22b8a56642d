"""How long saving takes, how long the notebook stands still, and what the agent needs for it.

    python bench/save.py save-packages | save-one-file | save-incompressible | save-cycles   [--rounds 3]

The real engine, a registry of its own and an agent in a process of its own; the service is one in miniature.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import httpx
from docker.models.containers import Container

from figures import note, report
from hubernate_core.names import new_id
from hubernate_core.operation import Kind
from hubernate_core.wire import SavedImage
from support.agent import Node, node, succeeded
from support.engine import BaseImage, pull, shell

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


def packages(rounds: int) -> None:
    """Payload 1: the usual packages, against ``docker commit`` and ``docker push``."""
    ours, theirs, still, commit_still, memory = [], [], [], [], []
    with node() as made:
        container = with_packages(made)
        stillness = Stillness(made, container)
        for number in range(rounds):
            # Something new each time: Docker would otherwise find its layer in the registry already.
            container.exec_run(
                [
                    "/bin/sh",
                    "-c",
                    f"head -c 1000 /dev/urandom > /opt/env/round{number} || head -c 9 /dev/urandom > /opt/round",
                ],
                user="root",
            )
            with agent(made) as process:
                seconds, _, image = save(made, container)
                memory.append(process.peak_mb())
            ours.append(seconds)
            still.append(stillness.take())
            theirs.append(commit_and_push(made, container))
            commit_still.append(stillness.take())
            note(
                f"round {number}: ours {ours[-1]:.2f} s (still {still[-1]:.2f} s, {image.changed_files} files, "
                f"{image.changed_bytes / 1e6:.0f} MB → {image.size / 1e6:.0f} MB), docker "
                f"{theirs[-1]:.2f} s (still {commit_still[-1]:.2f} s)"
            )
            made.tenant = type(made.tenant)(new_id())  # a new repository: nothing of the last round to build on
    times = [b / a for a, b in zip(ours, theirs, strict=True)]
    share = [a / b for a, b in zip(still, commit_still, strict=True)]
    report("save-packages.times_faster", statistics.median(times), "x", "docker commit + push")
    report("save-packages.freeze_share", statistics.median(share), "share", "pause of docker commit")
    report("save-packages.peak_rss_mb", max(memory), "MB", "")


def _many_paths(made: Node, factor: int) -> SavedImage:
    """A saved image of 60,000 times `factor` paths."""
    container = made.notebook()
    shell(
        container,
        f"mkdir /opt/many; cd /opt/many; for d in $(seq {600 * factor}); do mkdir $d; "
        "for n in 0 1 2 3 4 5 6 7 8 9; do for m in 0 1 2 3 4 5 6 7 8 9; do : > $d/$n$m; done; done; done",
    )
    _, _, image = save(made, container, Kind.STOP)
    return image


def one_file(rounds: int) -> None:
    """Payload 2: one small file changed above many paths, and above four times as many."""
    total: dict[int, list[float]] = {1: [], 4: []}
    captured: dict[int, list[float]] = {1: [], 4: []}
    memory = []
    with node() as made:
        with agent(made):
            images = {factor: _many_paths(made, factor) for factor in total}
        note("images are ready")
        process = AgentProcess(made)
        containers = {factor: made.resume(image) for factor, image in images.items()}
        for number in range(rounds):
            for factor, container in containers.items():
                made.generation = int(container.labels["io.hubernate.generation"])
                shell(container, f"echo {number} > /opt/many/1/00")
                seconds, until, _ = save(made, container, parent=images[factor])
                total[factor].append(seconds)
                captured[factor].append(until)
                note(f"round {number}, base ×{factor}: captured {until:.2f} s, whole {seconds:.2f} s")
        memory.append(process.peak_mb())
        process.stop()
    report("save-one-file.capture_s", statistics.median(captured[1]), "s", "")
    report("save-one-file.total_s", statistics.median(total[1]), "s", "")
    ratio = statistics.median(total[4]) / statistics.median(total[1])
    report("save-one-file.base_growth_ratio", ratio, "x", "the same above a base with a quarter of the paths")
    report("save-one-file.peak_rss_mb", max(memory), "MB", "")


def _read_hash_upload(made: Node, path: Path) -> float:
    """Seconds to read a file, hash it and upload it in one stream: what no save can beat."""
    hashed = hashlib.sha256()

    def chunks() -> Iterator[bytes]:
        with path.open("rb", buffering=0) as file:
            while data := file.read(1 << 20):
                hashed.update(data)
                yield data

    begun = time.monotonic()
    with httpx.Client(timeout=120) as client:
        location = client.post(f"{made.registry.url}/v2/limit/{new_id()}/blobs/uploads/").headers["Location"]
        answer = client.patch(location, content=chunks(), headers={"Content-Type": "application/octet-stream"})
        client.put(answer.headers["Location"] + f"&digest=sha256:{hashed.hexdigest()}").raise_for_status()
    return time.monotonic() - begun


def incompressible(rounds: int) -> None:
    """Payload 3: 1 GiB of noise, against reading, hashing and uploading it."""
    shares, memory = [], []
    with node() as made:
        container = made.notebook()
        for number in range(rounds):
            shell(container, "dd if=/dev/urandom of=/opt/noise bs=1048576 count=1024 2>/dev/null; sync")
            noise = Path(container.attrs["GraphDriver"]["Data"]["UpperDir"]) / "opt/noise"
            limit = _read_hash_upload(made, noise)
            shell(container, "head -c 1 /dev/urandom >> /opt/noise 2>/dev/null || echo x >> /opt/noise; sync")
            with agent(made) as process:
                seconds, _, _ = save(made, container)
                memory.append(process.peak_mb())
            shares.append(limit / seconds)
            note(f"round {number}: limit {limit:.2f} s, save {seconds:.2f} s")
            made.tenant = type(made.tenant)(new_id())
    report("save-incompressible.share_of_limit", statistics.median(shares), "share", "read + SHA-256 + upload")
    report("save-incompressible.peak_rss_mb", max(memory), "MB", "")


def cycles(rounds: int) -> None:
    """Thirty times resume, work, stop: how many layers, and how much more than one full save of the end."""
    with node() as made, agent(made):
        container, parent = made.notebook(), None
        shell(container, "dd if=/dev/urandom of=/opt/packages bs=1048576 count=100 2>/dev/null")
        most = 0
        for number in range(30):
            size = 1 + number * 7 % 5
            shell(
                container,
                f"dd if=/dev/urandom of=/opt/work{number % 6} bs=1048576 count={size} "
                f"2>/dev/null; echo {number} > /opt/n",
            )
            _, _, parent = save(made, container, Kind.STOP, parent)
            most = max(most, len(parent.layers))
            container = made.resume(parent)
        fresh = made.notebook()
        packed, _ = container.get_archive("/opt")
        shell(fresh, "rm -rf /opt/app /opt/other")
        fresh.put_archive("/", b"".join(packed))
        _, _, whole = save(made, fresh)
        report("save-cycles.layers", most, "layers", "")
        report("save-cycles.bytes_ratio", parent.size / whole.size, "x", "one full save of the same content")


BENCHMARKS: dict[str, Callable[[int], None]] = {
    "save-packages": packages,
    "save-one-file": one_file,
    "save-incompressible": incompressible,
    "save-cycles": cycles,
}


def main() -> None:
    """Run the named benchmarks, or all."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which; default: all")
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    for name in chosen.names or BENCHMARKS:
        BENCHMARKS[name](chosen.rounds)


if __name__ == "__main__":
    main()
