"""Rows of tables as Arrow streams: of a database, or of a Hive metastore's tables."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core.errors import InvalidInput
from hubernate_core.source_hadoop import HivePlace

from ..context import Context
from ..data import hive, views
from ..data.calls import Opened
from ..data.reader import Reader
from .auth import ContextOf
from .body import reads, takes
from .flow import Flow
from .readers import counting, open_for

Path = Annotated[str, Query(max_length=4096)]
_ARROW = "application/vnd.apache.arrow.stream"


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
    where: Annotated[
        list[Annotated[str, Field(max_length=1000)]] | None,
        Query(max_length=20, description="such as `dt>={yesterday}`; Hive only"),
    ] = None


def add_tables(router: APIRouter, Asking: Any) -> None:
    """The routes that give rows: of a database, of a Hive table."""

    @router.get("/{source}/rows", response_class=Response)
    async def rows(
        context: ContextOf,
        reader: Asking,
        source: str,
        path: Path,
        asked: Annotated[Selection, Depends()],
    ) -> Response:
        """A table as an Arrow stream; of a Hive table the partitions that meet all conditions."""
        opened = await open_for(context, reader, source, "sql", count=False)
        if isinstance(opened.source.place, HivePlace):
            return await _hive_rows(context, reader, opened, path, asked)
        if asked.where:
            raise InvalidInput("where", "only of Hive tables; a database filters by SQL, files by what reads them")
        arguments = {"path": path, "columns": asked.columns or [], "limit": asked.limit}
        stream = await context.data.calls.stream(opened, "rows", **arguments)
        return Flow(stream, counting(context, reader, opened, "sql"), {"Content-Type": _ARROW})

    @router.post("/{source}/sql", response_class=Response, openapi_extra=takes(Sql))
    async def sql(
        context: ContextOf, reader: Asking, source: str, body: Annotated[Sql, Depends(reads(Sql))]
    ) -> Response:
        """The answer of one reading statement as an Arrow stream."""
        opened = await open_for(context, reader, source, "sql", count=False)
        stream = await context.data.calls.stream(opened, "sql", path="", query=body.query, limit=body.limit)
        return Flow(stream, counting(context, reader, opened, "sql"), {"Content-Type": _ARROW})


async def _hive_rows(context: Context, reader: Reader, opened: Opened, path: str, asked: Selection) -> Response:
    path = views.normal_path(opened, path)
    found = await hive.table(context, context.data, opened, path, asked.where or [], newest=False)
    scan = await hive.locate(context, context.data, reader, found)
    wanted = {"wanted": asked.columns or [], "limit": asked.limit}
    stream = await context.data.calls.stream(scan.opened, "scan", **scan.arguments, **wanted)
    counts = [counting(context, reader, each, "read") for each in (opened, scan.opened)]

    def count(moved: int) -> None:
        for each in counts:
            each(moved)

    return Flow(stream, count, {"Content-Type": _ARROW})
