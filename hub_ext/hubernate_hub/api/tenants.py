"""Tenants: made, read, changed, deleted. A tenant is named by its name; its version is its ETag."""

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from hubernate_core.errors import Conflict, InvalidInput
from hubernate_core.names import check_tenant_name
from hubernate_core.tenant import TenantDocument

from ..context import Context, Work
from ..services import departures, governing
from ..store import tenants
from ..store.tenants import TenantRow
from .access import Door, Standing, check_match, standing_in
from .auth import ContextOf
from .body import load, parse, read_bytes, reads
from .door import Entered, needs
from .merging import merge
from .paging import Cursor, Limit, decode, encode
from .repeating import IdempotencyKey, once
from .versions import IfMatch, etag

router = APIRouter(prefix="/api/v1/tenants", tags=["tenants"])
departing = APIRouter(prefix="/api/v1", tags=["tenants"])


class Changing:
    """On which version a change is meant, and whether it is only tried: checked and shown, then undone."""

    def __init__(self, if_match: IfMatch = None, dry_run: bool = False) -> None:
        self.if_match, self.dry_run = if_match, dry_run


class ShownTenant(TenantDocument):
    """A tenant, and what the person who asks is to it."""

    model_config = ConfigDict(extra="forbid")
    id: str
    version: int
    role: str


class TenantLine(BaseModel):
    """A tenant in a list."""

    name: str
    title: str


class Marked(BaseModel):
    """A team that is marked for deletion; the answer's ETag is for the second step."""

    goes: departures.WhatGoes
    export: departures.Export


class Departing(BaseModel):
    """A deleted team, and how many homes and images of it are still there."""

    id: str
    title: str
    deleted_at: datetime
    homes: int
    images: int


class Departures(BaseModel):
    """The oldest first."""

    items: list[Departing]


class TenantPage(BaseModel):
    """One page of tenants, by name."""

    items: list[TenantLine]
    next: str | None = None


@router.get("", openapi_extra=needs(Standing.MEMBER))
async def list_tenants(
    context: ContextOf,
    door: Entered,
    limit: Limit = 100,
    cursor: Cursor = "",
    q: Annotated[str, Query(max_length=30, description="part of the name")] = "",
) -> TenantPage:
    """The teams the person is in; for admins of the platform, all."""

    def use(work: Work) -> TenantPage:
        found = tenants.page(work.tx, after=decode(cursor), limit=limit + 1, contains=_part(q), only=door.mine(work))
        items = [TenantLine(name=each.name, title=each.title) for each in found[:limit]]
        return TenantPage(items=items, next=encode(items[-1].name) if len(found) > limit else None)

    return await context.read(use)


@router.post("", status_code=201, openapi_extra=needs(Standing.PLATFORM_ADMIN, TenantDocument))
async def create_tenant(
    context: ContextOf,
    door: Entered,
    response: Response,
    body: Annotated[TenantDocument, Depends(reads(TenantDocument))],
    idempotency_key: IdempotencyKey = None,
) -> ShownTenant:
    """Make a team. People are in by its groups (by default the one of its name) or by its list of members."""

    def use(work: Work) -> ShownTenant:
        def make() -> ShownTenant:
            return _shown(work, door, governing.create(work, door.actor(Standing.PLATFORM_ADMIN), body))

        request = ["tenant", body.model_dump(mode="json")]
        return once(work, door.person.hub_name, idempotency_key, request, ShownTenant, make)

    return _answer(context, response, await context.write(use))


@departing.get("/departures", openapi_extra=needs(Standing.PLATFORM_ADMIN))
async def list_departures(context: ContextOf, door: Entered) -> Departures:
    """Deleted teams of which something is still being removed."""
    found = await context.read(departures.under_way)
    return Departures(
        items=[
            Departing(
                id=each.tenant_id, title=each.title, deleted_at=each.deleted_at, homes=each.homes, images=each.images
            )
            for each in found
        ]
    )


@router.get("/{tenant}", openapi_extra=needs(Standing.MEMBER))
async def one_tenant(context: ContextOf, door: Entered, response: Response, tenant: str) -> ShownTenant:
    """A team with its settings. Members see no list of the others."""
    shown = await context.read(lambda work: _shown(work, door, door.tenant(work, tenant)))
    response.headers["ETag"] = etag(shown.version)
    return shown


@router.put("/{tenant}", openapi_extra=needs(Standing.TENANT_ADMIN, TenantDocument))
async def put_tenant(
    context: ContextOf,
    door: Entered,
    response: Response,
    tenant: str,
    body: Annotated[TenantDocument, Depends(reads(TenantDocument))],
    conditions: Annotated[Changing, Depends()],
) -> ShownTenant:
    """Make the team exactly so; admins of the platform create it by that too. The same again changes nothing."""

    def use(work: Work) -> ShownTenant:
        if door.person.admin and tenants.find(work.tx, tenant, hold=True) is None:
            if body.name != check_tenant_name(tenant):
                raise InvalidInput("name", "is not the name in the path")
            if conditions.if_match is not None:
                raise Conflict(f"there is no team {tenant!r}, so no version of it matches; nothing was changed")
            return _shown(work, door, governing.create(work, door.actor(Standing.PLATFORM_ADMIN), body))
        return _changed(work, door, tenant, lambda _present: body, conditions.if_match)

    return _answer(context, response, await _write(context, use, dry_run=conditions.dry_run))


