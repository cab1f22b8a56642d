"""For gates: activity, and what they relay from inside the notebook so that code there can save itself.

The relay token names one start of one server; it reaches nothing else.
"""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core.errors import NotFound
from hubernate_core.names import OperationId, check_id
from hubernate_core.operation import Kind, Operation, Trigger
from hubernate_core.server import Server
from hubernate_core.wire import GateActivity, GateVisit, SleepOutlook

from ..actor import Actor
from ..context import Work
from ..services import activity, culling, opening, views
from ..services.checkpoints import check_name
from ..services.deeds import Deed, note
from ..store import operations, servers
from ..store.servers import ServerRow
from .access import Standing, standing_in
from .auth import ContextOf, RelayedServer
from .body import reads, takes
from .sessions import Person

router = APIRouter(prefix="/api/v1", tags=["gate"])


class SaveNow(BaseModel):
    """Save without stopping."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field("", max_length=200)


class KeepAwake(BaseModel):
    """Do not go to sleep from idleness for so long; 0 takes the wish back."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    minutes: int = Field(ge=0, le=100_000)


@router.post("/gate/activity", status_code=204, openapi_extra=takes(GateActivity))
async def report_activity(
    context: ContextOf, row: RelayedServer, body: Annotated[GateActivity, Depends(reads(GateActivity))]
) -> Response:
    """What the gate saw since its last report."""
    await context.write(activity.gate_report, row, body)
    context.gates_heard[row.id, row.generation] = time.monotonic()
    return Response(status_code=204)


@router.post("/gate/visits", status_code=204, openapi_extra=takes(GateVisit))
async def note_visit(
    context: ContextOf, row: RelayedServer, body: Annotated[GateVisit, Depends(reads(GateVisit))]
) -> Response:
    """Write down that somebody else than its owner enters the server. Until it is, the gate lets them wait."""
    known = await context.hub.person(body.visitor)
    visitor = Person(
        body.visitor, body.visitor, known is not None and known.admin, () if known is None else known.groups
    )
    await context.write(_visited, row, visitor, body)
    return Response(status_code=204)


def _visited(work: Work, row: ServerRow, visitor: Person, body: GateVisit) -> None:
    standing = standing_in(work, visitor, row.tenant_id)
    role = standing.words if standing >= Standing.TENANT_ADMIN else "guest"
    after = {"generation": body.generation, "by": "token" if body.by_token else "browser"}
    deed = Deed("server.enter", f"{row.user}/{row.name} {row.id}", row.tenant_id, after=after)
    note(work, Actor(visitor.hub_name, role, origin=body.origin), deed)


@router.get("/relay/me/server")
async def my_server(context: ContextOf, row: RelayedServer) -> Server:
    """The server that asks, with its newest operation and when it will sleep."""
    return await context.read(views.show, row)


@router.post("/relay/me/save", status_code=202, openapi_extra=takes(SaveNow))
async def save_me(
    context: ContextOf, row: RelayedServer, body: Annotated[SaveNow, Depends(reads(SaveNow))]
) -> Operation:
    """Save the server that asks; it goes on."""
    wish = opening.Wish(Kind.SAVE, Trigger.USER, check_name(body.name), by=row.user)
    opened = await context.write(opening.open_operation, row.id, wish)
    operation = opened.operation
    context.bell.ring(f"node:{operation.node}", f"operation:{operation.id}", f"server:{row.id}")
    return operation


@router.get("/relay/me/sleep")
async def my_sleep(context: ContextOf, row: RelayedServer) -> SleepOutlook:
    """When the server that asks will be put to sleep, why, and whether its person is to be told now."""
    return await context.read(culling.outlook, row)


@router.post("/relay/me/keep-awake", openapi_extra=takes(KeepAwake))
async def keep_me_awake(
    context: ContextOf, row: RelayedServer, body: Annotated[KeepAwake, Depends(reads(KeepAwake))]
) -> SleepOutlook:
    """Keep the server that asks awake. A program that asks again and again does not count as its person."""

    def use(work: Work) -> SleepOutlook:
        activity.keep_awake(work, row, body.minutes)
        return culling.outlook(work, servers.get(work.tx, row.id) or row)

    return await context.write(use)


@router.get("/relay/operations/{operation}")
async def my_operation(context: ContextOf, row: RelayedServer, operation: str) -> Operation:
    """An operation of the server that asks."""
    found = await context.store.read(operations.get, OperationId(check_id(operation, "operation")))
    if found is None or found.operation.server_id != row.id:
        raise NotFound("this server has no such operation")
    return found.operation
