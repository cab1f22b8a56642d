"""The page of schedules: the person's in each team, everybody's for admins of one."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from hubernate_core.schedule_request import Schedule
from hubernate_core.tenant import Tenant

from ..api.access import Door, Standing
from ..api.auth import ContextOf, SignedIn
from ..api.schedules import page as schedule_page
from ..context import Work
from ..store import tenants
from .jobs import who_is
from .render import page

router = APIRouter(include_in_schema=False)
_TEAMS, _SCHEDULES = 100, 100


@router.get("/schedules")
async def schedule_list(request: Request, context: ContextOf, person: SignedIn, everyone: bool = False) -> Response:
    """The person's schedules, team by team; with `everyone`, all of those teams that they govern."""
    door = Door(person, Standing.MEMBER)

    def use(work: Work) -> dict[str, Any]:
        found: list[tuple[Tenant, list[Schedule]]] = []
        governs = False
        for row in tenants.page(work.tx, after="", limit=_TEAMS, contains="", only=door.mine(work)):
            who = who_is(work, door, row)
            governs = governs or who.governs
            mine = schedule_page(work, who, everyone=everyone and who.governs, limit=_SCHEDULES, offset=0).items
            if mine:
                found.append((row, mine))
        return {"teams": found, "governs": governs, "everyone": everyone and governs}

    values = await context.read(use)
    return await page(request, context, "schedules.html", person=person, there=context.jobs is not None, **values)
