"""The overview of the platform and of one team: what needs somebody first, then what is, was used and what it cost."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from hubernate_core.errors import NotAllowed
from hubernate_core.names import TenantId
from hubernate_core.quantity import show_bytes
from hubernate_core.quota import Holding
from hubernate_core.server import ServerState
from hubernate_core.tenant import Tenant
from hubernate_core.wire import Use

from ..api.access import Door, Standing
from ..api.auth import ContextOf, SignedIn
from ..api.paging import Cursor, decode, encode
from ..context import Work
from ..services import ledger, usage
from ..store import server_lists, tenants, waits
from ..store.usage_sums import Scope
from . import views
from .price_form import price_form
from .render import page
from .spending import Lately, Span

router = APIRouter(include_in_schema=False)
_TEAMS, _FAILED, _FIRST_FAILED = 50, 20, 3
_BARS = {"servers": "Running", "cpu": "Cores", "memory": "Memory"}


@dataclass(frozen=True)
class Glance:
    """What is, now. `failed`: the first few of the servers that could not be saved; `more` of them are not shown."""

    tiles: list[tuple[str, str, str, str]]
    failed: list[views.Card]
    more: int


@dataclass(frozen=True)
class TeamRow:
    """One team: what it uses of what it may, by heading; and the cost of the days that are shown."""

    name: str
    title: str
    bars: list[tuple[str, Use]]
    facts: list[tuple[str, str]]
    cost: str


def glance(work: Work, of: Iterable[TenantId] | None = None) -> Glance:
    """Of some tenants, or of the platform."""
    ids = None if of is None else list(of)
    states = server_lists.states(work.tx, ids)
    number, size = server_lists.stored(work.tx, ids)
    failed = server_lists.failed(work.tx, ids, limit=_FIRST_FAILED)
    count = server_lists.count_failed(work.tx, ids)

    def tile(name: str, state: ServerState, hint: str) -> tuple[str, str, str, str]:
        return name, f"{states.get(state, 0):,}", hint, str(state)

    waiting = sum(number for tenant, number in waits.counts(work.tx).items() if ids is None or tenant in ids)
    tiles = [
        tile("Running", ServerState.RUNNING, "environments that are ready"),
        tile("Starting", ServerState.STARTING, "not ready yet"),
        ("Waiting", f"{waiting:,}", "in line to start", "waiting"),
        tile("Sleeping", ServerState.ASLEEP, "saved, and holding no cores or memory"),
        ("Saved", f"{number:,}", f"checkpoint{'' if number == 1 else 's'}, {show_bytes(size)}", "stored"),
    ]
    if states.get(ServerState.DEAD):
        tiles.insert(2, tile("Ended by itself", ServerState.DEAD, "still there, and being saved"))
    return Glance(tiles, views.cards(work, failed), count - len(failed))


@router.get("/overview")
async def overview(
    request: Request,
    context: ContextOf,
    person: SignedIn,
    days: Span = Span.MONTH,
    cursor: Cursor = "",
    q: Annotated[str, Query(max_length=30)] = "",
) -> Response:
    """The platform at a glance, and its teams page by page, in a fixed number of queries."""
    if not person.admin:
        raise NotAllowed("this page is for admins of the platform; your team's page shows the same for your team")
    part = q if q.isprintable() else ""

    def use(work: Work) -> dict[str, Any]:
        lately, scope = Lately(work, days), Scope(None)
        found = tenants.page(work.tx, after=decode(cursor), limit=_TEAMS + 1, contains=part)
        shown = found[:_TEAMS]
        held, costs = ledger.held(work, shown), lately.cost_of(scope, [each.id for each in shown])
        rows = [_row(each, held[each.id], costs.get(each.id, "")) for each in shown]
        return {
            "glance": glance(work),
            "spending": lately.spending(scope),
            "prices": price_form(work, lately.books.lists),
            "rows": rows,
            "next": encode(shown[-1].name) if len(found) > _TEAMS else "",
        }

    return await page(request, context, "overview.html", person=person, q=part, **await context.read(use))


@router.get("/failed")
async def failed_saves(request: Request, context: ContextOf, person: SignedIn, cursor: Cursor = "") -> Response:
    """Servers whose newest save failed: all for platform admins, those of their teams for team admins."""
    door = Door(person, Standing.TENANT_ADMIN)

    def use(work: Work) -> dict[str, Any]:
        mine = door.mine(work)
        if mine == []:
            raise NotAllowed("this page is for admins; your own page says how your saves went")
        rows = server_lists.failed(work.tx, mine, after=decode(cursor), limit=_FAILED + 1)
        more = encode(rows[_FAILED - 1].id) if len(rows) > _FAILED else ""
        count = server_lists.count_failed(work.tx, mine)
        return {"cards": views.cards(work, rows[:_FAILED]), "count": count, "next": more}

    return await page(request, context, "failed.html", person=person, **await context.read(use))


def _row(team: Tenant, held: list[Holding], cost: str) -> TeamRow:
    by_name = {each.resource: each for each in usage.uses(team, held, "")}
    saved = by_name.get("checkpoint_bytes")
    devices = [f"{each.shown} {each.label}" for name, each in by_name.items() if "/" in name]
    return TeamRow(
        name=team.name,
        title=team.title or team.name,
        bars=[(label, by_name[name]) for name, label in _BARS.items()],
        facts=[("Saved", saved.shown if saved else "–"), ("Devices", ", ".join(devices) or "–")],
        cost=cost,
    )
