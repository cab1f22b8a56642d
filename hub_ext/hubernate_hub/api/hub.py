"""For the hub's spawner: ``/api/v1/hub``."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from hubernate_core.errors import InvalidInput
from hubernate_core.names import OperationId, PlaceId, ServerId, check_id
from hubernate_core.operation import Operation
from hubernate_core.queue import Place
from hubernate_core.server import Server, Ticket
from hubernate_core.wire import (
    Abandoned,
    Generation,
    Groups,
    OptionsRequest,
    Started,
    StartOptions,
    StartRequest,
    StopRequest,
)

from ..context import Work
from ..services import lifecycle, options, places, starting, views
from ..store import members, waits
from ..store.servers import ServerRow
from .auth import ContextOf, require_spawner
from .body import reads, takes
from .waiting import changed_operation, moved_place

router = APIRouter(prefix="/api/v1/hub", tags=["hub"], dependencies=[Depends(require_spawner)])
_WAIT_MAX_S = 60


@router.post("/servers/start", openapi_extra=takes(StartRequest))
async def start(
    context: ContextOf, response: Response, body: Annotated[StartRequest, Depends(reads(StartRequest))]
) -> Ticket | Place:
    """A ticket for one start (see `Ticket.adopt` and `Ticket.wait_for`); with 202, its place in the queue."""
    if body.place is not None:
        context.lookout.hear(body.place)  # whatever becomes of the request: its hub has not lost it
    answer = await context.write(starting.start, body)
    if isinstance(answer, Place):
        context.lookout.hear(answer.id)
        context.bell.ring("queue")
        response.status_code = 202
    else:
        context.bell.ring(f"server:{answer.server_id}", f"node:{context.settings.node}")
    return answer


@router.get("/queue/{place}")
async def place(context: ContextOf, place: str, wait_s: Annotated[float, Query(ge=0, le=_WAIT_MAX_S)] = 0) -> Place:
    """A place in the queue: at once if it may go, else when it moved or `wait_s` seconds have passed."""
    return await moved_place(context, PlaceId(check_id(place, "place")), wait_s)


@router.delete("/queue/{place}", status_code=204)
async def leave(context: ContextOf, place: str) -> Response:
    """The start waits no more. Leaving twice is fine."""

    def use(work: Work) -> None:
        row = waits.get(work.tx, PlaceId(check_id(place, "place")))
        places.end(work, [] if row is None else [row], "left")

    await context.write(use)
    context.bell.ring("queue")
    return Response(status_code=204)


@router.post("/servers/{server}/started", openapi_extra=takes(Started))
async def started(context: ContextOf, server: str, body: Annotated[Started, Depends(reads(Started))]) -> Server:
    """The containers of a start exist."""

    def use(work: Work) -> Server:
        return _shown(work, lifecycle.started(work, _server_id(server), body))

    return await _rung(context, server, await context.write(use))


@router.post("/servers/{server}/ready", openapi_extra=takes(Generation))
async def ready(context: ContextOf, server: str, body: Annotated[Generation, Depends(reads(Generation))]) -> Server:
    """The server answers: from now on it holds work that must be saved."""

    def use(work: Work) -> Server:
        return _shown(work, lifecycle.ready(work, _server_id(server), body.generation))

    return await _rung(context, server, await context.write(use))


@router.post("/servers/{server}/abandoned", openapi_extra=takes(Abandoned))
async def abandoned(context: ContextOf, server: str, body: Annotated[Abandoned, Depends(reads(Abandoned))]) -> Server:
    """The start failed and its containers are removed."""

    def use(work: Work) -> Server:
        return _shown(work, lifecycle.abandoned(work, _server_id(server), body))

    return await _rung(context, server, await context.write(use))


@router.post("/servers/{server}/stop", openapi_extra=takes(StopRequest))
async def stop(context: ContextOf, server: str, body: Annotated[StopRequest, Depends(reads(StopRequest))]) -> Operation:
    """Open, or join, the operation that saves and stops the server."""
    operation = await context.write(lifecycle.stop, _server_id(server), body)
    context.bell.ring(f"node:{operation.node}", f"operation:{operation.id}", f"server:{server}")
    return operation


@router.get("/operations/{operation}")
async def operation(
    context: ContextOf,
    operation: str,
    wait_s: Annotated[float, Query(ge=0, le=_WAIT_MAX_S)] = 0,
    after: Annotated[datetime | None, Query()] = None,
) -> Operation:
    """The operation, once it changed since `after` (its `updated_at`) or `wait_s` seconds have passed."""
    if after is not None and after.tzinfo is None:
        raise InvalidInput("after", "give a time with its zone, such as 2026-11-23T12:00:00Z")
    return await changed_operation(context, OperationId(check_id(operation, "operation")), wait_s, after)


@router.post("/users/{user}/start-options", openapi_extra=takes(OptionsRequest))
async def start_options(
    context: ContextOf, user: str, body: Annotated[OptionsRequest, Depends(reads(OptionsRequest))]
) -> StartOptions:
    """All that the start form shows."""
    return await context.read(options.start_options, user, body.server_name, list(body.groups))


@router.post("/groups", openapi_extra=takes(Groups))
async def known_groups(context: ContextOf, body: Annotated[Groups, Depends(reads(Groups))]) -> Groups:
    """Those of the groups that some team names: of a person in thousands, the hub keeps no others."""
    return Groups(names=tuple(await context.store.read(members.known_groups, body.names)))


def _server_id(text: str) -> ServerId:
    return ServerId(check_id(text, "server"))


def _shown(work: Work, row: ServerRow) -> Server:
    return views.show(work, row)


async def _rung(context: ContextOf, server: str, shown: Server) -> Server:
    context.bell.ring(f"server:{server}", "queue")
    return shown
