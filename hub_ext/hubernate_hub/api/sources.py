"""For admins of sources: register, change, test, remove; who read how much."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core.source import Credential, Level, Source, SourceSpec
from hubernate_core.source_view import Check

from ..context import Work
from ..data import access
from ..data.calls import Opened
from ..services import sources as use_cases
from ..store import sources
from .access import Standing
from .auth import ContextOf
from .body import reads
from .door import Entered, needs
from .people import Limit
from .readers import InTenant

router = APIRouter(prefix="/api/v1", tags=["sources"])
_UNDER = "/tenants/{tenant}/sources"


class NewSource(BaseModel):
    """A source and, where its kind needs one, its credential, which no answer ever shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: SourceSpec
    credential: Credential | None = None


class Tested(BaseModel):
    """Each question answered by itself, with what to do."""

    checks: list[Check]


class ReadCount(BaseModel):
    """What one person did with one source in one hour. `moved` is bytes."""

    source: str
    user: str
    verb: str
    hour: str
    calls: int
    moved: int


class ReadCounts(BaseModel):
    """Newest hour first."""

    items: list[ReadCount]


class Rotated(BaseModel):
    """How many credentials are under the new key, and its name."""

    credentials: int = Field(ge=0)
    key: str


@router.post(_UNDER, status_code=201, openapi_extra=needs(Standing.TENANT_ADMIN, NewSource))
async def add(context: ContextOf, reader: InTenant, body: Annotated[NewSource, Depends(reads(NewSource))]) -> Source:
    """Register a source. Nothing is asked of it yet: test it next."""
    return await context.write(use_cases.add, context.data.cipher, reader, body.source, body.credential)


@router.put(_UNDER + "/{source}", openapi_extra=needs(Standing.TENANT_ADMIN, SourceSpec))
async def change(
    context: ContextOf, reader: InTenant, source: str, body: Annotated[SourceSpec, Depends(reads(SourceSpec))]
) -> Source:
    """Write a source anew. With another place its credential is forgotten and has to be given again."""
    changed = await context.write(use_cases.change, context.data.cipher, reader, source, body)
    context.data.calls.forget(changed)
    return changed


@router.put(_UNDER + "/{source}/credential", openapi_extra=needs(Standing.TENANT_ADMIN, Credential))
async def set_credential(
    context: ContextOf, reader: InTenant, source: str, body: Annotated[Credential, Depends(reads(Credential))]
) -> Source:
    """Replace a source's credential; the next call uses it."""
    changed = await context.write(use_cases.set_credential, context.data.cipher, reader, source, body)
    context.data.calls.forget(changed)
    return changed


@router.delete(_UNDER + "/{source}", status_code=204, openapi_extra=needs(Standing.TENANT_ADMIN))
async def remove(context: ContextOf, reader: InTenant, source: str) -> Response:
    """Forget a source; its data stays where it is."""
    gone = await context.write(use_cases.remove, reader, source)
    context.data.calls.forget(gone)
    return Response(status_code=204)


@router.post(_UNDER + "/{source}/test", openapi_extra=needs(Standing.TENANT_ADMIN))
async def test(context: ContextOf, reader: InTenant, source: str) -> Tested:
    """Is it reachable, is it there, may we read, may we write: each answered by itself."""

    def use(work: Work) -> Opened:
        return access.open_source(work, context.data.cipher, reader, source)

    opened = await context.read(use)
    context.data.calls.forget(opened.source)  # whoever repaired it wants to know now
    grants = opened.source.grants
    writable = Level.WRITE in (grants.tenant, *grants.members.values())
    answer = await context.data.calls.ask(opened, "test", writable=writable)
    context.data.reads.note(reader, opened.source, "test", 0, context.clock())
    return Tested(checks=[Check.model_validate(each) for each in answer["checks"]])


@router.get("/tenants/{tenant}/source-reads", openapi_extra=needs(Standing.TENANT_ADMIN))
async def list_reads(context: ContextOf, reader: InTenant, limit: Limit = 100) -> ReadCounts:
    """Who read how much of what, by the hour."""
    await context.data.flush(context.store)
    found = await context.store.read(sources.reads, reader.tenant_id, limit)
    items = [
        ReadCount(
            source=each.source,
            user=each.user,
            verb=each.verb,
            hour=each.hour.strftime("%Y-%m-%dT%H:00Z"),
            calls=each.calls,
            moved=each.moved,
        )
        for each in found
    ]
    return ReadCounts(items=items)


@router.post("/data/rotate-key", openapi_extra=needs(Standing.PLATFORM_ADMIN))
async def rotate_key(context: ContextOf, door: Entered) -> Rotated:
    """Put every credential under a new key and forget the former ones. For platform admins."""
    actor = door.actor(Standing.PLATFORM_ADMIN)
    cipher = context.data.cipher
    count, key = await context.write(use_cases.rotate_key, cipher, actor)
    if not cipher.mounted and await context.read(use_cases.is_all_under, key):
        cipher.drop_others()
    return Rotated(credentials=count, key=key)
