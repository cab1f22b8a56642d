"""The pages: a person's servers, the admin's overview, errors. Read without scripts; scripts only keep them live."""

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from hubernate_core.errors import HubernateError, NotAllowed, Unavailable
from hubernate_core.server import ServerState
from hubernate_core.sign_on import sign_on_of

from ..api.auth import ContextOf, SignedIn, server_of
from ..api.errors import NotSignedIn, status_of
from ..api.login import to_hub
from ..api.paging import Cursor, decode, encode
from ..api.queue import shown_places
from ..config import HubernateService
from ..context import Context, Work
from ..reconcile.queue import look
from ..store import agents, server_lists, servers, waits
from . import views
from .render import page

router = APIRouter(include_in_schema=False)
_HERE = Path(__file__).parent
_SERVERS = 25


def mount_static(app: FastAPI, settings: HubernateService) -> None:
    """Our style sheet and script."""
    app.mount(f"{settings.prefix}static", StaticFiles(directory=_HERE / "static"), name="static")


@router.get("/")
async def my_servers(request: Request, context: ContextOf, person: SignedIn) -> Response:
    """The person's servers."""
    await look(context)

    def use(work: Work) -> dict[str, Any]:
        waiting = shown_places(work, person, waits.of_person(work.tx, person.hub_name), admin=False)
        cards = views.cards(work, servers.of_user(work.tx, person.user, person.hub_name))
        return {"cards": cards, "places": [(each, views.moment(each.since, work.now)) for each in waiting]}

    return await page(request, context, "servers.html", person=person, **await context.read(use))


@router.get("/fragment/servers/{server}")
async def one_card(
    request: Request, context: ContextOf, person: SignedIn, server: str, owner: bool = False
) -> Response:
    """One card, for a page that is open; with `owner` as an admin's page has it."""
    found = await context.read(lambda work: views.cards(work, [server_of(work, person, server)]))
    return await page(request, context, "card.html", card=found[0], person=person, owner=owner)


@router.get("/admin")
async def admin(
    request: Request,
    context: ContextOf,
    person: SignedIn,
    cursor: Cursor = "",
    q: Annotated[str, Query(max_length=30)] = "",
    state: Annotated[Literal["", "asleep", "starting", "running", "dead"], Query()] = "",
) -> Response:
    """Agents, and everybody's servers page by page; how many need somebody first."""
    if not person.admin:
        raise NotAllowed("this page is for admins")
    part = q if q.isprintable() else ""

    def use(work: Work) -> dict[str, Any]:
        user, _, server = decode(cursor).rpartition("/")
        wanted = ServerState(state) if state else None
        rows = server_lists.page(work.tx, after=(user, server), limit=_SERVERS + 1, contains=part, state=wanted)
        shown = rows[:_SERVERS]
        heard = [
            (agent, views.moment(agent.last_seen_at, work.now), context.fleet.speaks(agent.node))
            for agent in agents.all_agents(work.tx)
        ]
        return {
            "cards": views.cards(work, shown),
            "next": encode(f"{shown[-1].user}/{shown[-1].id}") if len(rows) > _SERVERS else "",
            "count": server_lists.count_failed(work.tx),
            "agents": heard,
            "strays": context.sight.left_behind(server_lists.newest_starts(work.tx)),
        }

    found = await context.read(use)
    found |= {"q": part, "state": state, "states": views.STATES, "sign_on": await _sign_on(context)}
    return await page(request, context, "admin.html", person=person, **found)


async def _sign_on(context: Context) -> str:
    try:
        return sign_on_of(await context.hub.authenticator()).words
    except Unavailable as problem:
        return f"How people sign in is not known: {problem.message}."


async def answer_error(request: Request, error: Exception) -> Response | None:
    """An error as a page, or the way to sign in, where a browser asked for a page; None: answer as for a program."""
    context: Context = request.app.state.context
    path = request.url.path
    wanted = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not wanted or path.startswith(f"{context.settings.prefix}api/"):
        return None
    if isinstance(error, NotSignedIn):
        return to_hub(request, context.settings, path)
    if isinstance(error, HubernateError):
        status, message = status_of(error), error.message
    elif isinstance(error, HTTPException):
        status, message = error.status_code, "There is nothing here."
    else:
        return None
    response = await page(request, context, "error.html", message=message, status=status, person=None)
    response.status_code = status
    return response
