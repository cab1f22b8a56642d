"""Checkpoint rows, and the references that agents shall forget. What is in doubt after a restore: `doubts`."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, exists, func, insert, or_, select, update

from hubernate_core.checkpoint import Checkpoint
from hubernate_core.names import CheckpointId, OperationId, ServerId, TenantId
from hubernate_core.retention import Stored

from .database import Tx
from .schema import checkpoints, forgets, jobs, operations, owners, schedules, servers, team_images, unproven, waits

_DOMAIN = tuple(Checkpoint.model_fields)
REFERENCE = checkpoints.c.repository + "@" + checkpoints.c.digest
"""``repository@digest``."""
_OTHERS_AFTER = timedelta(days=1)
_TO_BE_COPIED = and_(team_images.c.offered_at.is_(None), team_images.c.retired_at.is_(None))


def _row(row: Row[Any]) -> Checkpoint:
    return Checkpoint.model_validate({name: row._mapping[name] for name in _DOMAIN})


def get(tx: Tx, checkpoint: CheckpointId, *, deleted: bool = False) -> Checkpoint | None:
    """One checkpoint that was not deleted; with `deleted`, also one that was."""
    query = select(checkpoints).where(checkpoints.c.id == checkpoint)
    if not deleted:
        query = query.where(checkpoints.c.deleted_at.is_(None))
    row = tx.execute(query).one_or_none()
    return None if row is None else _row(row)


def of_operation(tx: Tx, operation: OperationId) -> Checkpoint | None:
    """The checkpoint that an operation recorded."""
    row = tx.execute(select(checkpoints).where(checkpoints.c.operation_id == operation)).one_or_none()
    return None if row is None else _row(row)


def of_servers(tx: Tx, servers: Iterable[ServerId]) -> list[Checkpoint]:
    """Checkpoints of `servers` that were not deleted, newest first."""
    query = (
        select(checkpoints)
        .where(checkpoints.c.server_id.in_(list(servers)), checkpoints.c.deleted_at.is_(None))
        .order_by(checkpoints.c.created_at.desc(), checkpoints.c.id)
    )
    return [_row(row) for row in tx.execute(query)]


def add(tx: Tx, checkpoint: Checkpoint, frozen_s: float) -> None:
    """Record a checkpoint."""
    tx.execute(insert(checkpoints).values(**checkpoint.model_dump(mode="python"), frozen_s=frozen_s))


def change(tx: Tx, checkpoint: CheckpointId, **values: object) -> None:
    """Set columns of one checkpoint."""
    tx.execute(update(checkpoints).where(checkpoints.c.id == checkpoint).values(**values))


def stored(tx: Tx, tenant: TenantId | None = None) -> dict[TenantId, list[Stored]]:
    """What retention looks at, by tenant: of one, or of all."""
    columns = (checkpoints.c.id, checkpoints.c.server_id, checkpoints.c.owner_id, REFERENCE.label("reference"))
    more = (checkpoints.c.size, checkpoints.c.created_at, checkpoints.c.pinned, checkpoints.c.usable)
    query = select(checkpoints.c.tenant_id, checkpoints.c.name, *columns, *more, checkpoints.c.goes_at)
    query = query.where(checkpoints.c.deleted_at.is_(None))
    if tenant is not None:
        query = query.where(checkpoints.c.tenant_id == tenant)
    found: dict[TenantId, list[Stored]] = {}
    for row in tx.execute(query):
        values = dict(row._mapping)
        found.setdefault(TenantId(values.pop("tenant_id")), []).append(Stored(**values))
    return found


def in_use(tx: Tx, tenant: TenantId | None = None) -> frozenset[str]:
    """``repository@digest`` of what must not go now, of one tenant or of all.

    A server runs from it, is being stopped on the strength of it, a start that waits has chosen it, a job waits for it
    or runs in it, a schedule's runs start from it, or a team image is still to be copied from it.
    """
    images = servers.c.image_repository + "@" + servers.c.image_digest
    running = select(images).where(servers.c.state != "asleep")
    opened = select(REFERENCE).join(operations, operations.c.checkpoint_id == checkpoints.c.id)
    opened = opened.where(operations.c.finished_at.is_(None))
    chosen = select(waits.c.choice["checkpoint_id"].as_string()).where(waits.c.cancelled_by == "")
    waiting = select(REFERENCE).where(checkpoints.c.id.in_(chosen))
    copied = select(team_images.c.source).where(_TO_BE_COPIED)
    worked = select(REFERENCE).join(jobs, jobs.c.checkpoint_id == checkpoints.c.id)
    worked = worked.where(jobs.c.finished_at.is_(None))
    planned = select(REFERENCE).join(schedules, schedules.c.checkpoint_id == checkpoints.c.id)
    if tenant is not None:
        running = running.join(owners, owners.c.id == servers.c.owner_id).where(owners.c.tenant_id == tenant)
        opened = opened.where(checkpoints.c.tenant_id == tenant)
        waiting = waiting.where(checkpoints.c.tenant_id == tenant)
        copied = copied.where(team_images.c.tenant_id == tenant)
        worked = worked.where(jobs.c.tenant_id == tenant)
        planned = planned.where(schedules.c.tenant_id == tenant)
    every = (running, opened, waiting, copied, worked, planned)
    return frozenset(each for query in every for each in tx.execute(query).scalars())


def announce(tx: Tx, checkpoint: CheckpointId, goes_at: datetime | None, why: str = "") -> None:
    """Note when a checkpoint goes and by which rule; None: it stays."""
    change(tx, checkpoint, goes_at=goes_at, goes_why=why)


def any_signed(tx: Tx) -> bool:
    """Whether any checkpoint was ever recorded."""
    return bool(tx.execute(select(exists().select_from(checkpoints))).scalar())


def wanted_soon(tx: Tx, node: str, since: datetime, limit: int) -> list[str]:
    """``repository@digest`` of the newest usable checkpoint of each server of `node` stopped after `since`."""
    rank = func.row_number().over(partition_by=checkpoints.c.server_id, order_by=checkpoints.c.created_at.desc())
    newest = (
        select(checkpoints.c.server_id, REFERENCE.label("reference"), rank.label("rank"))
        .where(checkpoints.c.deleted_at.is_(None), checkpoints.c.usable)
        .subquery()
    )
    query = (
        select(newest.c.reference)
        .join(servers, servers.c.id == newest.c.server_id)
        .where(newest.c.rank == 1, servers.c.node == node, servers.c.state == "asleep", servers.c.stopped_at > since)
        .order_by(servers.c.stopped_at.desc())
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def forget(tx: Tx, reference: str, node: str, now: datetime) -> None:
    """Queue a ``repository@digest`` for deletion by the agent of `node`; empty: by any."""
    if not queued(tx, reference):
        tx.execute(insert(forgets).values(reference=reference, node=node, asked_at=now))


def queued(tx: Tx, reference: str) -> bool:
    """Whether a ``repository@digest`` was given up and is not deleted yet."""
    return tx.execute(select(forgets.c.node).where(forgets.c.reference == reference)).first() is not None


def to_forget(tx: Tx, node: str, now: datetime, limit: int = 50) -> list[str]:
    """References that `node` shall forget now: none that a checkpoint still names or a server runs from (F45).

    Those of no node, and those that their own did not delete within a day, are for whichever asks first. What was
    queued during an operation waits for its end, so that a late repeat of its report is known (`queued`).
    """
    named = exists().where(forgets.c.reference == REFERENCE, checkpoints.c.deleted_at.is_(None))
    running = exists().where(
        servers.c.image_repository + "@" + servers.c.image_digest == forgets.c.reference, servers.c.state != "asleep"
    )
    copied = exists().where(team_images.c.source == forgets.c.reference, _TO_BE_COPIED)
    saving = exists().where(
        operations.c.node == forgets.c.node,
        operations.c.finished_at.is_(None),
        operations.c.requested_at <= forgets.c.asked_at,
    )
    mine = or_(forgets.c.node.in_((node, "")), forgets.c.asked_at < now - _OTHERS_AFTER)
    query = select(forgets.c.reference).where(mine, ~named, ~running, ~copied, ~saving)
    query = query.where(~exists().select_from(unproven))  # a restored database does not know yet what it may delete
    return list(tx.execute(query.order_by(forgets.c.asked_at).limit(limit)).scalars())


def forgotten(tx: Tx, references: Iterable[str]) -> None:
    """These are deleted."""
    tx.execute(delete(forgets).where(forgets.c.reference.in_(list(references))))
