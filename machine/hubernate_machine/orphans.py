"""Programs of ours that outlived a killed supervisord: found by the environment we gave them, and ended."""

import os
import signal
import time
from pathlib import Path

from hubernate_core.errors import Conflict

from .layout import Layout
from .programs import PROGRAM_VARIABLE

STOP_S = 30


def find(layout: Layout, processes: Path = Path("/proc")) -> dict[int, str]:
    """Process id → program, of this state folder's programs."""
    state = f"HUBERNATE_STATE={layout.root}"
    found: dict[int, str] = {}
    for process in processes.glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # another person's, or gone
        names = [each.partition("=")[2] for each in environment if each.startswith(f"{PROGRAM_VARIABLE}=")]
        if names and state in environment:
            found[int(process.name)] = names[0]
    return found


def end(layout: Layout) -> list[str]:
    """End them, gently first; their names. Only while supervisord is down. Notebooks are no processes of ours.

    Raises:
        Conflict: one does not end.
    """
    present = find(layout)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in find(layout):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + STOP_S
        while find(layout) and time.monotonic() < deadline:
            time.sleep(0.1)
    if left := find(layout):
        raise Conflict(f"Processes of an earlier run do not end: {left}. End them, and run the same command again.")
    return sorted(set(present.values()))


def owner_of(port: int) -> str:
    """Who listens on `port`, as far as the kernel tells us: `` by COMMAND (process ID)`` or empty."""
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            # 0A is TCP_LISTEN (linux/net/tcp_states.h).
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                shown = " ".join(Path(word).name if word.startswith("/") else word for word in words)
                return f" by `{shown[:60].strip()}` (process {process.name})"
        except OSError:
            continue  # another person's process, or one that has just ended
    return ""
