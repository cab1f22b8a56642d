"""What belongs to a tenant: its members, its use against quota, its servers, its audit; and the platform's audit."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core.names import TenantId, normalise_user
from hubernate_core.server import Server
from hubernate_core.tenant import Member, Role
from hubernate_core.wire import Use

from ..context import Work
from ..services import governing, people_use, usage, views
from ..services.admission import Wanted, room
from ..store import audit, members, servers, tenants
from .access import Standing, standing_in
from .auth import ContextOf
from .body import reads
from .door import Entered, needs
from .paging import Cursor, Limit, decode, decode_number, encode

router = APIRouter(prefix="/api/v1", tags=["tenants"])


class RoleOnly(BaseModel):
    """What the person is to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    role: Role = Role.MEMBER


class Members(BaseModel):
    """The tenant's own list, and the groups whose people are in beside it."""

    items: list[Member]
    groups: dict[str, Role]


class TenantUse(BaseModel):
    """What is used of what may be used, now."""

    use: list[Use]
    people: list[people_use.PersonUse] = Field(description="who uses how much, most first")
    refusals: dict[str, str] = Field(description="by profile: why the person could not start it now; empty: it fits")
    waiting: int = Field(description="starts that wait in the team's queue")


class ServerPage(BaseModel):
    """One page of servers, by id."""

    items: list[Server]
    next: str | None = None


class AuditEntry(BaseModel):
    """One thing that was done."""

    seq: int
    at: datetime
    actor: str
    role: str
    origin: str
    action: str
    tenant: str = Field(description="name of the team, or its id once it is deleted; empty: none")
    target: str
    before: Any = None
    after: Any = None
    request_id: str
    sha256: str


class AuditPage(BaseModel):
    """One page of the audit log, newest first."""

    items: list[AuditEntry]
    next: str | None = None


class AuditCheck(BaseModel):
    """Whether the log is as it was written."""

    whole: bool
    first_break: int | None = Field(None, description="number of the first entry that is changed or missing")


@router.get("/tenants/{tenant}/members", openapi_extra=needs(Standing.TENANT_ADMIN))
async def list_members(context: ContextOf, door: Entered, tenant: str) -> Members:
    """Who is in by the team's own list, and by which groups."""

    def use(work: Work) -> Members:
        row = door.tenant(work, tenant)
        return Members(items=list(members.of_tenant(work.tx, row.id)), groups=row.tenant.groups_of(row.name))

    return await context.read(use)


@router.put("/tenants/{tenant}/members/{user}", openapi_extra=needs(Standing.TENANT_ADMIN, RoleOnly))
async def put_member(
    context: ContextOf, door: Entered, tenant: str, user: str, body: Annotated[RoleOnly, Depends(reads(RoleOnly))]
) -> Member:
    """Put a person on the list, as member or admin of the team; by the hub's very spelling of their name."""
    normalise_user(user)  # refuses what no hub can call anybody
    member = Member(user=user, role=body.role)

    def use(work: Work) -> Member:
        row = door.tenant(work, tenant, hold=True)
        governing.put_member(work, door.actor(standing_in(work, door.person, row.id)), row, member)
        return member

    return await context.write(use)


@router.delete("/tenants/{tenant}/members/{user}", status_code=204, openapi_extra=needs(Standing.TENANT_ADMIN))
async def remove_member(context: ContextOf, door: Entered, tenant: str, user: str) -> Response:
    """Take a person off the list. What runs of theirs is saved, then stopped, unless a group keeps them in."""

    def use(work: Work) -> None:
        row = door.tenant(work, tenant, hold=True)
        governing.remove_member(work, door.actor(standing_in(work, door.person, row.id)), row, user)

    await context.write(use)
    return Response(status_code=204)


@router.get("/tenants/{tenant}/use", openapi_extra=needs(Standing.MEMBER))
async def tenant_use(context: ContextOf, door: Entered, tenant: str) -> TenantUse:
    """What the team uses of its quota, who uses it, and which profiles the person could start now."""

    def use(work: Work) -> TenantUse:
        row = door.tenant(work, tenant)
        here = room(work, row.tenant)
        has_home = tenants.find_owner(work.tx, door.person.user, row.id) is not None
        wanted = Wanted(door.person.user, None, not has_home)
        profiles = work.context.catalogue.allowed(row.tenant).values()
        return TenantUse(
            use=list(usage.uses(row.tenant, here.held, door.person.user)),
            people=people_use.by_person(row.tenant, here.held),
            refusals=usage.refusals(work, here, wanted, profiles),
            waiting=len(here.waiting),
        )

    return await context.read(use)


@router.get("/tenants/{tenant}/servers", openapi_extra=needs(Standing.TENANT_ADMIN))
async def tenant_servers(
    context: ContextOf, door: Entered, tenant: str, limit: Limit = 100, cursor: Cursor = ""
) -> ServerPage:
    """The members' servers. Save, stop and discard them as your own, by their id."""

    def use(work: Work) -> ServerPage:
        row = door.tenant(work, tenant)
        found = servers.page_of_tenant(work.tx, row.id, after=decode(cursor), limit=limit + 1)
        more = encode(found[limit - 1].id) if len(found) > limit else None
        return ServerPage(items=views.show_all(work, found[:limit]), next=more)

    return await context.read(use)


@router.get("/tenants/{tenant}/audit", openapi_extra=needs(Standing.TENANT_ADMIN))
async def tenant_audit(
    context: ContextOf, door: Entered, tenant: str, limit: Limit = 100, cursor: Cursor = ""
) -> AuditPage:
    """What was done to the team and its servers, newest first."""
    return await context.read(lambda work: _page(work, door.tenant(work, tenant).id, limit, cursor))


@router.get("/audit", openapi_extra=needs(Standing.PLATFORM_ADMIN))
async def whole_audit(context: ContextOf, door: Entered, limit: Limit = 100, cursor: Cursor = "") -> AuditPage:
    """What was done on the whole platform, newest first."""
    return await context.read(_page, None, limit, cursor)


@router.get("/audit/check", openapi_extra=needs(Standing.PLATFORM_ADMIN))
async def check_audit(context: ContextOf, door: Entered) -> AuditCheck:
    """Compute the chain of digests anew: whether any entry was changed, removed or cut off."""
    broken = await context.store.read(audit.first_break)
    return AuditCheck(whole=broken is None, first_break=broken)


def _page(work: Work, tenant: TenantId | None, limit: int, cursor: str) -> AuditPage:
    found = audit.page(work.tx, before=decode_number(cursor), limit=limit + 1, tenant=tenant)
    known = tenants.with_ids(work.tx, {each.tenant_id for each in found if each.tenant_id})
    names = {key: each.name for key, each in known.items()}
    fields = [name for name in AuditEntry.model_fields if name != "tenant"]
    items = [
        AuditEntry(
            **{name: getattr(each, name) for name in fields},
            tenant=names.get(each.tenant_id, "") if each.tenant_id else "",
        )
        for each in found[:limit]
    ]
    return AuditPage(items=items, next=encode(str(items[-1].seq)) if len(found) > limit else None)
