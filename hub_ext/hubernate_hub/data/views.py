"""Samples and schemas: stored ones while they are fresh, else from the source; stale ones rather than none."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

from hubernate_core.errors import NotFound, Unavailable
from hubernate_core.source import Source
from hubernate_core.source_hadoop import HivePlace
from hubernate_core.source_path import join_path, split_path
from hubernate_core.source_place import DatabasePlace
from hubernate_core.source_view import Sample, Schema, ShownSample, ShownSchema, drift

from ..context import Context
from ..store import sources
from ..store.sources import View
from . import hive
from .calls import Opened
from .parts import DataParts
from .reader import Reader


async def schema(context: Context, data: DataParts, opened: Opened, path: str, *, fresh: bool) -> ShownSchema:
    """The schema of a table, file or folder. Raises as `Calls.ask`."""
    view, why = await _view(context, data, opened, path, fresh=fresh)
    found = Schema.model_validate(view.content["schema"])
    changed = () if view.before is None else drift(Schema.model_validate(view.before), found)
    facts = {"path": view.content["path"], "taken_at": view.taken_at, "stale": bool(why), "why_stale": why}
    return ShownSchema(found=found, drift=changed, **facts)


async def sample(
    context: Context, data: DataParts, reader: Reader, opened: Opened, path: str, *, fresh: bool
) -> ShownSample:
    """The first rows of a table, file or folder; of a Hive table, of its newest partition. Raises as `Calls.ask`.

    Raises:
        NotAllowed: a Hive table, whose rows lie where the reader may not read.
    """
    view, why = await _view(context, data, opened, path, fresh=fresh)
    if isinstance(opened.source.place, HivePlace):
        if view.content["why_not"] or not view.content["parts"]:
            note = view.content["why_not"] or "there is no such partition"
            names = [each["name"] for each in view.content["schema"]["columns"]]
            found = Sample(columns=tuple(names), rows=(), note=note)
            return ShownSample(path=view.content["path"], taken_at=view.taken_at, stale=bool(why), found=found)
        view, why = await _rows(context, data, reader, opened, view, fresh=fresh)
    facts = {"path": view.content["path"], "taken_at": view.taken_at, "stale": bool(why), "why_stale": why}
    return ShownSample(found=Sample.model_validate(view.content["sample"]), **facts)


def normal_path(opened: Opened, path: str) -> str:
    """One spelling of a path: components, or a table's name.

    Raises:
        InvalidInput: it is none.
        NotFound: of a database, only its tables can be looked at.
    """
    normal = join_path(split_path(path))
    if not normal and isinstance(opened.source.place, DatabasePlace | HivePlace):
        raise NotFound(f"{opened.source.name!r} is a database: name one of its tables")
    return normal


async def _view(context: Context, data: DataParts, opened: Opened, path: str, *, fresh: bool) -> tuple[View, str]:
    path = normal_path(opened, path)
    if isinstance(opened.source.place, HivePlace):
        path = hive.filled(context, path)
        asking = partial(hive.table, context, data, opened, path, [], newest=True)
    else:
        asked = {"path": path, "rows": data.settings.sample_rows, "source": opened.source.name}
        asking = partial(data.calls.ask, opened, "look", **asked)
    return await _kept(context, data, opened.source, path, asking, fresh=fresh)


async def _rows(
    context: Context, data: DataParts, reader: Reader, opened: Opened, table: View, *, fresh: bool
) -> tuple[View, str]:
    """Kept with the source that holds them, and looked at by those only who may read that one."""
    scan = await hive.locate(context, data, reader, table.content)
    shown = {name: table.content[name] for name in ("path", "schema")}

    async def asking() -> dict[str, Any]:
        asked = scan.arguments | {"wanted": [], "limit": data.settings.sample_rows}
        return shown | await data.calls.ask(scan.opened, "glance", **asked)

    # No path of the source's own begins with a slash.
    folder = scan.arguments["folders"][0]["path"]
    key = f"/{opened.source.id}/{table.content['path']}/{folder}"
    return await _kept(context, data, scan.opened.source, key, asking, fresh=fresh)


async def _kept(
    context: Context, data: DataParts, source: Source, key: str, asking: Callable[[], Awaitable[Any]], *, fresh: bool
) -> tuple[View, str]:
    """What is stored under `key` while it is fresh, else what `asking` gives; with why it is stale, where it is."""
    known = await context.store.read(sources.view, source.id, key)
    age = timedelta(seconds=data.settings.sample_fresh_s)
    if known is not None and not fresh and context.clock() - known.taken_at < age:
        return known, ""
    try:
        content: dict[str, Any] = await asking()
    except Unavailable as problem:
        if known is None:
            raise
        return known, problem.message
    if "/" in key and content.get("keys") and not content["parts"]:
        # A partition that is not there: of such names there is no end.
        return View(content, None, context.clock()), ""
    return await context.store.write(sources.keep_view, source, key, content, context.clock()), ""
