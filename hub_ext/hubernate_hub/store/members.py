"""Who is in a tenant, and as what: by a group of the identity provider, or by our own list. The higher role counts."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from hubernate_core.names import TenantId
from hubernate_core.tenant import Member, Role

from .database import Tx
from .schema import members, tenant_groups, tenants
from .tenants import TenantRow, present, row_of

_AT_ONCE = 1000
"""Groups in one query: a person may be in ten thousand, and SQLite takes 32,766 values."""


def roles_of(tx: Tx, hub_name: str, groups: Iterable[str]) -> dict[TenantId, Role]:
    """The tenants that a person is in. `hub_name` is compared as it is: another spelling is another person."""
    names = sorted(set(groups))
    found: dict[TenantId, Role] = {}
    for first in range(0, len(names), _AT_ONCE):
        some = names[first : first + _AT_ONCE]
        query = select(tenant_groups.c.tenant_id, tenant_groups.c.role).where(tenant_groups.c.group_name.in_(some))
        for row in tx.execute(query):
            _raise(found, TenantId(row.tenant_id), Role(row.role))
    for row in tx.execute(select(members.c.tenant_id, members.c.role).where(members.c.hub_name == hub_name)):
        _raise(found, TenantId(row.tenant_id), Role(row.role))
    return found


def _raise(found: dict[TenantId, Role], tenant: TenantId, role: Role) -> None:
    if role is Role.ADMIN or tenant not in found:
        found[tenant] = role


def known_groups(tx: Tx, groups: Iterable[str]) -> list[str]:
    """Those of `groups` that some tenant names, sorted."""
    names, found = sorted(set(groups)), set[str]()
    for first in range(0, len(names), _AT_ONCE):
        query = select(tenant_groups.c.group_name).where(
            tenant_groups.c.group_name.in_(names[first : first + _AT_ONCE])
        )
        found |= set(tx.execute(query).scalars())
    return sorted(found)


@dataclass(frozen=True)
class Circle:
    """Who is in one tenant: the people of `groups`, and those on its own list, by the hub's very spelling."""

    groups: frozenset[str]
    listed: frozenset[str]

    def holds(self, hub_name: str, groups: Collection[str]) -> bool:
        """Whether a person in `groups` is in."""
        return hub_name in self.listed or not self.groups.isdisjoint(groups)


def circles(tx: Tx, wanted: Iterable[TenantId]) -> dict[TenantId, Circle]:
    """The circle of each of the tenants, in two queries for a thousand of them."""
    ids = sorted(set(wanted))
    groups: dict[str, set[str]] = {each: set() for each in ids}
    listed: dict[str, set[str]] = {each: set() for each in ids}
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        for row in tx.execute(select(tenant_groups).where(tenant_groups.c.tenant_id.in_(some))):
            groups[row.tenant_id].add(row.group_name)
        for row in tx.execute(select(members).where(members.c.tenant_id.in_(some))):
            listed[row.tenant_id].add(row.hub_name)
    return {each: Circle(frozenset(groups[each]), frozenset(listed[each])) for each in ids}


def tenants_of(tx: Tx, hub_name: str, groups: Iterable[str]) -> list[TenantRow]:
    """The tenants that a person is in and that may start something, by name."""
    mine = sorted(roles_of(tx, hub_name, groups))
    query = present().where(tenants.c.id.in_(mine), tenants.c.active).order_by(tenants.c.name)
    return [row_of(row) for row in tx.execute(query)]


def of_tenant(tx: Tx, tenant: TenantId) -> tuple[Member, ...]:
    """Our own list of a tenant, by name."""
    query = select(members).where(members.c.tenant_id == tenant).order_by(members.c.hub_name)
    return tuple(Member(user=row.hub_name, role=Role(row.role)) for row in tx.execute(query))


def put(tx: Tx, tenant: TenantId, member: Member) -> None:
    """Make a person a member, or change what they are."""
    mine = (members.c.tenant_id == tenant, members.c.hub_name == member.user)
    if not tx.execute(update(members).where(*mine).values(role=str(member.role))).rowcount:
        tx.execute(insert(members).values(tenant_id=tenant, hub_name=member.user, role=str(member.role)))


def remove(tx: Tx, tenant: TenantId, user: str) -> bool:
    """Take a person off our list; whether they were on it."""
    done = tx.execute(delete(members).where(members.c.tenant_id == tenant, members.c.hub_name == user))
    return bool(done.rowcount)


def replace(tx: Tx, tenant: TenantId, wanted: Iterable[Member]) -> None:
    """Make our list exactly `wanted`."""
    tx.execute(delete(members).where(members.c.tenant_id == tenant))
    rows = [{"tenant_id": tenant, "hub_name": each.user, "role": str(each.role)} for each in wanted]
    if rows:
        tx.execute(insert(members), rows)
