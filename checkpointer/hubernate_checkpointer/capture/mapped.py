"""Files whose content may change without a trace in their times: those mapped shared and writable by the container.

A page that is dirty already takes more writes without a fault, so neither mtime nor ctime moves until the kernel has
written it back. Such files are copied again while the container stands still.
"""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

_DELETED = " (deleted)"


def mapped_files(pids: Iterable[int], cgroup: str, processes: str = "/proc") -> frozenset[str] | None:
    """Paths inside the container, without a leading slash, that its processes map shared and writable.

    None when this process cannot see them (it lives in a pid namespace of its own): use `settle` then.

    Args:
        cgroup: what is in the path of each of its processes' cgroups and of no other's.
        processes: where the pids are to be looked up.
    """
    found, seen = set(), False
    for pid in pids:
        process = Path(processes) / str(pid)
        try:
            if cgroup not in (process / "cgroup").read_text():
                return None
            lines = (process / "maps").read_text(errors="surrogateescape").splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            return None
        seen = True
        for line in lines:
            parts = line.split(maxsplit=5)
            if len(parts) == 6 and parts[1][1] == "w" and parts[1][3] == "s":
                found.add(parts[5].removesuffix(_DELETED).lstrip("/"))
    return frozenset(found) if seen else None


def settle(fd: int) -> None:
    """Write the whole file system of `fd` back, so that the next write to any mapped page moves the file's times."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
