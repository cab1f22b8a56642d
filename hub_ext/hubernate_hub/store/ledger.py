"""What people hold of a tenant. No second book is kept: a server that is not asleep is its own reservation.

A start that was admitted is a row in state ``starting`` before its transaction ends, and leaves the books only when
the reconciler or the agent puts it to sleep, so that a crash between the two loses and doubles nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select

from hubernate_core.names import ServerId, TenantId
from hubernate_core.profile import Profile

from .database import Tx
from .schema import checkpoints, owners, servers


@dataclass(frozen=True)
class AwakeServer:
    """One server that holds something."""

    id: ServerId
    user: str
    tenant_id: TenantId
    profile: Profile


def awake(tx: Tx, tenants: Iterable[TenantId] | None = None) -> list[AwakeServer]:
    """Servers of `tenants` (of all, if None) that are not asleep."""
    query = select(servers.c.id, owners.c.user, owners.c.tenant_id, servers.c.profile).join(owners)
    query = query.where(servers.c.state != "asleep")
    if tenants is not None:
        query = query.where(owners.c.tenant_id.in_(sorted(tenants)))
    profile = _profiles()
    return [AwakeServer(row.id, row.user, row.tenant_id, profile(row.profile)) for row in tx.execute(query)]


@dataclass(frozen=True)
class Run:
    """The newest run of a server, from when it was ready until its container was gone; `until` None: it goes on."""

    user: str
    tenant_id: TenantId
    profile: Profile
    since: datetime
    until: datetime | None


def runs(tx: Tx, after: datetime) -> list[Run]:
    """The newest run of every server where it reaches behind `after`."""
    awake = servers.c.state != "asleep"
    query = select(owners.c.user, owners.c.tenant_id, servers.c.profile, awake.label("awake"))
    query = query.add_columns(servers.c.ready_at, servers.c.stopped_at).join(owners)
    query = query.where(servers.c.ready_at.is_not(None), or_(awake, servers.c.stopped_at > after))
    profile = _profiles()
    return [
        Run(row.user, row.tenant_id, profile(row.profile), row.ready_at, None if row.awake else row.stopped_at)
        for row in tx.execute(query)
    ]


def _profiles() -> Callable[[dict[str, object]], Profile]:
    """Reads profiles, each of them once: thousands of servers run a handful."""
    known: dict[str, Profile] = {}

    def profile(data: dict[str, object]) -> Profile:
        return known.get(repr(data)) or known.setdefault(repr(data), Profile.model_validate(data))

    return profile


def homes(tx: Tx, tenants: Iterable[TenantId] | None = None) -> list[tuple[TenantId, str]]:
    """Tenant and user of every home in `tenants` (in all, if None)."""
    query = select(owners.c.tenant_id, owners.c.user)
    if tenants is not None:
        query = query.where(owners.c.tenant_id.in_(sorted(tenants)))
    return [(row.tenant_id, row.user) for row in tx.execute(query)]


def saved(tx: Tx, tenants: Iterable[TenantId] | None = None) -> list[tuple[TenantId, str, int]]:
    """Tenant, user and compressed bytes of the checkpoints that are kept in `tenants` (in all, if None)."""
    query = (
        select(checkpoints.c.tenant_id, owners.c.user, func.sum(checkpoints.c.size))
        .join(owners, owners.c.id == checkpoints.c.owner_id)
        .where(checkpoints.c.deleted_at.is_(None))
        .group_by(checkpoints.c.tenant_id, owners.c.user)
    )
    if tenants is not None:
        query = query.where(checkpoints.c.tenant_id.in_(sorted(tenants)))
    return [(tenant, user, int(size)) for tenant, user, size in tx.execute(query)]
