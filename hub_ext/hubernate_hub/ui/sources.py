"""The pages of sources: what a team has, what lies in it, its first rows. Read without scripts."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from hubernate_core.errors import HubernateError, UserError
from hubernate_core.names import TenantId
from hubernate_core.quantity import show_bytes
from hubernate_core.source import Source
from hubernate_core.source_view import Listing
from hubernate_core.tenant import Tenant

from ..api.access import Door, Standing, standing_in, standings_in
from ..api.auth import ContextOf, SignedIn
from ..api.data import show
from ..api.paging import Cursor, decode, encode
from ..api.sessions import Person
from ..context import Context, Work
from ..data import access, views
from ..data.calls import Opened
from ..data.reader import Reader
from ..store import tenants
from .render import page
from .source_form import credential_fields, source_form
from .views import moment

router = APIRouter(include_in_schema=False)
_TEAMS, _SOURCES, _ENTRIES = 25, 50, 200
_NOTHING: dict[str, Any] = {
    "entries": None,
    "sample": None,
    "seen": None,
    "problem": "",
    "more": False,
    "types": {},
    "drift": (),
}
_DATABASES = ("postgresql", "mariadb", "hive")


@router.get("/sources")
async def source_list(request: Request, context: ContextOf, person: SignedIn, cursor: Cursor = "") -> Response:
    """The sources of the person's teams, some teams a page, in a fixed number of queries."""
    door = Door(person, Standing.MEMBER)

    def use(work: Work) -> tuple[list[tuple[Tenant, Reader, list[Source]]], str]:
        found = tenants.page(work.tx, after=decode(cursor), limit=_TEAMS + 1, only=door.mine(work))
        shown = found[:_TEAMS]
        standings = standings_in(work, person, [each.id for each in shown])
        readers = [_as_reader(person, each, standing) for each, standing in standings.items()]
        mine = access.visible_in(work, readers)
        teams = [(each, reader, mine[each.id]) for each, reader in zip(shown, readers, strict=True)]
        return teams, encode(shown[-1].name) if len(found) > _TEAMS else ""

    found, following = await context.read(use)
    teams = [  # how a source stands is known to those who call it, not to the database: so behind the transaction
        (team, reader.governs, [show(context, reader, each) for each in mine[:_SOURCES]], max(0, len(mine) - _SOURCES))
        for team, reader, mine in found
        if mine or reader.governs
    ]
    return await page(request, context, "sources.html", person=person, teams=teams, next=following)


@router.get("/sources/{tenant}")
async def new_source(
    request: Request,
    context: ContextOf,
    person: SignedIn,
    tenant: str,
    kind: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """The form that registers a source, for the team's admins."""
    door = Door(person, Standing.TENANT_ADMIN)
    team = await context.read(lambda work: door.tenant(work, tenant).tenant)
    form = source_form(kind, platform=person.admin)
    return await page(request, context, "source_new.html", person=person, team=team, form=form)


@router.get("/sources/{tenant}/{source}")
async def one_source(
    request: Request,
    context: ContextOf,
    person: SignedIn,
    tenant: str,
    source: str,
    path: Annotated[str, Query(max_length=4096)] = "",
) -> Response:
    """What lies at a path of a source: a folder's entries, or a file's or table's first rows."""
    untested = "untested" in request.query_params  # a new one: its test comes first, and may take as long as it takes

    def use(work: Work) -> tuple[Reader, Opened]:
        reader = _reader(work, person, Door(person, Standing.MEMBER).tenant(work, tenant).id)
        return reader, access.open_source(work, context.data.cipher, reader, source)

    reader, opened = await context.read(use)
    found = _NOTHING if untested else await _look(context, reader, opened, path)
    values = {"source": show(context, reader, opened.source), "tenant": tenant, "above": _above(path)}
    values["governs"], values["untested"] = reader.governs, untested
    values["credential"] = credential_fields(opened.source.place.kind, "values")
    return await page(request, context, "source.html", person=person, **values, **found)


def _reader(work: Work, person: Person, tenant: TenantId) -> Reader:
    return _as_reader(person, tenant, standing_in(work, person, tenant))


def _as_reader(person: Person, tenant: TenantId, standing: Standing) -> Reader:
    return Reader(tenant, person.user, governs=standing >= Standing.TENANT_ADMIN)


async def _look(context: Context, reader: Reader, opened: Opened, path: str) -> dict[str, Any]:
    """Entries or a sample; what cannot be had is said on the page, which stays."""
    try:
        if await _is_folder(context, opened, path):
            answer = await context.data.calls.ask(opened, "list", path=path, after="", limit=_ENTRIES)
            listing = Listing.model_validate(answer)
            sized = [(each, "" if each.size is None else show_bytes(each.size)) for each in listing.entries]
            context.data.reads.note(reader, opened.source, "list", 0, context.clock())
            return _NOTHING | {"entries": sized, "more": bool(listing.next)}
        sample = await views.sample(context, context.data, reader, opened, path, fresh=False)
        schema = await views.schema(context, context.data, opened, path, fresh=False)
    except HubernateError as problem:
        words = problem.message if isinstance(problem, UserError) else f"It does not answer now: {problem.message}"
        return _NOTHING | {"problem": words}
    context.data.reads.note(reader, opened.source, "sample", 0, context.clock())
    types = {each.name: f"{each.type}, partition" if each.partition else each.type for each in schema.found.columns}
    seen = moment(sample.taken_at, context.clock())
    return _NOTHING | {"sample": sample, "seen": seen, "types": types, "drift": schema.drift}


async def _is_folder(context: Context, opened: Opened, path: str) -> bool:
    kind = opened.source.place.kind
    if kind in _DATABASES or kind == "http" or not path:
        return not path
    return bool((await context.data.calls.ask(opened, "info", path=path))["type"] == "folder")


def _above(path: str) -> list[tuple[str, str]]:
    """Name and path of every folder on the way to `path`, itself included."""
    parts = [part for part in path.split("/") if part]
    return [(part, "/".join(parts[: at + 1])) for at, part in enumerate(parts)]
