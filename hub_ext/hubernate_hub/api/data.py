"""The data gateway: sources read and written by members. The same routes for notebooks (by relay) and for people.

Paths are a query parameter: what stands in an object's name (``//``, ``%``, ``=``) then means nothing to any proxy.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from hubernate_core.errors import InvalidInput
from hubernate_core.source import Level, Source
from hubernate_core.source_view import Entry, Listing, ShownSample, ShownSchema

from ..context import Context
from ..data import access, views
from ..data.reader import Reader
from .access import Standing
from .auth import ContextOf
from .door import needs
from .errors import TooLarge
from .flow import Flow
from .readers import counting, open_for, person_in_tenant, relayed_reader
from .tables import add_tables

Path = Annotated[str, Query(max_length=4096)]
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_OBJECT = {"Accept-Ranges": "bytes", "Content-Disposition": "attachment", "Content-Type": "application/octet-stream"}


class ShownSource(BaseModel):
    """A source as those who may use it see it."""

    name: str
    title: str
    description: str
    kind: str
    level: Level
    state: str = Field(description="'closed': all is well; 'open': it does not answer and is left alone for a moment")
    why: str = ""
    has_credential: bool
    details: Source | None = Field(None, description="all of it, for those who govern")


class Sources(BaseModel):
    """The sources that the one who asks may use, by name."""

    items: list[ShownSource]


def show(context: Context, reader: Reader, source: Source) -> ShownSource:
    """`source` for the one who asks."""
    state, why = context.data.calls.state(source)
    return ShownSource(
        name=source.name,
        title=source.title,
        description=source.description,
        kind=source.place.kind,
        level=source.grants.level_of(reader.user),
        state=str(state),
        why=why,
        has_credential=source.has_credential,
        details=source if reader.governs else None,
    )


def _make(prefix: str, who: Callable[..., Awaitable[Reader]], extra: dict[str, Any]) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["data"])
    asking = Annotated[Reader, Depends(who)]
    for add in (_catalogue, _objects, _previews, add_tables):
        add(router, asking)
    for route in router.routes:
        if isinstance(route, APIRoute):
            route.openapi_extra = (route.openapi_extra or {}) | extra
    return router


def _catalogue(router: APIRouter, Asking: Any) -> None:
    @router.get("")
    async def list_sources(context: ContextOf, reader: Asking) -> Sources:
        """The sources that the one who asks may use."""
        found = await context.read(access.visible, reader)
        return Sources(items=[show(context, reader, each) for each in found])

    @router.get("/{source}")
    async def one_source(context: ContextOf, reader: Asking, source: str) -> ShownSource:
        """One source."""
        return show(context, reader, await context.read(access.find, reader, source))

    @router.get("/{source}/entries")
    async def entries(
        context: ContextOf,
        reader: Asking,
        source: str,
        path: Path = "",
        after: Annotated[str, Query(max_length=4096)] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> Listing:
        """One page of a folder, or of a database's tables."""
        opened = await open_for(context, reader, source, "list")
        return Listing.model_validate(await context.data.calls.ask(opened, "list", path=path, after=after, limit=limit))

    @router.get("/{source}/info")
    async def info(context: ContextOf, reader: Asking, source: str, path: Path = "") -> Entry:
        """What is at a path."""
        opened = await open_for(context, reader, source, "list")
        return Entry.model_validate(await context.data.calls.ask(opened, "info", path=path))


