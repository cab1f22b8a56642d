"""The pages of teams: what is used of what may be used, by whom, and the settings that their admins change."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from hubernate_core.errors import InvalidInput
from hubernate_core.refusal import label_of
from hubernate_core.tenant import Role

from ..api import retention
from ..api.access import Door, Standing, standing_in
from ..api.auth import ContextOf, SignedIn
from ..api.body import load
from ..api.culling import tried as dry_run
from ..api.paging import Cursor, decode, encode
from ..api.queue import shown_places
from ..api.usage import scope_of
from ..context import Work
from ..reconcile.queue import look
from ..services import governing, ledger, people_use, usage
from ..store import audit, servers, team_images, tenants, waits
from ..store.tenants import TenantRow
from . import views, words
from .overview import glance
from .render import page
from .spending import Lately, Span

router = APIRouter(include_in_schema=False)
_TEAMS, _PEOPLE, _DEEDS, _LEAVING, _SERVERS, _SLEEPERS = 50, 100, 20, 20, 20, 50


@router.get("/teams")
async def team_list(
    request: Request,
    context: ContextOf,
    person: SignedIn,
    cursor: Cursor = "",
    q: Annotated[str, Query(max_length=30)] = "",
) -> Response:
    """The person's teams; for admins of the platform, all: those on one page in a fixed number of queries."""
    door = Door(person, Standing.MEMBER)
    part = q if q.isprintable() else ""

    def use(work: Work) -> dict[str, Any]:
        only = door.mine(work)
        found = tenants.page(work.tx, after=decode(cursor), limit=_TEAMS + 1, contains=part, only=only)
        shown = found[:_TEAMS]
        held = ledger.held(work, shown)
        rows = [(each, usage.uses(each, held[each.id], person.user)[:3]) for each in shown]
        return {"rows": rows, "next": encode(shown[-1].name) if len(found) > _TEAMS else ""}

    return await page(request, context, "teams.html", person=person, q=part, **await context.read(use))


@router.get("/teams/{tenant}/servers")
async def team_servers(
    request: Request, context: ContextOf, person: SignedIn, tenant: str, cursor: Cursor = ""
) -> Response:
    """The members' servers, for the team's admins."""
    door = Door(person, Standing.TENANT_ADMIN)

    def use(work: Work) -> dict[str, Any]:
        row = door.tenant(work, tenant)
        found = servers.page_of_tenant(work.tx, row.id, after=decode(cursor), limit=_SERVERS + 1)
        more = encode(found[_SERVERS - 1].id) if len(found) > _SERVERS else ""
        return {"team": row.tenant, "cards": views.cards(work, found[:_SERVERS]), "next": more}

    return await page(request, context, "team_servers.html", person=person, **await context.read(use))


@router.get("/teams/{tenant}")
async def one_team(
    request: Request, context: ContextOf, person: SignedIn, tenant: str, days: Span = Span.MONTH
) -> Response:
    """One team: for its admins with all that is of it, for a member with their own use."""
    door = Door(person, Standing.MEMBER)
    await look(context)

    def use(work: Work) -> dict[str, Any]:
        row = door.tenant(work, tenant)
        standing = standing_in(work, person, row.id)
        held = ledger.held_in(work, row.tenant)
        admin = standing >= Standing.TENANT_ADMIN
        deeds = audit.page(work.tx, before=None, limit=_DEEDS, tenant=row.id) if admin else []
        going = retention.show(work, door, tenant).items if admin else []
        lately = Lately(work, days)
        people = people_use.by_person(row.tenant, held)  # everybody who ever started something has a home
        shown = people[:_PEOPLE]
        waiting = shown_places(work, person, waits.of_tenant(work.tx, row.id), admin=admin)
        return {
            "glance": glance(work, [row.id]) if admin else None,
            "spending": lately.spending(scope_of(work, door, row.name), row.name),
            "shares": lately.shares(row.id, [each.user for each in shown]) if admin else {},
            "team": governing.document_of(work, row),
            "version": row.version,
            "use": usage.uses(row.tenant, held, person.user),
            "places": [(each, views.moment(each.since, work.now)) for each in waiting],
            "people": shown,
            "more": max(0, len(people) - _PEOPLE),
            "images": [
                (each, views.moment(each.created_at, work.now)) for each in team_images.of_tenants(work.tx, [row.id])
            ],
            "leaving": [views.going(each, work.now) for each in going[:_LEAVING]],
            "leaving_more": max(0, len(going) - _LEAVING),
            "groups": row.tenant.groups_of(row.name),
            "deeds": [(each, views.moment(each.at, work.now)) for each in deeds],
            "admin": admin,
            **(_sleepers(work, door, row, {}) if admin else {}),
            "platform": standing is Standing.PLATFORM_ADMIN,
        }

    found = await context.read(use)
    if found["admin"]:
        found["written"] = found["team"].model_dump(mode="json")
    return await page(request, context, "team.html", person=person, roles=list(Role), label=label_of, **found)


@router.get("/fragment/teams/{tenant}/sleep")
async def sleepers(
    request: Request, context: ContextOf, person: SignedIn, tenant: str, culling: Annotated[str, Query(max_length=4000)]
) -> Response:
    """Who would go to sleep, by the team's rules with the changes in `culling`, for a page that is open."""
    door, changes = Door(person, Standing.TENANT_ADMIN), load(culling.encode())
    if not isinstance(changes, dict):
        raise InvalidInput("culling", "is an object with the fields to change")
    found = await context.read(lambda work: _sleepers(work, door, door.tenant(work, tenant), changes))
    return await page(request, context, "sleepers.html", person=person, **found)


def _sleepers(work: Work, door: Door, row: TenantRow, changes: dict[str, Any]) -> dict[str, Any]:
    preview = dry_run(work, door, row, changes)
    shown = [
        (
            each,
            f"{each.sleeps_at:%d %B, %H:%M} UTC",
            words.span(work.now - each.due_at) if each.due_at < work.now else "",
        )
        for each in preview.items[:_SLEEPERS]
    ]
    return {"preview": preview, "sleepers": shown, "tried": bool(changes)}
