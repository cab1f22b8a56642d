"""The data workers that this test process started."""

import os

import psutil


def workers() -> set[int]:
    """Their process ids."""
    return {
        child.pid
        for child in psutil.Process(os.getpid()).children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and any("data.worker" in word for word in child.cmdline())
    }
