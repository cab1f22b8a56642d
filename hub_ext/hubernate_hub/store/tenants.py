"""Tenants and owners: rows behind the names."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, exc, insert, select, update

from hubernate_core.errors import Conflict
from hubernate_core.names import OwnerId, TenantId, new_id, tenant_namespace
from hubernate_core.tenant import Tenant, TenantSettings

from .database import Tx
from .schema import owners, tenant_groups, tenants


@dataclass(frozen=True)
class Owner:
    """A person inside one tenant. `hub_name` is the spelling the hub knows."""

    id: OwnerId
    user: str
    hub_name: str
    tenant_id: TenantId


@dataclass(frozen=True)
class TenantRow:
    """A tenant that is not deleted. `version` grows with every change of it or its members."""

    tenant: Tenant
    version: int
    suspended: bool
    seed: dict[str, object] | None = None
    marked_at: datetime | None = None
    """Since when it is marked for deletion; nothing of it is gone."""

    @property
    def id(self) -> TenantId:
        """The tenant's id."""
        return self.tenant.id

    @property
    def name(self) -> str:
        """The tenant's name."""
        return self.tenant.name


def present() -> Select[Any]:
    """Query of the tenants that are not deleted."""
    return select(tenants).where(tenants.c.deleted_at.is_(None))


def row_of(row: Row[Any]) -> TenantRow:
    """One row of `present`."""
    tenant = Tenant.model_validate({"id": row.id, "name": row.name} | row.settings)
    return TenantRow(tenant, row.version, not row.active, row.seed, row.marked_at)


def all_tenants(tx: Tx, *, active_only: bool = False) -> dict[TenantId, Tenant]:
    """Every tenant that is not deleted, by id; with `active_only`, not the suspended ones."""
    query = present().where(tenants.c.active) if active_only else present()
    return {row.id: row_of(row).tenant for row in tx.execute(query)}


def with_ids(tx: Tx, ids: Iterable[TenantId], *, active_only: bool = False) -> dict[TenantId, Tenant]:
    """Tenants by id, deleted ones too unless `active_only`; unknown ones are left out."""
    query = select(tenants).where(tenants.c.id.in_(sorted(set(ids))))
    if active_only:
        query = query.where(tenants.c.active)
    return {row.id: row_of(row).tenant for row in tx.execute(query)}


def find(tx: Tx, name: str, *, hold: bool = False) -> TenantRow | None:
    """The tenant called `name`; with `hold` as by `lock`."""
    query = present().where(tenants.c.name == name)
    row = tx.execute(query.with_for_update() if hold else query).one_or_none()
    return None if row is None else row_of(row)


def seeded(tx: Tx) -> list[TenantRow]:
    """Tenants that the tenants file named when it was read last."""
    rows = (row_of(row) for row in tx.execute(present()))
    return [row for row in rows if row.seed is not None]


def page(tx: Tx, *, after: str, limit: int, contains: str = "", only: Iterable[TenantId] | None = None) -> list[Tenant]:
    """Up to `limit` tenants whose names come behind `after`, by name; those of `only` where it is given."""
    query = present().where(tenants.c.name > after)
    if contains:
        query = query.where(tenants.c.name.contains(contains, autoescape=True))
    if only is not None:
        query = query.where(tenants.c.id.in_(sorted(only)))
    return [row_of(row).tenant for row in tx.execute(query.order_by(tenants.c.name).limit(limit))]


def create(tx: Tx, name: str, settings: TenantSettings, *, seed: dict[str, object] | None = None) -> TenantRow:
    """A new tenant.

    Raises:
        Conflict: there is one of that name.
    """
    tenant = Tenant.model_validate({"id": new_id(), "name": name} | settings.model_dump(mode="json"))
    values = {"settings": settings.model_dump(mode="json"), "active": True, "version": 1, "seed": seed}
    try:
        tx.execute(insert(tenants).values(id=tenant.id, name=name, **values))
    except exc.IntegrityError as problem:
        raise Conflict(f"there is a tenant {name!r} already; nothing was changed", tenant=name) from problem
    _index_groups(tx, tenant)
    return TenantRow(tenant, 1, suspended=False, seed=seed)


