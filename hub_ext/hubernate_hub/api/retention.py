"""What retention will let go of a team's checkpoints, when and why: by its rule, or by one that is only thought of."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from hubernate_core.names import CheckpointId, ServerId
from hubernate_core.retention import Retention, Why

from ..context import Work
from ..services import retention
from ..store import servers
from .access import Door, Standing
from .auth import ContextOf
from .body import reads
from .door import Entered, needs

router = APIRouter(prefix="/api/v1", tags=["tenants"])
AHEAD = timedelta(days=30)


class LeavingCheckpoint(BaseModel):
    """A checkpoint that goes unless somebody pins it."""

    checkpoint: CheckpointId
    server: ServerId
    user: str
    server_name: str
    name: str
    saved_at: datetime
    size: int = Field(description="compressed bytes of its layers")
    goes_at: datetime
    why: Why


class LeavingList(BaseModel):
    """What goes within 30 days as things are now, in the order in which it goes."""

    rule: Retention
    items: list[LeavingCheckpoint]
    bytes: int = Field(description="of all of them")


@router.get("/tenants/{tenant}/retention", openapi_extra=needs(Standing.TENANT_ADMIN))
async def what_goes(context: ContextOf, door: Entered, tenant: str) -> LeavingList:
    """What goes of the team's checkpoints by its own rule."""
    return await context.read(show, door, tenant)


@router.post("/tenants/{tenant}/retention/preview", openapi_extra=needs(Standing.TENANT_ADMIN, Retention))
async def preview(
    context: ContextOf, door: Entered, tenant: str, body: Annotated[Retention, Depends(reads(Retention))]
) -> LeavingList:
    """What would go by another rule. Nothing is changed."""
    return await context.read(show, door, tenant, body)


def show(work: Work, door: Door, tenant: str, rule: Retention | None = None) -> LeavingList:
    """What goes of `tenant`."""
    row = door.tenant(work, tenant)
    found = retention.leaving(work, row, rule, ahead=AHEAD)
    whose = {each.id: each for each in servers.of_tenant(work.tx, row.id)}
    items = [
        LeavingCheckpoint(
            checkpoint=each.stored.id,
            server=each.stored.server_id,
            user=whose[each.stored.server_id].user,
            server_name=whose[each.stored.server_id].name,
            name=each.stored.name,
            saved_at=each.stored.created_at,
            size=each.stored.size,
            goes_at=each.goes_at,
            why=each.why,
        )
        for each in found
    ]
    return LeavingList(rule=rule or row.tenant.retention, items=items, bytes=sum(each.size for each in items))
