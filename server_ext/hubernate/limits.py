"""What this container may use: the kernel's control groups know, and Java, which looks at the machine, does not."""

import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def memory_bytes(groups: Path = _GROUPS) -> int:
    """Its memory's limit; the machine's memory where there is none."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    said = _first(groups / "memory.max", groups / "memory" / "memory.limit_in_bytes")
    return min(machine, int(said)) if said.isdigit() else machine


def cpus(groups: Path = _GROUPS) -> int:
    """Whole processors, at least one: its quota, or those that it may run on."""
    allowed = len(os.sched_getaffinity(0))
    quota, _, period = _first(groups / "cpu.max").partition(" ")
    if not quota:
        quota, period = _first(groups / "cpu" / "cpu.cfs_quota_us"), _first(groups / "cpu" / "cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit():
        return max(1, min(allowed, int(quota) // int(period)))
    return allowed


def _first(*files: Path) -> str:
    return next((file.read_text().strip() for file in files if file.is_file()), "")