def save(tx: Tx, row: TenantRow, settings: TenantSettings, *, suspended: bool) -> TenantRow:
    """Store what became of a tenant; the caller holds it by `find` or `lock`."""
    tenant = Tenant.model_validate({"id": row.id, "name": row.name} | settings.model_dump(mode="json"))
    values = {"settings": settings.model_dump(mode="json"), "active": not suspended, "version": row.version + 1}
    marked = row.marked_at if suspended else None  # whoever lets it go on wants to keep it
    tx.execute(update(tenants).where(tenants.c.id == row.id).values(**values, seed=row.seed, marked_at=marked))
    _index_groups(tx, tenant)
    return TenantRow(tenant, row.version + 1, suspended, row.seed, marked)


def mark(tx: Tx, row: TenantRow, now: datetime) -> TenantRow:
    """Suspend a tenant, which the caller holds, as the first step of its deletion."""
    values = {"active": False, "marked_at": now, "version": row.version + 1}
    tx.execute(update(tenants).where(tenants.c.id == row.id).values(**values))
    return TenantRow(row.tenant, row.version + 1, suspended=True, seed=row.seed, marked_at=now)


def touch(tx: Tx, row: TenantRow) -> None:
    """Make the tenant's version new: something beside its settings changed."""
    tx.execute(update(tenants).where(tenants.c.id == row.id).values(version=row.version + 1))


def remove(tx: Tx, row: TenantRow, now: datetime) -> None:
    """Take a tenant out of use. Its row stays, since what it left names it; its name becomes free and its title."""
    tx.execute(delete(tenant_groups).where(tenant_groups.c.tenant_id == row.id))
    titled = row.tenant.settings.model_dump(mode="json") | {"title": row.tenant.title or row.name}
    values = {"deleted_at": now, "active": False, "name": f"deleted {row.id}", "seed": None, "settings": titled}
    tx.execute(update(tenants).where(tenants.c.id == row.id).values(**values))


def _index_groups(tx: Tx, tenant: Tenant) -> None:
    tx.execute(delete(tenant_groups).where(tenant_groups.c.tenant_id == tenant.id))
    rows = [
        {"tenant_id": tenant.id, "group_name": group, "role": str(role)}
        for group, role in tenant.groups_of(tenant.name).items()
    ]
    tx.execute(insert(tenant_groups), rows)


def give_namespaces(tx: Tx, instance: str) -> None:
    """Every tenant without a Kubernetes namespace gets the name of one; a name that was given stays."""
    for row in tx.execute(select(tenants.c.id).where(tenants.c.namespace == "")).all():
        name = tenant_namespace(instance, TenantId(row.id))
        tx.execute(update(tenants).where(tenants.c.id == row.id).values(namespace=name))


def namespace_of(tx: Tx, tenant: TenantId) -> str:
    """The tenant's namespace; empty: it was given none."""
    return str(tx.execute(select(tenants.c.namespace).where(tenants.c.id == tenant)).scalar_one())


def lock(tx: Tx, tenant: TenantId) -> TenantRow | None:
    """The tenant as it is now; other starts in it, and changes of it, wait until this transaction ends."""
    row = tx.execute(present().where(tenants.c.id == tenant).with_for_update()).one_or_none()
    return None if row is None else row_of(row)


def find_owner(tx: Tx, user: str, tenant: TenantId) -> Owner | None:
    """The owner row of normalised `user` in `tenant`."""
    row = tx.execute(select(owners).where(owners.c.user == user, owners.c.tenant_id == tenant)).one_or_none()
    return None if row is None else Owner(OwnerId(row.id), row.user, row.hub_name, TenantId(row.tenant_id))


def spelt_otherwise(tx: Tx, user: str, hub_name: str) -> set[TenantId]:
    """The tenants in which normalised `user` is somebody whom the hub does not call `hub_name`."""
    query = select(owners.c.tenant_id).where(owners.c.user == user, owners.c.hub_name != hub_name)
    return set(tx.execute(query).scalars())


def people_of(tx: Tx, tenant: TenantId) -> list[str]:
    """Everybody who has a home in `tenant`."""
    return list(tx.execute(select(owners.c.user).where(owners.c.tenant_id == tenant).order_by(owners.c.user)).scalars())


def add_owner(tx: Tx, user: str, hub_name: str, tenant: TenantId) -> Owner:
    """A new owner row; the caller holds `lock`."""
    owner = Owner(OwnerId(new_id()), user, hub_name, tenant)
    tx.execute(insert(owners).values(id=owner.id, user=user, hub_name=hub_name, tenant_id=tenant))
    return owner
