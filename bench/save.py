"""How long saving takes, how long the notebook stands still, and what the agent needs for it.

    python bench/save.py save-packages | save-one-file | save-incompressible | save-cycles   [--rounds 3]

The real engine, a registry of its own and an agent in a process of its own; the service is one in miniature.
"""

import argparse
import hashlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import httpx

from figures import note, report
from hubernate_core.names import new_id
from hubernate_core.operation import Kind
from hubernate_core.wire import SavedImage
from save_stage import AgentProcess, Stillness, agent, commit_and_push, save, with_packages
from support.agent import Node, node
from support.engine import shell


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
