"""Checkpoints of a restored database until an agent has looked for their images in the registry.

While one is left, nothing is deleted: what the registry has may be newer or older than what the database says.
"""

from collections.abc import Iterable

from sqlalchemy import delete, exists, insert, select, update

from hubernate_core.names import CheckpointId

from .checkpoints import REFERENCE
from .database import Tx
from .schema import checkpoints, unproven


def doubt_all(tx: Tx) -> int:
    """Have every checkpoint looked for in the registry; how many those are.

    Also those that were missing once, since a registry is restored too. What was announced to go stays: whoever would
    have pinned it may have done so after the backup.
    """
    tx.execute(delete(unproven))
    tx.execute(update(checkpoints).where(checkpoints.c.goes_at.is_not(None)).values(goes_at=None, goes_why=""))
    query = select(REFERENCE).where(checkpoints.c.deleted_at.is_(None)).distinct()
    return int(tx.execute(insert(unproven).from_select(["reference"], query)).rowcount)


def left(tx: Tx) -> bool:
    """Whether any is still to be looked for."""
    return bool(tx.execute(select(exists().select_from(unproven))).scalar())


def among(tx: Tx, references: Iterable[str]) -> frozenset[str]:
    """Those of `references`, ``repository@digest``, that are still to be looked for."""
    query = select(unproven.c.reference).where(unproven.c.reference.in_(list(references)))
    return frozenset(tx.execute(query).scalars())


def to_find(tx: Tx, limit: int = 50) -> list[str]:
    """References that an agent shall look for."""
    return list(tx.execute(select(unproven.c.reference).order_by(unproven.c.reference).limit(limit)).scalars())


def found(tx: Tx, references: Iterable[str], *, there: bool) -> list[CheckpointId]:
    """What an agent found, or did not: then it is offered, or no more. The checkpoints of which that is news."""
    asked = among(tx, references)
    tx.execute(delete(unproven).where(unproven.c.reference.in_(asked)))
    query = select(checkpoints.c.id).where(REFERENCE.in_(asked), checkpoints.c.usable.is_(not there))
    changed = tx.execute(query).scalars().all()
    tx.execute(update(checkpoints).where(checkpoints.c.id.in_(changed)).values(usable=there))
    return [CheckpointId(each) for each in changed]
