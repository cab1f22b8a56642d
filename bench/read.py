"""What reading through the platform costs, against reading the same store directly with a key in hand.

    python bench/read.py [--rounds 3] [--mb 442]

`read.vs_pyarrow`, `read.vs_s3fs`: seconds that pyarrow's S3 client and s3fs take for one large object, read from its
beginning to its end by 4 MiB, over ours. `read.small_vs_s3fs`: the same for 400 objects of 16 KB at once.
`read.gateway_loss`: the part of an HTTP client's rate that is lost when it reads by relay and service instead of by a
signed URL of the store. `read.added_p50_ms`: what they add to the median of 16 KB reads, 50 clients at it, one read a
second each. `read.memory_growth_mb`: how much the service's memory grew with all of that. The store, s3rver, has cores
in common with everything measured.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent))

import psutil
import urllib3

from data_stage import BUCKET, KEY, SECRET, Stage, peer_python, stage
from figures import note, report

STEP = 4 * 1024**2
SMALL, SMALL_BYTES = 400, 16_000
CLIENTS, EACH = 50, 4

S3FS = f"""
import json, sys, time
import s3fs
endpoint, mode = sys.argv[1:]
fs = s3fs.S3FileSystem(key={KEY!r}, secret={SECRET!r}, client_kwargs={{"endpoint_url": endpoint}},
                       config_kwargs={{"s3": {{"addressing_style": "path"}}}})
fs.ls("{BUCKET}/team")
began, count = time.perf_counter(), 0
if mode == "large":
    with fs.open("{BUCKET}/team/large", "rb") as file:
        while part := file.read({STEP}):
            count += len(part)
else:
    count = sum(map(len, fs.cat([f"{BUCKET}/team/small/{{n}}" for n in range({SMALL})]).values()))
print(json.dumps([time.perf_counter() - began, count]))
"""


def timed(read: Callable[[], int], wanted: int) -> float:
    """Seconds."""
    began = time.perf_counter()
    count = read()
    assert count == wanted, f"{count} of {wanted} bytes"
    return time.perf_counter() - began


def ours() -> int:
    """The large object by ``hub://``."""
    import hubernate

    with hubernate.open("hub://lake/large") as file:
        return _drain(file.read)


def pyarrow(endpoint: str) -> int:
    """The large object by pyarrow's own client."""
    from pyarrow.fs import S3FileSystem

    fs = S3FileSystem(
        access_key=KEY, secret_key=SECRET, endpoint_override=endpoint.removeprefix("http://"), scheme="http"
    )
    with fs.open_input_stream(f"{BUCKET}/team/large") as file:
        return _drain(file.read)


def small() -> int:
    """The small objects by ``hub://``."""
    from hubernate.fs import HubFileSystem

    return sum(map(len, HubFileSystem().cat([f"lake/small/{n}" for n in range(SMALL)]).values()))


def s3fs(endpoint: str, mode: str, wanted: int) -> float:
    """Seconds of the peer, in its own process, its start left out."""
    out = subprocess.run([peer_python(), "-c", S3FS, endpoint, mode], check=True, stdout=subprocess.PIPE).stdout
    took, count = json.loads(out)
    assert count == wanted
    return float(took)


def plain(url: str) -> Callable[[], int]:
    """One HTTP client that reads `url` whole."""

    def read() -> int:
        with urllib3.PoolManager().request("GET", url, preload_content=False) as answer:
            return _drain(answer.read)

    return read


def p50(urls: list[str]) -> float:
    """Milliseconds of the median read, many clients at a pace that leaves the machine room."""
    took: list[float] = []

    def client(url: str, number: int) -> None:
        pool = urllib3.PoolManager()
        pool.request("GET", url)
        began = time.perf_counter() + number / CLIENTS
        for round_ in range(EACH):
            time.sleep(max(0.0, began + round_ - time.perf_counter()))
            at = time.perf_counter()
            assert len(pool.request("GET", url).data) == SMALL_BYTES
            took.append((time.perf_counter() - at) * 1000)

    threads = [threading.Thread(target=client, args=(urls[n % len(urls)], n)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statistics.median(took)


def measure(found: Stage, rounds: int, size: int) -> None:
    """All rounds, the sides in turns, then the figures."""
    block = os.urandom(1024**2)
    found.put("large", (block * (size // len(block) + 1))[:size])
    for number in range(SMALL):
        found.put(f"small/{number}", block[:SMALL_BYTES])
    gateway = f"{found.relay}/api/v1/relay/sources/lake/object?"
    by_gateway = [f"{gateway}{urlencode({'path': f'small/{n}'})}" for n in range(CLIENTS)]
    direct = [found.link(f"small/{n}") for n in range(CLIENTS)]
    ours()
    before = psutil.Process(found.service).memory_info().rss
    sides: dict[str, Callable[[], float]] = {
        "ours": lambda: timed(ours, size),
        "pyarrow": lambda: timed(lambda: pyarrow(found.endpoint), size),
        "s3fs": lambda: s3fs(found.endpoint, "large", size),
        "small": lambda: timed(small, SMALL * SMALL_BYTES),
        "small s3fs": lambda: s3fs(found.endpoint, "small", SMALL * SMALL_BYTES),
        "direct": lambda: timed(plain(found.link("large")), size),
        "gateway": lambda: timed(plain(f"{gateway}path=large"), size),
        "direct p50": lambda: p50(direct),
        "gateway p50": lambda: p50(by_gateway),
    }
    took: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds):
        for side, once in sides.items():
            took[side].append(once())
        note(f"round {number + 1}: " + ", ".join(f"{side} {values[-1]:.3g}" for side, values in took.items()))

    def ratio(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(took[one], took[other], strict=True))

    report("read.vs_pyarrow", ratio("pyarrow", "ours"), "x", "pyarrow's S3 client, directly")
    report("read.vs_s3fs", ratio("s3fs", "ours"), "x", "s3fs, directly")
    report("read.small_vs_s3fs", ratio("small s3fs", "small"), "x", "s3fs, directly")
    report("read.gateway_loss", 1 - ratio("direct", "gateway"), "share", "a signed URL of the store")
    added = [a - b for a, b in zip(took["gateway p50"], took["direct p50"], strict=True)]
    report("read.added_p50_ms", statistics.median(added), "ms", "a signed URL of the store")
    report("read.memory_growth_mb", (psutil.Process(found.service).memory_info().rss - before) / 1e6, "MB", "")


def _drain(read: Callable[[int], bytes]) -> int:
    count = 0
    while part := read(STEP):
        count += len(part)
    return count


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description="What reading through the platform costs.")
    options.add_argument("--rounds", type=int, default=3, help="at least 3 (default)")
    options.add_argument("--mb", type=int, default=442, help="size of the large object (default 442)")
    given = options.parse_args()
    with stage() as found:
        measure(found, given.rounds, given.mb * 1_000_000)


if __name__ == "__main__":
    main()
