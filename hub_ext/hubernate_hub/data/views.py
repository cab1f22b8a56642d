"""Samples and schemas: stored ones while they are fresh, else from the source; stale ones rather than none."""

from datetime import timedelta
from typing import Any

from hubernate_core.errors import NotFound, Unavailable
from hubernate_core.source_path import join_path, split_path
from hubernate_core.source_place import DatabasePlace
from hubernate_core.source_view import Sample, Schema, ShownSample, ShownSchema, drift

from ..context import Context
from ..store import sources
from ..store.sources import View
from .calls import Opened
from .parts import DataParts


async def schema(context: Context, data: DataParts, opened: Opened, path: str, *, fresh: bool) -> ShownSchema:
    """The schema of a table, file or folder. Raises as `Calls.ask`."""
    view, why = await _view(context, data, opened, path, fresh=fresh)
    found = Schema.model_validate(view.content["schema"])
    changed = () if view.before is None else drift(Schema.model_validate(view.before), found)
    facts = {"path": view.content["path"], "taken_at": view.taken_at, "stale": bool(why), "why_stale": why}
    return ShownSchema(found=found, drift=changed, **facts)


async def sample(context: Context, data: DataParts, opened: Opened, path: str, *, fresh: bool) -> ShownSample:
    """The first rows of a table, file or folder. Raises as `Calls.ask`."""
    view, why = await _view(context, data, opened, path, fresh=fresh)
    facts = {"path": view.content["path"], "taken_at": view.taken_at, "stale": bool(why), "why_stale": why}
    return ShownSample(found=Sample.model_validate(view.content["sample"]), **facts)


def normal_path(opened: Opened, path: str) -> str:
    """One spelling of a path: components, or a table's name.

    Raises:
        InvalidInput: it is none.
        NotFound: of a database, only its tables can be looked at.
    """
    normal = join_path(split_path(path))
    if not normal and isinstance(opened.source.place, DatabasePlace):
        raise NotFound(f"{opened.source.name!r} is a database: name one of its tables")
    return normal


async def _view(context: Context, data: DataParts, opened: Opened, path: str, *, fresh: bool) -> tuple[View, str]:
    path, source = normal_path(opened, path), opened.source
    known = await context.store.read(sources.view, source.id, path)
    age = timedelta(seconds=data.settings.sample_fresh_s)
    if known is not None and not fresh and context.clock() - known.taken_at < age:
        return known, ""
    try:
        content: dict[str, Any] = await data.calls.ask(opened, "look", path=path, rows=data.settings.sample_rows)
    except Unavailable as problem:
        if known is None:
            raise
        return known, problem.message
    return await context.store.write(sources.keep_view, source, path, content, context.clock()), ""
