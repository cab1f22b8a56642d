"""Tenants that were deleted for good, and what of them is still there."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update

from hubernate_core.names import OwnerId, TenantId

from .database import Tx
from .schema import (
    checkpoints,
    forgets,
    members,
    operations,
    owners,
    servers,
    source_reads,
    source_views,
    sources,
    team_images,
    tenants,
    waits,
)


@dataclass(frozen=True)
class Departure:
    """One tenant that is being removed. `images` are manifests that the registry still has."""

    tenant_id: TenantId
    namespace: str
    title: str
    deleted_at: datetime
    homes: int
    images: int


def under_way(tx: Tx) -> list[Departure]:
    """Every tenant of which something is left, the oldest first."""
    homes = select(func.count()).where(owners.c.tenant_id == tenants.c.id).scalar_subquery()
    images = select(func.count()).where(forgets.c.reference.startswith("t-" + tenants.c.id + "/")).scalar_subquery()
    query = select(tenants, homes.label("homes"), images.label("images"))
    query = query.where(tenants.c.deleted_at.is_not(None), tenants.c.emptied_at.is_(None))
    return [
        Departure(
            TenantId(row.id), row.namespace, str(row.settings.get("title", "")), row.deleted_at, row.homes, row.images
        )
        for row in tx.execute(query.order_by(tenants.c.deleted_at))
    ]


def drop_rows(tx: Tx, tenant: TenantId) -> None:
    """Delete what is only ours of a deleted tenant: servers, checkpoints, images, sources, members.

    Its people stay until their homes are gone, and the audit log stays for ever.
    """
    mine = select(servers.c.id).join(owners, owners.c.id == servers.c.owner_id).where(owners.c.tenant_id == tenant)
    its_sources = select(sources.c.id).where(sources.c.tenant_id == tenant)
    for query in (
        delete(checkpoints).where(checkpoints.c.server_id.in_(mine)),
        delete(operations).where(operations.c.server_id.in_(mine)),
        delete(servers).where(servers.c.id.in_(mine)),
        delete(team_images).where(team_images.c.tenant_id == tenant),
        delete(source_views).where(source_views.c.source_id.in_(its_sources)),
        delete(sources).where(sources.c.tenant_id == tenant),
        delete(source_reads).where(source_reads.c.tenant_id == tenant),
        delete(members).where(members.c.tenant_id == tenant),
        delete(waits).where(waits.c.tenant_id == tenant),
    ):
        tx.execute(query)


def homes(tx: Tx, limit: int = 50) -> list[tuple[TenantId, OwnerId]]:
    """People of deleted tenants whose homes are still there."""
    query = select(owners.c.tenant_id, owners.c.id).join(tenants, tenants.c.id == owners.c.tenant_id)
    query = query.where(tenants.c.deleted_at.is_not(None), tenants.c.emptied_at.is_(None))
    query = query.where(owners.c.id.not_in(select(servers.c.owner_id)))
    return [(TenantId(row.tenant_id), OwnerId(row.id)) for row in tx.execute(query.order_by(owners.c.id).limit(limit))]


def home_gone(tx: Tx, owner: OwnerId) -> None:
    """The home of a person of a deleted tenant is gone, and with it what we know of them there."""
    deleted = select(tenants.c.id).where(tenants.c.deleted_at.is_not(None))
    tx.execute(delete(owners).where(owners.c.id == owner, owners.c.tenant_id.in_(deleted)))


def homes_gone(tx: Tx, tenant: TenantId) -> None:
    """Every home of a deleted tenant is gone."""
    deleted = select(tenants.c.id).where(tenants.c.deleted_at.is_not(None), tenants.c.id == tenant)
    tx.execute(delete(owners).where(owners.c.tenant_id.in_(deleted)))


def emptied(tx: Tx, tenant: TenantId, now: datetime) -> None:
    """Nothing of a tenant is left but its row, which the audit log and the books of use name, and its title in it."""
    settings = tx.execute(select(tenants.c.settings).where(tenants.c.id == tenant)).scalar_one()
    kept = {"title": settings.get("title", "")}
    tx.execute(update(tenants).where(tenants.c.id == tenant).values(emptied_at=now, settings=kept))
