"""What people hold of a tenant. No second book is kept: a server that is not asleep is its own reservation.

A start that was admitted is a row in state ``starting`` before its transaction ends, and leaves the books only when
the reconciler or the agent puts it to sleep, so that a crash between the two loses and doubles nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select

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
    known: dict[str, Profile] = {}

    def profile(data: dict[str, object]) -> Profile:
        # Thousands of servers run a handful of profiles.
        return known.setdefault(repr(data), known.get(repr(data)) or Profile.model_validate(data))

    return [AwakeServer(row.id, row.user, row.tenant_id, profile(row.profile)) for row in tx.execute(query)]


def homes(tx: Tx, tenants: Iterable[TenantId]) -> list[tuple[TenantId, str]]:
    """Tenant and user of every home."""
    query = select(owners.c.tenant_id, owners.c.user).where(owners.c.tenant_id.in_(sorted(tenants)))
    return [(row.tenant_id, row.user) for row in tx.execute(query)]


def saved(tx: Tx, tenants: Iterable[TenantId]) -> list[tuple[TenantId, str, int]]:
    """Tenant, user and compressed bytes of the checkpoints that are kept."""
    query = (
        select(checkpoints.c.tenant_id, owners.c.user, func.sum(checkpoints.c.size))
        .join(owners, owners.c.id == checkpoints.c.owner_id)
        .where(checkpoints.c.tenant_id.in_(sorted(tenants)), checkpoints.c.deleted_at.is_(None))
        .group_by(checkpoints.c.tenant_id, owners.c.user)
    )
    return [(tenant, user, int(size)) for tenant, user, size in tx.execute(query)]
