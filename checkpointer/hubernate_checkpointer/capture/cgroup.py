"""A container's control group: CPU time, and standing still. The kernel's own files, whatever the runtime does.

A container is frozen here and not through containerd: an exec that begins while the runtime freezes is frozen half-way
and holds the shim's lock, so that containerd can neither resume nor kill any more (seen with 1.6, runc 1.1 and a
preStop hook). A file always answers, also when containerd does not run.

Sources: cgroups(7); kernel, Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst, cpuacct.rst, cgroup-v2.rst.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hubernate_core.errors import Unavailable

_LOOK_S = 0.005
_AGAIN_S = 0.5
"""A group of version 1 that is not all frozen by then is let go for a moment: a process forked under its way."""
_LIMIT_S = 3.0


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The group of one container, in version 1 or 2 for each of the two things."""

    freezer: Path
    cpu: Path

    @property
    def told_to_freeze(self) -> bool:
        """Whether it must be thawed to go on."""
        if (state := _read(self.freezer / "freezer.state")) is not None:
            return state != "THAWED"
        return _read(self.freezer / "cgroup.freeze") == "1"

    @property
    def frozen(self) -> bool:
        """Whether every process in it stands still."""
        if (state := _read(self.freezer / "freezer.state")) is not None:
            return state == "FROZEN"
        return "frozen 1" in (_read(self.freezer / "cgroup.events") or "").splitlines()

    @property
    def cpu_seconds(self) -> float | None:
        """CPU time used in it, None when it is gone."""
        if (used := _read(self.cpu / "cpuacct.usage")) is not None:
            return int(used) / 1e9
        rows = dict(line.split(" ", 1) for line in (_read(self.cpu / "cpu.stat") or "").splitlines())
        return int(rows["usage_usec"]) / 1e6 if "usage_usec" in rows else None

    def freeze(self) -> None:
        """Make it stand still.

        Raises:
            Unavailable: it does not within a few seconds; it was let go again.
        """
        deadline = time.monotonic() + _LIMIT_S
        while time.monotonic() < deadline:
            self._write(freeze=True)
            again = time.monotonic() + _AGAIN_S
            while time.monotonic() < again:
                if self.frozen:
                    return
                time.sleep(_LOOK_S)
            self.thaw()
        raise Unavailable("the kernel does not freeze the server: one of its processes hangs in the kernel; try again")

    def thaw(self) -> None:
        """Let it go on. Raises Unavailable when the kernel refuses."""
        self._write(freeze=False)

    def _write(self, *, freeze: bool) -> None:
        path, words = self.freezer / "freezer.state", ("THAWED", "FROZEN")
        if not path.exists():
            path, words = self.freezer / "cgroup.freeze", ("0", "1")
        try:
            path.write_text(words[freeze])
        except OSError as problem:
            raise Unavailable(
                f"cannot write to {path} ({problem.strerror}). Should the server run: the agent needs the node's "
                "/sys/fs/cgroup, writable"
            ) from problem


def find_cgroup(processes: Path, root: Path, name: str) -> Cgroup | None:
    """The group of the container whose processes have `name` in their group's path, None when none is seen.

    Args:
        processes: where the node's processes are seen, such as ``/proc``.
        root: where its groups are, such as ``/sys/fs/cgroup``.
    """
    for text in _groups(processes):
        if name not in text:
            continue
        rows = [line.split(":", 2) for line in text.splitlines()]
        found = [
            _folder(
                root, next((row for row in rows if controller in row[1].split(",")), ["", "", ""]), name, controller
            )
            for controller in ("freezer", "cpuacct")
        ]
        unified = _folder(root, next((row for row in rows if row[0] == "0"), ["", "", ""]), name, "")
        freezer, cpu = (each or unified for each in found)
        if freezer is not None and cpu is not None:
            return Cgroup(freezer, cpu)
    return None


def _groups(processes: Path) -> Iterator[str]:
    """What each process says of its groups."""
    for each in processes.iterdir():
        if each.name.isdigit() and (text := _read(each / "cgroup")) is not None:
            yield text


def _folder(root: Path, row: list[str], name: str, controller: str) -> Path | None:
    """The folder of the part of `row`'s path that ends with the container's own group; None when it is not shown."""
    parts = row[2].strip("/").split("/")
    own = next((at for at, part in enumerate(parts) if name in part), None)
    if own is None:
        return None
    for folder in dict.fromkeys((controller, row[1])):
        # A container has a cgroup namespace of its own in version 2: the path is then told from this process' group
        # ("/../../pod/container"), while what is mounted at `root` is the node's whole tree.
        path = _below(root / folder, parts[own]) if ".." in parts else root.joinpath(folder, *parts[: own + 1])
        if path is not None and path.is_dir():
            return path
    return None


def _below(root: Path, name: str) -> Path | None:
    """The group called `name`, wherever it is."""
    return next((Path(folder, name) for folder, groups, _ in os.walk(root) if name in groups), None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None  # a process or group that is gone, or is not shown
