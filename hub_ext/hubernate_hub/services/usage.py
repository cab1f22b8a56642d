"""What a tenant uses of what it may, as pages, form, API and command line show it."""

from collections.abc import Iterable, Sequence

from hubernate_core import refusal
from hubernate_core.profile import Profile
from hubernate_core.queue import why_not
from hubernate_core.quota import Holding, limit_of, used_by
from hubernate_core.tenant import Tenant
from hubernate_core.wire import Use

from ..context import Work
from .admission import Room, Wanted, look_at

_ALWAYS = ("servers", "cpu", "memory")


def uses(tenant: Tenant, mine: Sequence[Holding], user: str) -> tuple[Use, ...]:
    """Every resource that is limited or used, `user`'s own share beside it."""
    limits, own = tenant.quota.limits, tenant.quota.per_user.limits
    named = {name for each in mine for name in each.amounts}
    order = dict.fromkeys((*_ALWAYS, *sorted({*limits, *own, *named})))
    return tuple(_use(name, limit_of(limits, name), own.get(name), mine, user) for name in order)


def _use(resource: str, limit: int | None, my_limit: int | None, held: Sequence[Holding], user: str) -> Use:
    shares = {each.user: each.amount for each in used_by(held, resource)}
    used, mine = sum(shares.values()), shares.get(user, 0)
    return Use(
        resource=resource,
        label=refusal.label_of(resource),
        used=used,
        limit=limit,
        shown=_shown(resource, used, limit),
        mine=mine,
        my_limit=my_limit,
        my_shown=_shown(resource, mine, my_limit),
    )


def _shown(resource: str, used: int, limit: int | None) -> str:
    if limit is None:
        return refusal.show_amount(resource, used)
    if resource == "cpu":
        return f"{used / 1000:g} of {refusal.show_amount(resource, limit)}"
    return f"{refusal.show_amount(resource, used)} of {refusal.show_amount(resource, limit)}"


def refusals(work: Work, room: Room, wanted: Wanted, profiles: Iterable[Profile]) -> dict[str, str]:
    """By profile: why a start of it would be refused now, or wait; empty: it fits."""
    title = room.tenant.title or room.tenant.name
    standings = {each.name: look_at(work, room, wanted, each) for each in profiles}
    return {name: "" if each.fits else why_not(title, each) for name, each in standings.items()}
