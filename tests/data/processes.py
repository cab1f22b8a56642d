"""The data workers that this test process started."""

import os

import psutil


def workers() -> set[int]:
    """Their process ids."""
    return {child.pid for child in psutil.Process(os.getpid()).children(recursive=True) if _is_worker(child)}


def _is_worker(child: psutil.Process) -> bool:
    try:
        return child.status() != psutil.STATUS_ZOMBIE and any("data.worker" in word for word in child.cmdline())
    except psutil.NoSuchProcess:
        return False
