"""Rows of Hive tables: the metastore says where they lie, and a source of the reader's own holds them.

Two processes are asked, one for each source: neither knows the other's credential, and a table opens nothing that its
reader could not open by itself.
"""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from hubernate_core.errors import Conflict, InvalidInput
from hubernate_core.source_location import holder
from hubernate_core.source_partition import Condition, fill, parse_condition
from hubernate_core.source_path import join_path

from ..context import Context
from . import access
from .calls import Opened
from .parts import DataParts
from .reader import Reader


@dataclass(frozen=True)
class Scan:
    """What to ask of the source that holds a table's rows."""

    opened: Opened
    arguments: dict[str, Any]


def filled(context: Context, path: str) -> str:
    """``db.table/dt={yesterday}`` with its variables filled in.

    Raises:
        InvalidInput: braces that are no variable.
    """
    return fill(path, context.clock().date(), "path")


async def table(
    context: Context, data: DataParts, opened: Opened, path: str, where: list[str], *, newest: bool
) -> dict[str, Any]:
    """What the metastore says of a table, with the partitions that `path` and the conditions mean, or the newest one.

    Raises:
        InvalidInput: a condition that is none.  As `Calls.ask`.
    """
    today = context.clock().date()
    name, *parts = fill(path, today, "path").split("/")
    pairs = [part.partition("=") for part in parts]
    conditions = [Condition(column.lower(), "=", unquote(value)) for column, _, value in pairs]
    conditions += [parse_condition(each, today) for each in where]
    asked = [(each.column, each.comparison, each.value) for each in conditions]
    return await data.calls.ask(opened, "table", path=name, where=asked, newest=newest)


async def locate(context: Context, data: DataParts, reader: Reader, found: dict[str, Any]) -> Scan:
    """The reader's source that covers every location of the table, opened.

    Raises:
        InvalidInput: the table's files cannot be read as rows, or lie in several sources or very many folders.
        NotAllowed: no source that the reader may read covers it.
        Conflict: more than one does, or it was changed meanwhile.
    """
    path = str(found["path"])
    if found["why_not"]:
        raise InvalidInput("path", f"{path}: {found['why_not']}")
    locations = [str(part["location"]) for part in found["parts"]] or [str(found["location"])]

    visible = {each.name: each for each in await context.read(lambda work: access.visible(work, reader))}
    places = {name: each.place for name, each in visible.items()}
    # On a thread, and in no transaction: a table may have thousands of partitions.
    name, found_in = await asyncio.to_thread(holder, places, locations, path)
    opened = await context.read(lambda work: access.open_source(work, data.cipher, reader, name))
    if opened.source.place != places[name]:
        raise Conflict(f"the source {name!r} was changed just now; ask again")
    folders = [join_path(folder) for folder in found_in]
    parts = [{"path": folder, "values": part["values"]} for folder, part in zip(folders, found["parts"], strict=False)]
    return Scan(opened, {name: found[name] for name in ("columns", "keys", "format")} | {"path": "", "folders": parts})
