"""When a server was last at work: times only move forward."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Column, or_, update

from .database import Tx
from .schema import servers

_KINDS: dict[str, Column[datetime]] = {
    name: servers.c[name]
    for name in (
        "last_person_at",
        "last_kernel_busy_at",
        "last_terminal_busy_at",
        "last_cpu_busy_at",
        "last_gpu_busy_at",
        "gpu_read_at",
    )
}


def note(tx: Tx, server: str, generation: int, **moments: datetime) -> None:
    """Move `moments` of one start forward: ``last_person_at=…`` and its siblings."""
    for name, moment in moments.items():
        column = _KINDS[name]
        newer = or_(column.is_(None), column < moment)
        tx.execute(
            update(servers)
            .where(servers.c.id == server, servers.c.generation == generation, newer)
            .values({column: moment})
        )


def note_cpu(tx: Tx, busy: Iterable[tuple[str, int]], now: datetime) -> None:
    """These starts use the CPU now."""
    for server, generation in busy:
        note(tx, server, generation, last_cpu_busy_at=now)
