"""Which terminals are at work: a shell with a child process is, a shell at its prompt is not."""

from collections.abc import Iterable

import psutil


def count_busy(shells: Iterable[int]) -> int:
    """How many of these processes have children. A shell that ended meanwhile is not busy."""
    return sum(1 for shell in shells if _has_children(shell))


def _has_children(process_id: int) -> bool:
    try:
        return bool(psutil.Process(process_id).children())
    except psutil.NoSuchProcess:
        return False
