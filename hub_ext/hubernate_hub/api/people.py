"""For people: their servers and operations. ``/api/v1``; everything foreign is 404, admins see all."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core.errors import Conflict, InvalidInput, NotAllowed
from hubernate_core.operation import Kind, Operation, Trigger
from hubernate_core.server import Server, ServerState
from hubernate_core.sign_on import SignOn, sign_on_of

from ..context import Work
from ..services import opening, views
from ..services.activity import keep_awake as keep_server_awake
from ..services.checkpoints import check_name
from ..store import server_lists, servers
from ..store.servers import ServerRow
from .access import Door, Standing
from .auth import ContextOf, SignedIn, operation_of, server_of
from .body import reads, takes
from .door import Entered, needs, note_on_server
from .gate import KeepAwake
from .repeating import once
from .sessions import Person

router = APIRouter(prefix="/api/v1", tags=["people"])
Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]


class Me(BaseModel):
    """Who asks."""

    name: str
    admin: bool


class ShownServer(Server):
    """A server; `yours` is false for those that only an admin sees."""

    yours: bool = True


class Servers(BaseModel):
    """One page of servers."""

    items: list[ShownServer]
    total: int


class OpenOperation(BaseModel):
    """What is wanted. `discard` throws away what a server that ended by itself, or whose node is lost, has not saved,
    and asks twice."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["save", "stop", "discard"]
    name: str = Field("", max_length=200, description="for the checkpoint; with save and stop")


class Conditions:
    """A key under which a repeated request gets the first one's answer, and the second yes to a discard."""

    def __init__(
        self,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
        confirm: Annotated[str, Query(max_length=20)] = "",
    ) -> None:
        self.idempotency_key, self.confirm = idempotency_key, confirm


@router.get("/me")
async def me(person: SignedIn) -> Me:
    """Who asks."""
    return Me(name=person.user, admin=person.admin)


class ShownSignOn(BaseModel):
    """Who decides who people are. The two modes exclude each other: the hub takes groups from one place only."""

    mode: SignOn
    says: str


@router.get("/sign-on")
async def sign_on(context: ContextOf, person: SignedIn) -> ShownSignOn:
    """How people sign in at this platform, and where their groups come from."""
    mode = sign_on_of(await context.hub.authenticator())
    return ShownSignOn(mode=mode, says=mode.words)


@router.get("/servers")
async def list_servers(
    context: ContextOf, person: SignedIn, everyone: bool = False, limit: Limit = 100, offset: Offset = 0
) -> Servers:
    """The person's servers; with `everyone`, for admins, all."""
    if everyone and not person.admin:
        raise NotAllowed("only admins list everyone's servers")

    def use(work: Work) -> Servers:
        if everyone:
            some, total = server_lists.numbered(work.tx, offset=offset, limit=limit)
            return Servers(items=_shown(work, some, person), total=total)
        rows = servers.of_user(work.tx, person.user, person.hub_name)
        return Servers(items=_shown(work, rows[offset : offset + limit], person), total=len(rows))

    return await context.read(use)


@router.get("/servers/{server}")
async def one_server(context: ContextOf, person: SignedIn, server: str) -> ShownServer:
    """One server with its newest operation."""

    def use(work: Work) -> ShownServer:
        return _shown(work, [server_of(work, person, server)], person)[0]

    return await context.read(use)


@router.post("/servers/{server}/operations", status_code=202, openapi_extra=needs(Standing.NOBODY, OpenOperation))
async def open_operation(
    context: ContextOf,
    door: Entered,
    server: str,
    body: Annotated[OpenOperation, Depends(reads(OpenOperation))],
    conditions: Annotated[Conditions, Depends()],
) -> Operation:
    """Save, or save and stop. One operation per server is open at a time: a second wish joins it."""
    if body.kind == "discard" and conditions.confirm != "discard":
        raise Conflict("unsaved changes would be lost; ask again with confirm=discard if so", confirm="discard")
    key = conditions.idempotency_key

    def use(work: Work) -> Operation:
        asked = [server, body.model_dump()]
        return once(work, door.person.hub_name, key, asked, Operation, lambda: _open(work, door, server, body))

    operation = await context.write(use)
    context.bell.ring(f"node:{operation.node}", f"operation:{operation.id}", f"server:{server}")
    return operation


def _open(work: Work, door: Door, server: str, body: OpenOperation) -> Operation:
    row = server_of(work, door.person, server)
    trigger = Trigger.USER if door.person.owns(row) else Trigger.ADMIN
    name = check_name(body.name)
    if name and body.kind == "discard":
        raise InvalidInput("name", "a discard keeps nothing that could have a name")
    wish = opening.Wish(Kind(body.kind), trigger, name, by=door.person.user)
    operation = opening.open_operation(work, row.id, wish).operation
    note_on_server(work, door, row, f"server.{body.kind}", after={"operation": operation.id, "name": name})
    return operation


@router.post("/servers/{server}/start", status_code=202, openapi_extra=needs(Standing.NOBODY))
async def start_server(context: ContextOf, door: Entered, server: str) -> ShownServer:
    """Ask the hub to start a server that sleeps, with the choices of its last start; for its person or their admins."""

    def look(work: Work) -> ServerRow:
        row = server_of(work, door.person, server)
        if row.state is not ServerState.ASLEEP:
            raise Conflict(f"the server is {row.state}; only one that sleeps is started", server=row.id)
        return row

    row = await context.read(look)
    await context.hub.start_server(row.hub_name, row.name)

    def use(work: Work) -> ShownServer:
        note_on_server(work, door, row, "server.start")
        return _shown(work, [server_of(work, door.person, server)], door.person)[0]

    return await context.write(use)


@router.get("/operations/{operation}")
async def one_operation(context: ContextOf, person: SignedIn, operation: str) -> Operation:
    """One operation: how far it is, or how it ended."""

    def use(work: Work) -> Operation:
        return operation_of(work, person, operation)[0].operation

    return await context.read(use)


@router.post("/servers/{server}/keep-awake", openapi_extra=takes(KeepAwake))
async def keep_awake(
    context: ContextOf, person: SignedIn, server: str, body: Annotated[KeepAwake, Depends(reads(KeepAwake))]
) -> ShownServer:
    """Do not let the server idle to sleep for so many minutes."""

    def use(work: Work) -> ShownServer:
        keep_server_awake(work, server_of(work, person, server), body.minutes, present=True)
        return _shown(work, [server_of(work, person, server)], person)[0]

    return await context.write(use)


def _shown(work: Work, rows: list[ServerRow], person: Person) -> list[ShownServer]:
    found = views.show_all(work, rows)
    return [_as_shown(each.model_dump(), person.owns(row)) for row, each in zip(rows, found, strict=True)]


def _as_shown(values: dict[str, Any], yours: bool) -> ShownServer:
    return ShownServer.model_validate(values | {"yours": yours})
