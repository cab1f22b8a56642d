"""Starts that wait. A row goes in the transaction in which its start is admitted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from hubernate_core.names import PlaceId, ServerId, TenantId
from hubernate_core.quota import Amounts
from hubernate_core.server import StartChoice

from .database import Tx
from .schema import owners, servers, waits


@dataclass(frozen=True)
class WaitRow:
    """One start that waits. `cancelled_by`: who gave its place up; its hub was not told yet."""

    id: PlaceId
    tenant_id: TenantId
    user: str
    hub_name: str
    server_name: str
    server_id: ServerId | None
    profile: str
    wanted: Amounts
    choice: StartChoice
    since: datetime
    cancelled_by: str = ""


def get(tx: Tx, place: PlaceId) -> WaitRow | None:
    """One place."""
    row = tx.execute(select(waits).where(waits.c.id == place)).one_or_none()
    return None if row is None else _row(row)


def of_server(tx: Tx, hub_name: str, server_name: str) -> WaitRow | None:
    """The place of what the hub knows as one server."""
    query = select(waits).where(waits.c.hub_name == hub_name, waits.c.server_name == server_name)
    row = tx.execute(query).one_or_none()
    return None if row is None else _row(row)


def all_waits(tx: Tx) -> list[WaitRow]:
    """Every place, in the order in which they were asked for."""
    return [_row(row) for row in tx.execute(select(waits).order_by(waits.c.since, waits.c.id))]


def of_tenant(tx: Tx, tenant: TenantId) -> list[WaitRow]:
    """A tenant's places."""
    return [_row(row) for row in tx.execute(select(waits).where(waits.c.tenant_id == tenant))]


def of_person(tx: Tx, hub_name: str) -> list[WaitRow]:
    """A person's places."""
    return [_row(row) for row in tx.execute(select(waits).where(waits.c.hub_name == hub_name))]


def counts(tx: Tx) -> dict[TenantId, int]:
    """How many wait in each tenant where somebody does."""
    query = select(waits.c.tenant_id, func.count()).where(waits.c.cancelled_by == "").group_by(waits.c.tenant_id)
    return {TenantId(tenant): number for tenant, number in tx.execute(query)}


def put(tx: Tx, row: WaitRow) -> None:
    """Store a place, new or changed."""
    values = {**vars(row), "wanted": dict(row.wanted), "choice": row.choice.model_dump(mode="json")}
    if not tx.execute(update(waits).where(waits.c.id == row.id).values(**values)).rowcount:
        tx.execute(insert(waits).values(**values))


def change(tx: Tx, place: PlaceId, **values: object) -> None:
    """Set columns of one place."""
    tx.execute(update(waits).where(waits.c.id == place).values(**values))


def remove(tx: Tx, place: PlaceId) -> bool:
    """Take a place out of the queue; whether it was there."""
    return bool(tx.execute(delete(waits).where(waits.c.id == place)).rowcount)


def starting(tx: Tx, since: datetime) -> dict[TenantId, int]:
    """How many starts that were asked for after `since` are being made, by tenant."""
    query = (
        select(owners.c.tenant_id, func.count())
        .select_from(servers.join(owners, servers.c.owner_id == owners.c.id))
        .where(servers.c.state == "starting", servers.c.asked_at > since)
        .group_by(owners.c.tenant_id)
    )
    return {TenantId(tenant): number for tenant, number in tx.execute(query)}


def _row(row: Row[Any]) -> WaitRow:
    values = dict(row._mapping)
    return WaitRow(**values | {"choice": StartChoice.model_validate(values["choice"])})
