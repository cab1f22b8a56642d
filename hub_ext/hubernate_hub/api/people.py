"""For people: their servers and operations. ``/api/v1``; everything foreign is 404, admins see all."""

import hashlib
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core.errors import Conflict, InvalidInput, NotAllowed
from hubernate_core.operation import Kind, Operation, Trigger
from hubernate_core.server import Server

from ..context import Work
from ..services import opening, views
from ..services.checkpoints import check_name
from ..store import agents, servers
from ..store.servers import ServerRow
from .auth import ContextOf, SignedIn, operation_of, server_of
from .body import reads, takes
from .gate import KeepAwake, kept_awake
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


@router.get("/servers")
async def list_servers(
    context: ContextOf, person: SignedIn, everyone: bool = False, limit: Limit = 100, offset: Offset = 0
) -> Servers:
    """The person's servers; with `everyone`, for admins, all."""
    if everyone and not person.admin:
        raise NotAllowed("only admins list everyone's servers")

    def use(work: Work) -> Servers:
        rows = servers.all_servers(work.tx) if everyone else servers.of_user(work.tx, person.user, person.hub_name)
        return Servers(items=_shown(work, rows[offset : offset + limit], person), total=len(rows))

    return await context.read(use)


@router.get("/servers/{server}")
async def one_server(context: ContextOf, person: SignedIn, server: str) -> ShownServer:
    """One server with its newest operation."""

    def use(work: Work) -> ShownServer:
        return _shown(work, [server_of(work, person, server)], person)[0]

    return await context.read(use)


@router.post("/servers/{server}/operations", status_code=202, openapi_extra=takes(OpenOperation))
async def open_operation(
    context: ContextOf,
    person: SignedIn,
    server: str,
    body: Annotated[OpenOperation, Depends(reads(OpenOperation))],
    conditions: Annotated[Conditions, Depends()],
) -> Operation:
    """Save, or save and stop. One operation per server is open at a time: a second wish joins it."""
    if body.kind == "discard" and conditions.confirm != "discard":
        raise Conflict("unsaved changes would be lost; ask again with confirm=discard if so", confirm="discard")
    key = conditions.idempotency_key

    def use(work: Work) -> Operation:
        request = _Request(person, server, body)
        given = None if key is None else agents.answer_for(work.tx, person.hub_name, key)
        if given is not None:
            return request.again(given)
        operation = request.open(work)
        if key is not None:
            answer = operation.model_dump(mode="json")
            agents.keep_answer(work.tx, agents.Answered(person.hub_name, key, request.digest(), answer), work.now)
        return operation

    operation = await context.write(use)
    context.bell.ring(f"node:{operation.node}", f"operation:{operation.id}", f"server:{server}")
    return operation


class _Request:
    """One wish of a person, and how it is told from another under the same Idempotency-Key."""

    def __init__(self, person: Person, server: str, body: OpenOperation) -> None:
        self._person, self._server, self._body = person, server, body

    def digest(self) -> str:
        content = json.dumps([self._server, self._body.model_dump()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def again(self, given: agents.Answered) -> Operation:
        if given.request_sha256 != self.digest():
            raise Conflict("this Idempotency-Key was used for another request; nothing was done")
        return Operation.model_validate(given.answer)

    def open(self, work: Work) -> Operation:
        row = server_of(work, self._person, self._server)
        trigger = Trigger.USER if self._person.owns(row) else Trigger.ADMIN
        name = check_name(self._body.name)
        if name and self._body.kind == "discard":
            raise InvalidInput("name", "a discard keeps nothing that could have a name")
        wish = opening.Wish(Kind(self._body.kind), trigger, name, by=self._person.user)
        return opening.open_operation(work, row.id, wish).operation


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
        row = server_of(work, person, server)
        kept_awake(work, row, body.minutes)
        return _shown(work, [server_of(work, person, server)], person)[0]

    return await context.write(use)


def _shown(work: Work, rows: list[ServerRow], person: Person) -> list[ShownServer]:
    found = views.show_all(work.tx, rows)
    return [_as_shown(each.model_dump(), person.owns(row)) for row, each in zip(rows, found, strict=True)]


def _as_shown(values: dict[str, Any], yours: bool) -> ShownServer:
    return ShownServer.model_validate(values | {"yours": yours})
