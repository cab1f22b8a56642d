"""Servers as lists and numbers: a fixed number of queries, whatever the number of servers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from hubernate_core.names import ServerId, TenantId
from hubernate_core.server import ServerState

from .database import Tx
from .schema import checkpoints, operations, owners, servers
from .servers import ServerRow, joined, row_of

Tenants = Iterable[TenantId] | None
"""Ids of tenants; None: all."""


@dataclass(frozen=True)
class NewestStart:
    """The newest start of a server, for comparing it with what runs."""

    id: ServerId
    generation: int
    asked_at: datetime | None

    @property
    def newest_start(self) -> tuple[int, datetime | None]:
        """As a server row has it."""
        return self.generation, self.asked_at


def newest_starts(tx: Tx, *, asleep_in: Tenants = None) -> list[NewestStart]:
    """Of every server; with `asleep_in`, of those that sleep in these tenants."""
    query = select(servers.c.id, servers.c.generation, servers.c.asked_at)
    if asleep_in is not None:
        query = query.join(owners).where(servers.c.state == "asleep", owners.c.tenant_id.in_(sorted(asleep_in)))
    return [NewestStart(row.id, row.generation, row.asked_at) for row in tx.execute(query)]


def states(tx: Tx, tenants: Tenants = None) -> dict[ServerState, int]:
    """How many servers are in each state."""
    query = select(servers.c.state, func.count()).group_by(servers.c.state)
    if tenants is not None:
        query = query.join(owners).where(owners.c.tenant_id.in_(sorted(tenants)))
    return {ServerState(state): number for state, number in tx.execute(query)}


def stored(tx: Tx, tenants: Tenants = None) -> tuple[int, int]:
    """How many checkpoints are kept, and the compressed bytes of their layers."""
    query = select(func.count(), func.coalesce(func.sum(checkpoints.c.size), 0))
    query = query.where(checkpoints.c.deleted_at.is_(None), *_in(checkpoints.c.tenant_id, tenants))
    number, size = tx.execute(query).one()
    return int(number), int(size)


def count_failed(tx: Tx, tenants: Tenants = None) -> int:
    """How many servers could not be saved when it was tried last."""
    query = select(func.count()).select_from(servers.join(operations).join(owners, servers.c.owner_id == owners.c.id))
    return tx.execute(query.where(_save_failed(), *_in(owners.c.tenant_id, tenants))).scalar_one()


def failed(tx: Tx, tenants: Tenants = None, *, after: str = "", limit: int) -> list[ServerRow]:
    """Up to `limit` of them with ids behind `after`, by id."""
    query = joined().join(operations, operations.c.server_id == servers.c.id)
    query = query.where(_save_failed(), servers.c.id > after, *_in(owners.c.tenant_id, tenants))
    return [row_of(row) for row in tx.execute(query.order_by(servers.c.id).limit(limit))]


def page(
    tx: Tx, *, after: tuple[str, str] = ("", ""), limit: int, contains: str = "", state: ServerState | None = None
) -> list[ServerRow]:
    """Up to `limit` servers behind the user and id in `after`, in that order; `contains` is part of the user's name."""
    query: Select[Any] = joined().where(tuple_(owners.c.user, servers.c.id) > after)
    if contains:
        query = query.where(owners.c.user.contains(contains, autoescape=True))
    if state is not None:
        query = query.where(servers.c.state == str(state))
    return [row_of(row) for row in tx.execute(query.order_by(owners.c.user, servers.c.id).limit(limit))]


def numbered(tx: Tx, *, offset: int, limit: int) -> tuple[list[ServerRow], int]:
    """Some of all servers by user, and how many there are."""
    query = joined().order_by(owners.c.user, servers.c.name, servers.c.id).offset(offset).limit(limit)
    total = tx.execute(select(func.count()).select_from(servers)).scalar_one()
    return [row_of(row) for row in tx.execute(query)], total


def _save_failed() -> ColumnElement[bool]:
    """The newest finished operation of the present start is a save that failed; it may be tried again right now."""
    later = operations.alias()
    return and_(
        operations.c.outcome == "failed",
        operations.c.generation == servers.c.generation,
        or_(operations.c.kind != "discard", servers.c.state != "asleep"),
        ~exists().where(
            later.c.server_id == operations.c.server_id,
            later.c.requested_at > operations.c.requested_at,
            later.c.finished_at.is_not(None),
        ),
    )


def _in(column: ColumnElement[str], tenants: Tenants) -> list[ColumnElement[bool]]:
    return [] if tenants is None else [column.in_(sorted(tenants))]