@router.patch("/{tenant}", openapi_extra=needs(Standing.TENANT_ADMIN, TenantDocument))
async def patch_tenant(
    context: ContextOf,
    door: Entered,
    request: Request,
    response: Response,
    tenant: str,
    conditions: Annotated[Changing, Depends()],
) -> ShownTenant:
    """Change some fields (JSON merge patch, RFC 7396: null resets a field to its default)."""
    patch = load(await read_bytes(request))
    if not isinstance(patch, dict):
        raise InvalidInput("body", "send an object with the fields to change")

    def merged(present: TenantDocument) -> TenantDocument:
        # Not merged fields keep their written form, so that one reader checks them all.
        return parse(TenantDocument, json.dumps(merge(present.model_dump(mode="json"), patch)).encode())

    def use(work: Work) -> ShownTenant:
        return _changed(work, door, tenant, merged, conditions.if_match)

    return _answer(context, response, await _write(context, use, dry_run=conditions.dry_run))


@router.get("/{tenant}/deletion", openapi_extra=needs(Standing.PLATFORM_ADMIN))
async def look_at_deletion(context: ContextOf, door: Entered, tenant: str) -> departures.WhatGoes:
    """What deleting the team would take away, and what stands in its way. Nothing is changed."""
    return await context.read(lambda work: departures.look(work, door.tenant(work, tenant)))


@router.post("/{tenant}/deletion", openapi_extra=needs(Standing.PLATFORM_ADMIN))
async def mark_for_deletion(
    context: ContextOf, door: Entered, response: Response, tenant: str, if_match: IfMatch = None
) -> Marked:
    """The first step of deleting a team: suspend it, show what will go, export it. Nothing is gone; unsuspending keeps
    it. Refused while anything of it is unsaved."""

    def use(work: Work) -> tuple[Marked, int]:
        row = door.tenant(work, tenant, hold=True)
        check_match(row, if_match)
        written = departures.export(work, row)
        row = departures.mark(work, door.actor(Standing.PLATFORM_ADMIN), row)
        return Marked(goes=departures.look(work, row), export=written), row.version

    marked, version = await context.write(use)
    response.headers["ETag"] = etag(version)
    return marked


@router.delete("/{tenant}", status_code=204, openapi_extra=needs(Standing.PLATFORM_ADMIN))
async def delete_tenant(
    context: ContextOf,
    door: Entered,
    tenant: str,
    if_match: IfMatch = None,
    confirm: Annotated[str, Query(max_length=40, description="the team's name, the second time")] = "",
) -> Response:
    """The second step of deleting a team: its checkpoints, homes, sources and rows are removed for good."""

    def use(work: Work) -> None:
        row = door.tenant(work, tenant, hold=True)
        check_match(row, if_match)
        departures.delete(work, door.actor(Standing.PLATFORM_ADMIN), row, confirmed=confirm == row.name)

    await context.write(use)
    context.bell.ring("tenants")
    return Response(status_code=204)


def _changed(work: Work, door: Door, tenant: str, wanted: Any, if_match: str | None) -> ShownTenant:
    row = door.tenant(work, tenant, hold=True)
    check_match(row, if_match)
    actor = door.actor(standing_in(work, door.person, row.id))
    return _shown(work, door, governing.change(work, actor, row, wanted(governing.document_of(work, row))))


def _part(text: str) -> str:
    if text and not text.isprintable():
        raise InvalidInput("q", "use letters, digits and hyphens")
    return text


class _DryRun(Exception):
    def __init__(self, shown: ShownTenant) -> None:
        self.shown = shown


async def _write(context: Context, use: Any, *, dry_run: bool) -> ShownTenant:
    def undone(work: Work) -> ShownTenant:
        raise _DryRun(use(work))

    try:
        shown: ShownTenant = await context.write(undone if dry_run else use)
    except _DryRun as done:
        return done.shown
    return shown


def _answer(context: Context, response: Response, shown: ShownTenant) -> ShownTenant:
    context.bell.ring("tenants")
    response.headers["ETag"] = etag(shown.version)
    return shown


def _shown(work: Work, door: Door, row: TenantRow) -> ShownTenant:
    document = governing.document_of(work, row)
    standing = standing_in(work, door.person, row.id)
    if standing < Standing.TENANT_ADMIN:
        document = document.model_copy(update={"members": ()})
    more = {"id": row.id, "version": row.version, "role": standing.words}
    return ShownTenant.model_validate(document.model_dump(mode="json") | more)
