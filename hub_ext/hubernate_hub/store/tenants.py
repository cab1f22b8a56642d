"""Tenants and owners: rows behind the names."""

from dataclasses import dataclass

from sqlalchemy import insert, select, update

from hubernate_core.names import OwnerId, TenantId, new_id, tenant_namespace
from hubernate_core.tenant import Tenant

from .database import Tx
from .schema import owners, tenants


@dataclass(frozen=True)
class Owner:
    """A person inside one tenant. `hub_name` is the spelling the hub knows."""

    id: OwnerId
    user: str
    hub_name: str
    tenant_id: TenantId


def sync(tx: Tx, wanted: dict[str, dict[str, object]]) -> None:
    """Make the active tenants those of `wanted` (name → settings without id and name). Rows are never deleted."""
    known = {row.name: row for row in tx.execute(select(tenants))}
    for name, settings in wanted.items():
        if name not in known:
            tx.execute(insert(tenants).values(id=new_id(), name=name, active=True, settings=settings))
        elif not known[name].active or known[name].settings != settings:
            tx.execute(update(tenants).where(tenants.c.name == name).values(active=True, settings=settings))
    for name in known.keys() - wanted.keys():
        tx.execute(update(tenants).where(tenants.c.name == name).values(active=False))


def all_tenants(tx: Tx, *, active_only: bool = False) -> dict[TenantId, Tenant]:
    """Every tenant by id."""
    query = select(tenants).where(tenants.c.active) if active_only else select(tenants)
    found = (Tenant.model_validate({"id": row.id, "name": row.name} | row.settings) for row in tx.execute(query))
    return {tenant.id: tenant for tenant in found}


def give_namespaces(tx: Tx, instance: str) -> None:
    """Every tenant without a Kubernetes namespace gets the name of one; a name that was given stays."""
    for row in tx.execute(select(tenants.c.id).where(tenants.c.namespace == "")).all():
        name = tenant_namespace(instance, TenantId(row.id))
        tx.execute(update(tenants).where(tenants.c.id == row.id).values(namespace=name))


def namespace_of(tx: Tx, tenant: TenantId) -> str:
    """The tenant's namespace; empty: it was given none."""
    return str(tx.execute(select(tenants.c.namespace).where(tenants.c.id == tenant)).scalar_one())


def lock(tx: Tx, tenant: TenantId) -> None:
    """Other starts in this tenant wait until this transaction ends."""
    tx.execute(select(tenants.c.id).where(tenants.c.id == tenant).with_for_update())


def find_owner(tx: Tx, user: str, tenant: TenantId) -> Owner | None:
    """The owner row of normalised `user` in `tenant`."""
    row = tx.execute(select(owners).where(owners.c.user == user, owners.c.tenant_id == tenant)).one_or_none()
    return None if row is None else Owner(OwnerId(row.id), row.user, row.hub_name, TenantId(row.tenant_id))


def add_owner(tx: Tx, user: str, hub_name: str, tenant: TenantId) -> Owner:
    """A new owner row; the caller holds `lock`."""
    owner = Owner(OwnerId(new_id()), user, hub_name, tenant)
    tx.execute(insert(owners).values(id=owner.id, user=user, hub_name=hub_name, tenant_id=tenant))
    return owner
