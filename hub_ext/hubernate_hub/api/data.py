"""The data gateway: sources read and written by members. The same routes for notebooks (by relay) and for people.

Paths are a query parameter: what stands in an object's name (``//``, ``%``, ``=``) then means nothing to any proxy.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core.errors import InvalidInput, NotAllowed
from hubernate_core.source import Level, Source
from hubernate_core.source_hadoop import HivePlace
from hubernate_core.source_view import Entry, Listing, ShownSample, ShownSchema

from ..context import Context, Work
from ..data import access, hive, views
from ..data.calls import Opened
from ..data.reader import Reader
from .access import Standing
from .auth import ContextOf
from .body import reads, takes
from .door import needs
from .errors import TooLarge
from .flow import Flow
from .readers import person_in_tenant, relayed_reader

Path = Annotated[str, Query(max_length=4096)]
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_OBJECT = {"Accept-Ranges": "bytes", "Content-Disposition": "attachment", "Content-Type": "application/octet-stream"}
_ARROW = "application/vnd.apache.arrow.stream"


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


class Sql(BaseModel):
    """One statement that reads. `limit`: rows at most, 0 for all."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    query: str = Field(min_length=1, max_length=100_000)
    limit: int = Field(0, ge=0)


@dataclass(frozen=True)
class Selection:
    """Of a table's rows: some columns (all), at most so many rows (0: all), of partitions that meet all conditions."""

    columns: Annotated[list[str] | None, Query(max_length=1000)] = None
    limit: Annotated[int, Query(ge=0)] = 0
    where: Annotated[list[str] | None, Query(max_length=20, description="such as `dt>={yesterday}`; Hive only")] = None


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
    for add in (_catalogue, _objects, _previews, _tables):
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
        opened = await _open(context, reader, source, "list")
        return Listing.model_validate(await context.data.calls.ask(opened, "list", path=path, after=after, limit=limit))

    @router.get("/{source}/info")
    async def info(context: ContextOf, reader: Asking, source: str, path: Path = "") -> Entry:
        """What is at a path."""
        opened = await _open(context, reader, source, "list")
        return Entry.model_validate(await context.data.calls.ask(opened, "info", path=path))


def _objects(router: APIRouter, Asking: Any) -> None:
    @router.head("/{source}/object", include_in_schema=False)
    async def head(context: ContextOf, reader: Asking, source: str, path: Path) -> Response:
        """Size and version of a file."""
        opened = await _open(context, reader, source, "list")
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
        opened = await _open(context, reader, source, "read", count=False)
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
        return Flow(stream, _counting(context, reader, opened, "read"), headers, status=206 if partial else 200)

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
        opened = await _open(context, reader, source, "write", Level.WRITE, count=False)
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
        opened = await _open(context, reader, source, "sample")
        return await views.schema(context, context.data, opened, path, fresh=fresh)

    @router.get("/{source}/sample")
    async def sample(
        context: ContextOf, reader: Asking, source: str, path: Path = "", fresh: bool = False
    ) -> ShownSample:
        """The first rows of a table, file or folder: the stored ones, with their age, or with `fresh` new ones."""
        opened = await _open(context, reader, source, "sample")
        return await views.sample(context, context.data, reader, opened, path, fresh=fresh)


def _tables(router: APIRouter, Asking: Any) -> None:
    @router.get("/{source}/rows", response_class=Response)
    async def rows(
        context: ContextOf,
        reader: Asking,
        source: str,
        path: Path,
        asked: Annotated[Selection, Depends()],
    ) -> Response:
        """A table as an Arrow stream; of a Hive table the partitions that meet all conditions."""
        opened = await _open(context, reader, source, "sql", count=False)
        if isinstance(opened.source.place, HivePlace):
            return await _hive_rows(context, reader, opened, path, asked)
        if asked.where:
            raise InvalidInput("where", "only of Hive tables; a database filters by SQL, files by what reads them")
        arguments = {"path": path, "columns": asked.columns or [], "limit": asked.limit}
        stream = await context.data.calls.stream(opened, "rows", **arguments)
        return Flow(stream, _counting(context, reader, opened, "sql"), {"Content-Type": _ARROW})

    @router.post("/{source}/sql", response_class=Response, openapi_extra=takes(Sql))
    async def sql(
        context: ContextOf, reader: Asking, source: str, body: Annotated[Sql, Depends(reads(Sql))]
    ) -> Response:
        """The answer of one reading statement as an Arrow stream."""
        opened = await _open(context, reader, source, "sql", count=False)
        stream = await context.data.calls.stream(opened, "sql", path="", query=body.query, limit=body.limit)
        return Flow(stream, _counting(context, reader, opened, "sql"), {"Content-Type": _ARROW})


relay = _make("/api/v1/relay/sources", relayed_reader, {})
people = _make("/api/v1/tenants/{tenant}/sources", person_in_tenant, needs(Standing.MEMBER))


async def _hive_rows(context: Context, reader: Reader, opened: Opened, path: str, asked: Selection) -> Response:
    path = views.normal_path(opened, path)
    found = await hive.table(context, context.data, opened, path, asked.where or [], newest=False)
    scan = await hive.locate(context, context.data, reader, found)
    wanted = {"wanted": asked.columns or [], "limit": asked.limit}
    stream = await context.data.calls.stream(scan.opened, "scan", **scan.arguments, **wanted)
    counts = [_counting(context, reader, each, "read") for each in (opened, scan.opened)]

    def count(moved: int) -> None:
        for each in counts:
            each(moved)

    return Flow(stream, count, {"Content-Type": _ARROW})


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


async def _open(
    context: Context, reader: Reader, source: str, verb: str, wanted: Level = Level.READ, *, count: bool = True
) -> Opened:
    def use(work: Work) -> Opened:
        return access.open_source(work, context.data.cipher, reader, source, wanted)

    try:
        opened = await context.read(use)
    except NotAllowed:
        refused = await context.read(access.find, reader, source)
        context.data.reads.note(reader, refused, "refused", 0, context.clock())
        raise
    if count:
        context.data.reads.note(reader, opened.source, verb, 0, context.clock())
    return opened


def _counting(context: Context, reader: Reader, opened: Opened, verb: str) -> Callable[[int], None]:
    return lambda moved: context.data.reads.note(reader, opened.source, verb, moved, context.clock())


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
