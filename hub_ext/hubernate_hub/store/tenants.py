"""Tenants and owners: rows behind the names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update

from hubernate_core.names import OwnerId, TenantId, new_id, tenant_namespace
from hubernate_core.tenant import Tenant

from .database import Tx
from .schema import owners, tenants

_AT_ONCE = 1000
"""Names in one query: a person may be in ten thousand groups, and SQLite takes 32,766 values."""


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
    return {tenant.id: tenant for tenant in map(_tenant, tx.execute(query))}


def with_ids(tx: Tx, ids: Iterable[TenantId]) -> dict[TenantId, Tenant]:
    """Tenants by id; unknown ones are left out."""
    query = select(tenants).where(tenants.c.id.in_(sorted(set(ids))))
    return {tenant.id: tenant for tenant in map(_tenant, tx.execute(query))}


def of_groups(tx: Tx, groups: Iterable[str]) -> list[Tenant]:
    """The active tenants whose members the people of `groups` are, by name."""
    names, found = sorted(set(groups)), []
    for first in range(0, len(names), _AT_ONCE):
        query = select(tenants).where(tenants.c.active, tenants.c.name.in_(names[first : first + _AT_ONCE]))
        found += [_tenant(row) for row in tx.execute(query)]
    return sorted(found, key=lambda each: each.name)


def _tenant(row: Row[Any]) -> Tenant:
    return Tenant.model_validate({"id": row.id, "name": row.name} | row.settings)


def give_namespaces(tx: Tx, instance: str) -> None:
    """Every tenant without a Kubernetes namespace gets the name of one; a name that was given stays."""
    for row in tx.execute(select(tenants.c.id).where(tenants.c.namespace == "")).all():
        name = tenant_namespace(instance, TenantId(row.id))
        tx.execute(update(tenants).where(tenants.c.id == row.id).values(namespace=name))


def namespace_of(tx: Tx, tenant: TenantId) -> str:
    """The tenant's namespace; empty: it was given none."""
    return str(tx.execute(select(tenants.c.namespace).where(tenants.c.id == tenant)).scalar_one())


def lock(tx: Tx, tenant: TenantId) -> Tenant | None:
    """The tenant as it is now; other starts in it, and changes of it, wait until this transaction ends."""
    row = tx.execute(select(tenants).where(tenants.c.id == tenant).with_for_update()).one_or_none()
    return None if row is None else _tenant(row)


def find_owner(tx: Tx, user: str, tenant: TenantId) -> Owner | None:
    """The owner row of normalised `user` in `tenant`."""
    row = tx.execute(select(owners).where(owners.c.user == user, owners.c.tenant_id == tenant)).one_or_none()
    return None if row is None else Owner(OwnerId(row.id), row.user, row.hub_name, TenantId(row.tenant_id))


def add_owner(tx: Tx, user: str, hub_name: str, tenant: TenantId) -> Owner:
    """A new owner row; the caller holds `lock`."""
    owner = Owner(OwnerId(new_id()), user, hub_name, tenant)
    tx.execute(insert(owners).values(id=owner.id, user=user, hub_name=hub_name, tenant_id=tenant))
    return owner
