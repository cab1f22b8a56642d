"""Sums of what was used over days, of those that somebody may see. One query each, whatever the number of people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, tuple_

from hubernate_core.metering import EVERYBODY
from hubernate_core.names import TenantId

from .database import Tx
from .schema import tenants
from .usage_schema import usage

Used = dict[tuple[date, str], int]
"""Metered amounts by first day of the price list in force, and resource: what `cost.cost` takes."""


@dataclass(frozen=True)
class Scope:
    """Whose use: all of `whole` tenants (None: of the platform), and `user`'s own part of those in `own`."""

    whole: tuple[TenantId, ...] | None
    own: tuple[TenantId, ...] = ()
    user: str = ""


@dataclass(frozen=True)
class Days:
    """From the first to the last day, both inclusive. `edges`: first days of the price lists."""

    first: date
    last: date
    edges: tuple[date, ...] = ()


@dataclass(frozen=True)
class Named:
    """A tenant that a sum may be of; `deleted` ones stay in what was used."""

    id: TenantId
    name: str
    title: str
    deleted: bool


def total(tx: Tx, scope: Scope, days: Days) -> Used:
    """All together."""
    return _by((), tx, _of(scope), days).get((), {})


def by_day(tx: Tx, scope: Scope, days: Days) -> dict[date, Used]:
    """By UTC day."""
    return {key[0]: used for key, used in _by((usage.c.day,), tx, _of(scope), days).items()}


def by_tenant(tx: Tx, scope: Scope, days: Days, ids: Iterable[TenantId]) -> dict[TenantId, Used]:
    """By tenant, of those in `ids`."""
    some = set(ids)
    whole = tuple(some) if scope.whole is None else tuple(some & set(scope.whole))
    where = _of(Scope(whole, tuple(some & set(scope.own)), scope.user))
    return {key[0]: used for key, used in _by((usage.c.tenant_id,), tx, where, days).items()}


def by_person(tx: Tx, days: Days, people: Sequence[tuple[TenantId, str]]) -> dict[tuple[TenantId, str], Used]:
    """By tenant and person, of `people`, who are neighbours in their tenants: in that order, nobody left out."""
    if not people:
        return {}
    first, last = dict(reversed(people)), dict(people)
    where = or_(*(and_(usage.c.tenant_id == each, usage.c.user.between(first[each], last[each])) for each in first))
    found = _by((usage.c.tenant_id, usage.c.user), tx, where, days)
    return {(key[0], key[1]): used for key, used in found.items()}


def of_people(tx: Tx, tenant: TenantId, days: Days, users: Iterable[str]) -> dict[str, Used]:
    """By person, of some people of one tenant."""
    where = and_(usage.c.tenant_id == tenant, usage.c.user.in_(sorted(users)))
    return {key[0]: used for key, used in _by((usage.c.user,), tx, where, days).items()}


def named(tx: Tx, scope: Scope, *, after: str, limit: int) -> list[Named]:
    """Up to `limit` tenants of `scope` with names behind `after`, by name."""
    query = select(tenants.c.id, tenants.c.name, tenants.c.settings, tenants.c.deleted_at)
    query = query.where(tenants.c.name > after).order_by(tenants.c.name).limit(limit)
    if scope.whole is not None:
        query = query.where(tenants.c.id.in_(sorted({*scope.whole, *scope.own})))
    return [_named(row) for row in tx.execute(query)]


def with_ids(tx: Tx, ids: Iterable[TenantId]) -> dict[TenantId, Named]:
    """Tenants by id, deleted ones too."""
    query = select(tenants.c.id, tenants.c.name, tenants.c.settings, tenants.c.deleted_at)
    return {row.id: _named(row) for row in tx.execute(query.where(tenants.c.id.in_(sorted(set(ids)))))}


def people(tx: Tx, scope: Scope, *, after: tuple[str, str], limit: int) -> list[tuple[TenantId, str]]:
    """Up to `limit` people behind `after` in `scope` who ever used something: tenant's id and name, in that order.

    From the books themselves: whose home went with a deleted tenant is nowhere else.
    """
    place = tuple_(usage.c.tenant_id, usage.c.user)
    query = select(usage.c.tenant_id, usage.c.user).distinct()
    query = query.where(place > tuple_(*map(literal, after)), usage.c.user != EVERYBODY)
    if scope.whole is not None:
        whole = usage.c.tenant_id.in_(sorted(scope.whole))
        mine = and_(usage.c.tenant_id.in_(sorted(scope.own)), usage.c.user == scope.user)
        query = query.where(or_(whole, mine) if scope.own else whole)
    rows = tx.execute(query.order_by(usage.c.tenant_id, usage.c.user).limit(limit))
    return [(row.tenant_id, row.user) for row in rows]


def _of(scope: Scope) -> ColumnElement[bool]:
    """The rows that hold the sums of `scope`."""
    everybody = usage.c.user == EVERYBODY
    if scope.whole is None:
        return and_(usage.c.tenant_id == EVERYBODY, everybody)
    whole = and_(usage.c.tenant_id.in_(sorted(scope.whole)), everybody)
    if not scope.own:
        return whole  # with an "or" that is never true SQLite would look at every row
    return or_(whole, and_(usage.c.tenant_id.in_(sorted(scope.own)), usage.c.user == scope.user))


def _by(keys: tuple[Any, ...], tx: Tx, where: ColumnElement[bool], days: Days) -> dict[tuple[Any, ...], Used]:
    later = sorted(days.edges, reverse=True)
    number = case(*((usage.c.day >= edge, at) for at, edge in enumerate(later)), else_=-1) if later else literal(-1)
    # PostgreSQL sees that two expressions are the same only where they have no parameters: so the number is a column.
    rows = select(*keys, number.label("list"), usage.c.resource, usage.c.amount).where(
        where, usage.c.day >= days.first, usage.c.day <= days.last
    )
    inner = rows.subquery()
    groups = [*(inner.c[each.name] for each in keys), inner.c.list, inner.c.resource]
    query = select(*groups, func.sum(inner.c.amount).label("amount")).group_by(*groups)
    found: dict[tuple[Any, ...], Used] = {}
    for row in tx.execute(query):
        edge = date.min if row.list < 0 else later[row.list]
        found.setdefault(tuple(row[: len(keys)]), {})[edge, row.resource] = int(row.amount)
    return found


def _named(row: Any) -> Named:
    return Named(row.id, row.name, row.settings.get("title", ""), row.deleted_at is not None)
