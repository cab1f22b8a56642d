"""For people: their checkpoints, and progress as it happens (server-sent events)."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core.checkpoint import Checkpoint
from hubernate_core.errors import NotFound
from hubernate_core.names import CheckpointId, OperationId

from ..context import Context, Work
from ..services import checkpoints as use_cases
from ..store import checkpoints, servers
from .access import Standing
from .auth import ContextOf, SignedIn, checkpoint_of, operation_of, server_of
from .body import reads
from .door import Entered, needs, note_on_server
from .people import Limit, Offset
from .waiting import each_change

router = APIRouter(prefix="/api/v1", tags=["people"])


class Checkpoints(BaseModel):
    """One page of checkpoints, newest first."""

    items: list[Checkpoint]
    total: int


class ChangeCheckpoint(BaseModel):
    """What changes. A name pins a checkpoint and an empty one unpins it, unless `pinned` says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str | None = Field(None, max_length=200)
    pinned: bool | None = Field(None, description="pinned ones are kept until somebody deletes them")


@router.get("/servers/{server}/checkpoints")
async def list_checkpoints(
    context: ContextOf, person: SignedIn, server: str, limit: Limit = 100, offset: Offset = 0
) -> Checkpoints:
    """A server's checkpoints."""

    def use(work: Work) -> Checkpoints:
        found = checkpoints.of_servers(work.tx, [server_of(work, person, server).id])
        return Checkpoints(items=found[offset : offset + limit], total=len(found))

    return await context.read(use)


@router.patch("/checkpoints/{checkpoint}", openapi_extra=needs(Standing.NOBODY, ChangeCheckpoint))
async def change(
    context: ContextOf,
    door: Entered,
    checkpoint: str,
    body: Annotated[ChangeCheckpoint, Depends(reads(ChangeCheckpoint))],
) -> Checkpoint:
    """Name a checkpoint, pin it, or let it be unpinned again."""

    def use(work: Work) -> Checkpoint:
        row = server_of(work, door.person, _again(work, checkpoint_of(work, door.person, checkpoint)).server_id)
        servers.lock(work.tx, row.id)  # retention may be at it
        found = _again(work, CheckpointId(checkpoint))
        changed = use_cases.change(work, found, name=body.name, pinned=body.pinned)
        if changed.pinned != found.pinned:
            note_on_server(work, door, row, f"checkpoint.{'pin' if changed.pinned else 'unpin'}", after=_told(changed))
        return changed

    return await context.write(use)


@router.delete("/checkpoints/{checkpoint}", status_code=204, openapi_extra=needs(Standing.NOBODY))
async def delete(
    context: ContextOf, door: Entered, checkpoint: str, confirm: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """Delete a checkpoint. The last one of a server only with ``confirm=last``; never one that a server runs from."""

    def use(work: Work) -> None:
        found = _again(work, checkpoint_of(work, door.person, checkpoint))
        row = server_of(work, door.person, found.server_id)
        use_cases.delete(work, found, confirmed_last=confirm == "last")
        note_on_server(work, door, row, "checkpoint.delete", before=_told(found))

    await context.write(use)
    return Response(status_code=204)


@router.get("/operations/{operation}/events", response_class=StreamingResponse)
async def events(context: ContextOf, person: SignedIn, operation: str) -> StreamingResponse:
    """The operation now and after every change, as server-sent events called ``operation``, until it is finished."""

    def use(work: Work) -> OperationId:
        return operation_of(work, person, operation)[0].operation.id

    found = await context.read(use)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_lines(context, found), media_type="text/event-stream", headers=headers)


async def _lines(context: Context, operation: OperationId) -> AsyncIterator[str]:
    async for found in each_change(context, operation):
        yield ": waiting\n\n" if found is None else f"event: operation\ndata: {found.model_dump_json()}\n\n"


def _told(checkpoint: Checkpoint) -> dict[str, str]:
    """As the audit log names it."""
    return {"checkpoint": checkpoint.id, "name": checkpoint.name, "created_at": checkpoint.created_at.isoformat()}


def _again(work: Work, checkpoint: CheckpointId) -> Checkpoint:
    found = checkpoints.get(work.tx, checkpoint)
    if found is None:
        raise NotFound("you have no such checkpoint")
    return found
