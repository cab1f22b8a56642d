"""Operation rows."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from hubernate_core.names import OperationId, ServerId
from hubernate_core.operation import Operation, Step, Trigger
from hubernate_core.turns import Waiting
from hubernate_core.wire import Directive

from .database import Tx
from .schema import operations, owners, servers


@dataclass(frozen=True)
class OperationRow:
    """An operation and what only the service needs to know of it."""

    operation: Operation
    container_id: str = ""
    gate_container_id: str = ""
    directive: Directive | None = None
    hub_joined: bool = False
    requested_by: str = field(default="", repr=False)


_DOMAIN = tuple(Operation.model_fields)


def _row(row: Row[Any]) -> OperationRow:
    values = dict(row._mapping)
    operation = Operation.model_validate({name: values[name] for name in _DOMAIN})
    directive = Directive(values["directive"]) if values["directive"] else None
    return OperationRow(
        operation,
        values["container_id"],
        values["gate_container_id"],
        directive,
        values["hub_joined"],
        values["requested_by"],
    )


def _values(row: OperationRow) -> dict[str, Any]:
    values = row.operation.model_dump()
    for name in ("kind", "trigger", "step", "outcome"):
        values[name] = str(values[name]) if values[name] is not None else None
    return values | {
        "container_id": row.container_id,
        "gate_container_id": row.gate_container_id,
        "directive": str(row.directive) if row.directive else None,
        "hub_joined": row.hub_joined,
        "requested_by": row.requested_by,
    }


def get(tx: Tx, operation: OperationId) -> OperationRow | None:
    """One operation by id."""
    row = tx.execute(select(operations).where(operations.c.id == operation)).one_or_none()
    return None if row is None else _row(row)


def open_of(tx: Tx, server: ServerId) -> OperationRow | None:
    """The open operation of a server."""
    query = select(operations).where(operations.c.server_id == server, operations.c.finished_at.is_(None))
    row = tx.execute(query).one_or_none()
    return None if row is None else _row(row)


def newest_of(tx: Tx, servers: Iterable[ServerId]) -> dict[ServerId, OperationRow]:
    """The open operation of each server, or its newest finished one."""
    order = (operations.c.finished_at.is_(None).desc(), operations.c.requested_at.desc(), operations.c.id)
    rank = func.row_number().over(partition_by=operations.c.server_id, order_by=order).label("rank")
    ranked = select(operations, rank).where(operations.c.server_id.in_(list(servers))).subquery()
    rows = (_row(row) for row in tx.execute(select(ranked).where(ranked.c.rank == 1)))
    return {row.operation.server_id: row for row in rows}


def with_ids(tx: Tx, ids: Iterable[OperationId]) -> dict[OperationId, OperationRow]:
    """Operations by id; unknown ones are left out."""
    rows = (_row(row) for row in tx.execute(select(operations).where(operations.c.id.in_(list(ids)))))
    return {row.operation.id: row for row in rows}


def recent_of(tx: Tx, server: ServerId, limit: int = 10) -> list[OperationRow]:
    """A server's operations, newest first."""
    query = select(operations).where(operations.c.server_id == server).order_by(operations.c.requested_at.desc())
    return [_row(row) for row in tx.execute(query.limit(limit))]


def failed_since(tx: Tx, moment: datetime) -> set[ServerId]:
    """Servers of which an operation failed at `moment` or later."""
    query = select(operations.c.server_id).where(
        operations.c.step == str(Step.FAILED), operations.c.finished_at >= moment
    )
    return {ServerId(server) for server in tx.execute(query.distinct()).scalars()}


def all_open(tx: Tx, node: str | None = None) -> list[OperationRow]:
    """Open operations, oldest first; of one node if given."""
    query = select(operations).where(operations.c.finished_at.is_(None)).order_by(operations.c.requested_at)
    if node is not None:
        query = query.where(operations.c.node == node)
    return [_row(row) for row in tx.execute(query)]


def waiting(tx: Tx, node: str) -> list[Waiting[OperationId]]:
    """Open operations of a node by their team, oldest first. Urgent: begun by an agent, or its pod is being deleted."""
    query = (
        select(operations.c.id, owners.c.tenant_id, operations.c.trigger, operations.c.step)
        .join(servers, servers.c.id == operations.c.server_id)
        .join(owners, owners.c.id == servers.c.owner_id)
        .where(operations.c.finished_at.is_(None), operations.c.node == node)
        .order_by(operations.c.requested_at)
    )
    return [
        Waiting(OperationId(id_), tenant, urgent=trigger == Trigger.EVICTED or step != Step.REQUESTED)
        for id_, tenant, trigger, step in tx.execute(query)
    ]


def open_or_ended_since(tx: Tx, since: datetime) -> list[OperationRow]:
    """Operations that are open, or ended after `since`, oldest first."""
    lately = operations.c.finished_at.is_(None) | (operations.c.finished_at > since)
    return [_row(row) for row in tx.execute(select(operations).where(lately).order_by(operations.c.requested_at))]


def add(tx: Tx, row: OperationRow) -> None:
    """Store a new operation.

    Raises:
        sqlalchemy.exc.IntegrityError: the server has an open one; callers hold the server's lock, so they know.
    """
    tx.execute(insert(operations).values(**_values(row)))


def save(tx: Tx, row: OperationRow) -> None:
    """Store what became of an operation."""
    values = _values(row)
    tx.execute(update(operations).where(operations.c.id == values.pop("id")).values(**values))


def counts(tx: Tx) -> dict[tuple[str, str], int]:
    """Number of open operations by kind and step."""
    query = (
        select(operations.c.kind, operations.c.step, func.count())
        .where(operations.c.finished_at.is_(None))
        .group_by(operations.c.kind, operations.c.step)
    )
    return {(kind, step): number for kind, step, number in tx.execute(query)}


def failures_in_a_row(rows: Iterable[OperationRow]) -> tuple[int, datetime | None]:
    """How many of `rows` (newest first) failed one after another, and when the newest of them did."""
    number, when = 0, None
    for row in rows:
        if row.operation.step is not Step.FAILED:
            break
        number, when = number + 1, when or row.operation.finished_at
    return number, when


def with_operation(row: OperationRow, operation: Operation) -> OperationRow:
    """`row` with its operation changed."""
    return replace(row, operation=operation)
