"""A dry run of a tenant's rules of culling: what they, or rules that are only tried, do to its running servers."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core.culling import Culling
from hubernate_core.tenant import TenantDocument

from ..context import Work
from ..services import culling, governing
from ..services.culling import Sleeper
from ..store.tenants import TenantRow
from .access import Door, Standing, standing_in
from .auth import ContextOf
from .body import parse, reads
from .door import Entered, needs
from .merging import merge

router = APIRouter(prefix="/api/v1/tenants", tags=["tenants"])
_SHOWN = 500


class TriedRules(BaseModel):
    """Changes to the tenant's `culling`, as PATCH takes them (RFC 7396); none: its rules as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    culling: dict[str, Any] = Field({}, description="changes; they are checked, tried, and not kept")


class Preview(BaseModel):
    """What the rules do to the servers that run now, soonest first."""

    culling: Culling = Field(description="the rules that were tried")
    total: int = Field(description="running servers")
    asleep_now: int = Field(description="of these, how many would be put to sleep now")
    items: list[Sleeper] = Field(description=f"the first {_SHOWN}")


@router.post("/{tenant}/culling/preview", openapi_extra=needs(Standing.TENANT_ADMIN, TriedRules))
async def preview_culling(
    context: ContextOf, door: Entered, tenant: str, body: Annotated[TriedRules, Depends(reads(TriedRules))]
) -> Preview:
    """Say which running servers would be put to sleep, when and why. Nothing is put to sleep or changed by it."""
    return await context.read(lambda work: tried(work, door, door.tenant(work, tenant), body.culling))


def tried(work: Work, door: Door, row: TenantRow, changes: dict[str, Any]) -> Preview:
    """The dry run of the tenant's rules with `changes`, refused as a change would be.

    Raises:
        InvalidInput: naming the field below ``culling``; a value beyond the bounds.
    """
    wanted = row.tenant.culling
    if changes:
        document = governing.document_of(work, row)
        merged = merge(document.model_dump(mode="json"), {"culling": changes})
        after = parse(TenantDocument, json.dumps(merged).encode())
        governing.check_change(door.actor(standing_in(work, door.person, row.id)), document, after)
        wanted = after.culling
    found = culling.preview(work, row, wanted)
    asleep = sum(each.state == "now" for each in found)
    return Preview(culling=wanted, total=len(found), asleep_now=asleep, items=found[:_SHOWN])
