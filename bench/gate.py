"""What the gate costs: the same Jupyter Server with and without it, in turns, in one run.

    python bench/gate.py [--rounds 3] [--seconds 4]

`gate.throughput_ratio`: requests a second at 32 connections through the gate, over those without it.
`gate.added_p50_ms`: what the gate adds to the median of requests sent one after the other. `gate.rss_mb`: its memory.
The endpoint is the notebook's cheapest of those that JupyterLab polls, so that the gate's share is at its largest.
The gate is that of the built image, where there is one: what runs beside notebooks, with the distribution's Python.
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import docker
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]

from figures import note, report  # noqa: E402
from hubernate_core.gate_file import GATE_FILE  # noqa: E402
from support.gate_process import GateProcess, running_gate, serving  # noqa: E402
from support.gate_spawner import notebook_command  # noqa: E402
from support.hub_double import ACCESS, CLIENT_ID, RELAY_TOKEN, HubDouble  # noqa: E402
from support.notebook_double import PREFIX  # noqa: E402
from support.proxy import free_port, wait_for_port  # noqa: E402

GATE_IMAGE = "hubernate/gate"
CONNECTIONS = 32
WARM_UP_S = 1.0
AGAINST = "the notebook without the gate"


class Load:
    """Sends one request again and again, with as little work of its own as can be: the machine has few cores."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.request = (
            f"GET {PREFIX}api/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: token {token}\r\n"
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
            "Accept-Language: en\r\nCache-Control: no-cache\r\nSec-Fetch-Mode: cors\r\n"
            "Sec-Fetch-Site: same-origin\r\n\r\n"
        ).encode()

    async def run(self, connections: int, seconds: float) -> list[float]:
        """The seconds each answer took, all connections together."""
        until = time.perf_counter() + seconds
        return [took for each in await asyncio.gather(*(self._one(until) for _ in range(connections))) for took in each]

    async def _one(self, until: float) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        took = []
        while (began := time.perf_counter()) < until:
            writer.write(self.request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode(errors="replace"))
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            took.append(time.perf_counter() - began)
        writer.close()
        return took


@contextlib.asynccontextmanager
async def notebook(folder: Path) -> AsyncIterator[int]:
    """A Jupyter Server, as it stands behind a gate."""
    port, log = free_port(), folder / "notebook.log"
    env = os.environ | {"HOME": str(folder)}
    with log.open("wb") as output:
        command = [*notebook_command(port, PREFIX), "--log-level=WARN"]
        server = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=output)  # noqa: ASYNC220
    try:
        await asyncio.to_thread(wait_for_port, port, log)
        yield port
    finally:
        server.terminate()
        await asyncio.to_thread(server.wait, 10)


@contextlib.asynccontextmanager
async def gated(folder: Path, upstream: int) -> AsyncIterator[tuple[GateProcess, str, int]]:
    """A gate before it, a token that opens it, and its process id."""
    hub = HubDouble()
    async with serving(hub.app()) as hub_port:
        config = {
            "server_id": "sabcdefghi",
            "generation": 1,
            "user": "ada",
            "prefix": PREFIX,
            "hub_api_url": f"http://127.0.0.1:{hub_port}/hub/api",
            "client_id": CLIENT_ID,
            "hub_token": secrets.token_hex(16),
            "callback_path": hub.callback_path,
            "access_scopes": [ACCESS],
            "service_url": f"http://127.0.0.1:{hub_port}/services/hubernate",
            "relay_token": RELAY_TOKEN,
            "upstream": f"http://127.0.0.1:{upstream}",
            "settings": {"activity_interval_s": 3600},
        }
        with as_deployed(folder) as (command, process_id):
            async with running_gate(folder, config, command) as gate:
                yield gate, hub.make_token("ada"), process_id(gate)


@contextlib.contextmanager
def as_deployed(folder: Path) -> Iterator[tuple[Sequence[str], Callable[[GateProcess], int]]]:
    """The command that runs the gate's image on this host's network, and how to find its process."""
    images = docker.from_env().images.list(name=GATE_IMAGE)
    if not images:
        note(f"no image {GATE_IMAGE} on this engine: measuring the gate of the development environment")
        yield (sys.executable, "-m", "hubernate_gate.app"), lambda gate: gate.process.pid
        return
    name = f"bench-gate-{secrets.token_hex(4)}"
    file = folder / "gate.json"
    where = ["--name", name, "--network", "host", "--user", str(os.geteuid()), "--volume", f"{file}:{GATE_FILE}:ro"]
    try:
        yield (
            ("docker", "run", "--rm", *where, str(images[0].id)),
            lambda gate: int(docker.from_env().containers.get(name).attrs["State"]["Pid"]),
        )
    finally:
        with contextlib.suppress(docker.errors.NotFound):
            docker.from_env().containers.get(name).remove(force=True)


async def measure(rounds: int, seconds: float) -> None:
    """All rounds, then the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with notebook(folder) as port, gated(folder, port) as (gate, token, process_id):
            loads = {"without": Load(port, token), "with": Load(gate.port, token)}
            for load in loads.values():
                await load.run(CONNECTIONS, WARM_UP_S)
            ratios, added = [], []
            for number in range(rounds):
                rates, medians = {}, {}
                for which, load in loads.items():
                    rates[which] = len(await load.run(CONNECTIONS, seconds)) / seconds
                    medians[which] = statistics.median(await load.run(1, seconds / 2)) * 1000
                ratios.append(rates["with"] / rates["without"])
                added.append(medians["with"] - medians["without"])
                note(
                    f"round {number + 1}: {rates['without']:.0f} → {rates['with']:.0f} requests/s,"
                    f" p50 {medians['without']:.2f} → {medians['with']:.2f} ms"
                )
            report("gate.throughput_ratio", statistics.median(ratios), "x", AGAINST)
            report("gate.added_p50_ms", statistics.median(added), "ms", AGAINST)
            report("gate.rss_mb", psutil.Process(process_id).memory_info().rss / 1e6, "MB", "")


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description="What the gate costs.")
    options.add_argument("--rounds", type=int, default=3, help="at least 3 (default)")
    options.add_argument("--seconds", type=float, default=4, help="seconds a measurement (default 4)")
    given = options.parse_args()
    asyncio.run(measure(given.rounds, given.seconds))


if __name__ == "__main__":
    main()