def _objects(router: APIRouter, Asking: Any) -> None:
    @router.head("/{source}/object", include_in_schema=False)
    async def head(context: ContextOf, reader: Asking, source: str, path: Path) -> Response:
        """Size and version of a file."""
        opened = await open_for(context, reader, source, "list")
        found = Entry.model_validate(await context.data.calls.ask(opened, "info", path=path))
        if found.type != "file":
            raise InvalidInput("path", "this is a folder")
        size = {} if found.size is None else {"Content-Length": str(found.size)}
        return Response(headers=_OBJECT | size | _etag(found.etag))

    @router.get("/{source}/object", response_class=Response)
    async def read(
        context: ContextOf,
        reader: Asking,
        source: str,
        path: Path,
        range: Annotated[str, Header(max_length=100)] = "",
        if_match: Annotated[str, Header(max_length=200)] = "",
    ) -> Response:
        """A file, or with `Range` one part of it; with `If-Match` only the version of that ETag."""
        start, end = parse_range(range)
        opened = await open_for(context, reader, source, "read", count=False)
        arguments = {"path": path, "start": start, "end": end, "etag": if_match.strip('"')}
        stream = await context.data.calls.stream(opened, "read", **arguments)
        found = stream.head
        headers = _OBJECT | _etag(found["etag"]) | {"Content-Length": str(found["length"])}
        partial = (start, end) != (0, None)
        if partial and not found["length"]:
            await stream.aclose()
            headers |= {"Content-Range": f"bytes */{found['size']}", "Content-Length": "0"}
            return Response(status_code=416, headers=headers)
        if partial:
            last = found["start"] + found["length"] - 1
            headers["Content-Range"] = f"bytes {found['start']}-{last}/{found['size']}"
        return Flow(stream, counting(context, reader, opened, "read"), headers, status=206 if partial else 200)

    @router.put("/{source}/object")
    async def write(
        request: Request,
        context: ContextOf,
        reader: Asking,
        source: str,
        path: Path,
        if_none_match: Annotated[str, Header(max_length=10)] = "",
    ) -> Entry:
        """Put a whole file in place: seen when all of it came. With `If-None-Match: *` only where there is none."""
        opened = await open_for(context, reader, source, "write", Level.WRITE, count=False)
        body = _Upload(request, context.data.settings.upload_max_bytes)
        only_new = if_none_match.strip() == "*"
        written = await context.data.calls.upload(opened, body.parts(), path=path, only_new=only_new)
        context.data.reads.note(reader, opened.source, "write", body.size, context.clock())
        return Entry.model_validate(written)


def _previews(router: APIRouter, Asking: Any) -> None:
    @router.get("/{source}/schema")
    async def schema(
        context: ContextOf, reader: Asking, source: str, path: Path = "", fresh: bool = False
    ) -> ShownSchema:
        """Columns of a table, file or folder, and what changed since they were last seen otherwise."""
        opened = await open_for(context, reader, source, "sample")
        return await views.schema(context, context.data, opened, path, fresh=fresh)

    @router.get("/{source}/sample")
    async def sample(
        context: ContextOf, reader: Asking, source: str, path: Path = "", fresh: bool = False
    ) -> ShownSample:
        """The first rows of a table, file or folder: the stored ones, with their age, or with `fresh` new ones."""
        opened = await open_for(context, reader, source, "sample")
        return await views.sample(context, context.data, reader, opened, path, fresh=fresh)


relay = _make("/api/v1/relay/sources", relayed_reader, {})
people = _make("/api/v1/tenants/{tenant}/sources", person_in_tenant, needs(Standing.MEMBER))


def parse_range(text: str) -> tuple[int, int | None]:
    """Start and end (exclusive) of a ``Range`` header; the whole file for none, and for those that need not be obeyed.

    Raises:
        InvalidInput: it ends before it begins.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None or found.groups() == ("", ""):
        return 0, None
    first, last = found.groups()
    if not first:
        return -int(last), None
    start, end = int(first), int(last) + 1 if last else None
    if end is not None and end <= start:
        raise InvalidInput("range", "it ends before it begins")
    return start, end


def _etag(etag: str) -> dict[str, str]:
    return {"ETag": f'"{etag}"'} if etag else {}


class _Upload:
    """A request's body, counted and bounded."""

    def __init__(self, request: Request, limit: int) -> None:
        self._request, self._limit, self.size = request, limit, 0

    async def parts(self) -> AsyncIterator[bytes]:
        async for part in self._request.stream():
            self.size += len(part)
            if self.size > self._limit:
                raise TooLarge("body", f"over {self._limit} bytes (c.DataGateway.upload_max_bytes)")
            yield part
