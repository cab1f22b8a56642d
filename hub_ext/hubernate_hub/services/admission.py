"""Whether a start is made now, waits or is refused: by the quota, then by its turn.

Callers that admit hold the tenant's lock, so that the answer and the server's row are one (P6).
"""

from dataclasses import dataclass, replace

from hubernate_core import refusal
from hubernate_core.errors import Conflict, OverQuota
from hubernate_core.names import PlaceId, ServerId, new_id
from hubernate_core.profile import Profile
from hubernate_core.queue import Place, Standing, Wait, next_starts, settle, why_not
from hubernate_core.quota import Amounts, Holding
from hubernate_core.tenant import Tenant
from hubernate_core.wire import StartRequest

from ..context import Work
from ..store import waits
from ..store.waits import WaitRow
from . import ledger, places


@dataclass(frozen=True)
class Wanted:
    """A start of `user`'s. `server` is None for one that never was; `admitted`: it was, and is asked for again."""

    user: str
    server: ServerId | None
    new_home: bool
    admitted: bool = False


@dataclass(frozen=True)
class Room:
    """A tenant as a start finds it: what is held of it, and who waits."""

    tenant: Tenant
    held: tuple[Holding, ...]
    waiting: tuple[Wait, ...]

    def stand(self, wait: Wait) -> Standing:
        """Where `wait` stands among those who wait."""
        everyone = settle(self.tenant.quota, self.held, [*self.waiting, wait])
        return next(each for each in everyone if each.wait is wait)


def room(work: Work, tenant: Tenant, *, but: ServerId | None = None) -> Room:
    """`tenant` now; what server `but` holds or waits for left out."""
    rows = [each for each in waits.of_tenant(work.tx, tenant.id) if not each.cancelled_by]
    others = [each for each in rows if but is None or each.server_id != but]
    held = ledger.held_in(work, tenant, but=but)
    return Room(tenant, tuple(held), tuple(places.as_wait(work, each) for each in others))


def look_at(work: Work, here: Room, wanted: Wanted, profile: Profile) -> Standing:
    """Where a start of `profile` would stand if it were asked for now."""
    asked = _amounts(work, here.tenant, wanted, profile)
    return here.stand(Wait(PlaceId(""), here.tenant.id, wanted.user, asked, work.now))


def admit(work: Work, tenant: Tenant, request: StartRequest, wanted: Wanted, profile: Profile) -> Place | None:
    """None when the start is to be made now: the caller stores the server in the same transaction. Else its place.

    Raises:
        OverQuota: it does not fit, and did not choose to wait, or would wait in vain.
        Conflict: its place was given up by somebody; or it did not choose to wait, and what is free is kept for others.
    """
    before = _place_before(work, tenant, request)
    row = WaitRow(
        id=PlaceId(new_id()) if before is None else before.id,
        tenant_id=tenant.id,
        user=wanted.user,
        hub_name=request.user,
        server_name=request.server_name,
        server_id=wanted.server,
        profile=profile.name,
        wanted=_amounts(work, tenant, wanted, profile),
        choice=request.choice,
        since=work.now if before is None else before.since,
    )
    found = room(work, tenant, but=wanted.server)
    # What was admitted holds its place in the books already, and nobody gets before it.
    others = () if wanted.admitted else tuple(each for each in found.waiting if each.id != row.id)
    here = replace(found, waiting=others)
    wait = places.as_wait(work, row)
    standing = here.stand(wait)
    if not standing.fits:
        if standing.in_vain or not request.choice.wait:
            raise _refusal(work, here, wanted, standing)
        place = places.for_quota(row, tenant, standing)
    elif not wanted.admitted and (turn := _turn(work, wait)) is not None:
        place = places.for_turn(work, row, tenant, *turn)
    else:
        places.end(work, [row], "started")
        return None
    waits.put(work.tx, row)
    work.context.lookout.show(place, wait if standing.fits else None)
    return place


def _place_before(work: Work, tenant: Tenant, request: StartRequest) -> WaitRow | None:
    """The place that the start has in `tenant` already; one elsewhere, or one that was given up, goes."""
    row = waits.of_server(work.tx, request.user, request.server_name)
    if row is None or (row.tenant_id == tenant.id and not row.cancelled_by):
        return row
    if row.cancelled_by and request.place == row.id:
        by = "you" if row.cancelled_by == row.hub_name else row.cancelled_by
        raise Conflict(f"its place in the queue was given up by {by}; nothing is lost, and you can start again")
    places.end(work, [row], "left")
    return None


def _turn(work: Work, wait: Wait) -> tuple[int, int] | None:
    """None when `wait` is among the next starts of the platform; else where it stands among how many later ones."""
    others = [each for each in work.context.lookout.outlook.ready if each.id != wait.id]
    go, later = next_starts([*others, wait], places.starting(work), work.context.settings.starts_at_once)
    return None if wait in go else (later.index(wait) + 1, len(later))


def _amounts(work: Work, tenant: Tenant, wanted: Wanted, profile: Profile) -> Amounts:
    # Of checkpoints nothing more, but not while they are over.
    home = ledger.of_home(work, tenant) if wanted.new_home else {}
    return {**ledger.of_server(work, profile), **home, "checkpoint_bytes": 0}


def _refusal(work: Work, here: Room, wanted: Wanted, standing: Standing) -> Conflict:
    for each in standing.short:
        work.context.metrics.refused.labels(each.scope).inc()
    allowed = work.context.catalogue.allowed(here.tenant).values()
    fitting = [each.title for each in allowed if look_at(work, here, wanted, each).fits]
    why = why_not(here.tenant.title or here.tenant.name, standing)
    told = refusal.tell(why, fitting, may_wait=not standing.in_vain)
    if not standing.short:  # it would fit, were it not for those who asked before
        return Conflict(told, tenant=here.tenant.name)
    return OverQuota(told, [each.model_dump(mode="json") for each in standing.short], tenant=here.tenant.name)
