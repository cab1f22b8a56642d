"""The queue of starts, for people: who waits in a team, and giving a place up."""

from collections.abc import Iterable
from dataclasses import replace

from fastapi import APIRouter, Response
from pydantic import BaseModel

from hubernate_core.queue import Place

from ..context import Work
from ..reconcile.queue import look
from ..services import places
from ..services.deeds import Deed, note
from ..store import waits
from ..store.waits import WaitRow
from .access import Standing, standing_in
from .auth import ContextOf, SignedIn, place_of
from .door import Entered, needs
from .sessions import Person

router = APIRouter(prefix="/api/v1", tags=["queue"])


class ShownPlace(Place):
    """A place in the queue. `may_cancel`: it is yours, or you are an admin of the team."""

    may_cancel: bool


class Waiting(BaseModel):
    """Starts that wait, the next one first."""

    items: list[ShownPlace]


@router.get("/queue")
async def my_places(context: ContextOf, person: SignedIn) -> Waiting:
    """Your own starts that wait, in every team."""
    await look(context)

    def use(work: Work) -> Waiting:
        return Waiting(items=shown_places(work, person, waits.of_person(work.tx, person.hub_name), admin=False))

    return await context.read(use)


@router.get("/tenants/{tenant}/queue", openapi_extra=needs(Standing.MEMBER))
async def team_queue(context: ContextOf, door: Entered, tenant: str) -> Waiting:
    """Whose starts wait in the team, where each stands, and why."""
    await look(context)

    def use(work: Work) -> Waiting:
        row = door.tenant(work, tenant)
        admin = standing_in(work, door.person, row.id) >= Standing.TENANT_ADMIN
        return Waiting(items=shown_places(work, door.person, waits.of_tenant(work.tx, row.id), admin=admin))

    return await context.read(use)


@router.delete("/queue/{place}", status_code=204, openapi_extra=needs(Standing.NOBODY))
async def cancel(context: ContextOf, door: Entered, place: str) -> Response:
    """Give up a place, your own or, as an admin of its team, a member's. The start ends and says by whom."""

    def use(work: Work) -> None:
        row = place_of(work, door.person, place)
        places.give_up(work, row, door.person.hub_name)
        standing = standing_in(work, door.person, row.tenant_id)
        role = "owner" if row.hub_name == door.person.hub_name else standing.words
        target = f"{row.user}/{row.server_name} {row.id}"
        note(work, replace(door.actor(standing), role=role), Deed("queue.cancel", target, row.tenant_id))

    await context.write(use)
    context.bell.ring(f"place:{place}", "queue")
    return Response(status_code=204)


def shown_places(work: Work, person: Person, rows: Iterable[WaitRow], *, admin: bool) -> list[ShownPlace]:
    """Those of `rows` that the newest look knows, the next one first; `admin`: of their team."""
    known = work.context.lookout.outlook.places
    found = [
        ShownPlace(**known[row.id].model_dump(), may_cancel=admin or row.hub_name == person.hub_name)
        for row in rows
        if row.id in known and not row.cancelled_by
    ]
    return sorted(found, key=lambda each: (each.position, each.since, each.id))
