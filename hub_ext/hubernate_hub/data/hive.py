"""Rows of Hive tables: the metastore says where they lie, and a source of the reader's own holds them.

Two processes are asked, one for each source: neither knows the other's credential, and a table opens nothing that its
reader could not open by itself.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from hubernate_core.errors import Conflict, InvalidInput, NotAllowed, shorten
from hubernate_core.source_location import folder_in
from hubernate_core.source_partition import Condition, fill, parse_condition
from hubernate_core.source_path import join_path

from ..context import Context, Work
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
        InvalidInput: the table's files cannot be read as rows, or lie in several sources.
        NotAllowed: no source that the reader may read covers it.
        Conflict: more than one does.
    """
    path = str(found["path"])
    if found["why_not"]:
        raise InvalidInput("path", f"{path}: {found['why_not']}")
    locations = [str(part["location"]) for part in found["parts"]] or [str(found["location"])]

    def use(work: Work) -> tuple[Opened, list[str]]:
        visible = access.visible(work, reader)
        names, folders = set(), []
        for location in locations:
            held = {each.name: folder for each in visible if (folder := folder_in(each.place, location)) is not None}
            if not held:
                raise NotAllowed(
                    f"rows of {path} lie in {shorten(location, 200)}, which no source that you may read covers; an"
                    " admin registers one of kind s3 or hdfs there, or grants it to you"
                )
            if len(held) > 1:
                raise Conflict(
                    f"rows of {path} lie in {shorten(location, 200)}, which the sources {', '.join(sorted(held))} could"
                    " both be, at different stores; an admin keeps the right one"
                )
            ((name, folder),) = held.items()
            names.add(name)
            folders.append(join_path(folder))
        if len(names) > 1:
            raise InvalidInput(
                "where",
                f"these partitions of {path} lie in several sources ({', '.join(sorted(names))}); ask for fewer",
            )
        return access.open_source(work, data.cipher, reader, names.pop()), folders

    opened, folders = await context.read(use)
    parts = [{"path": folder, "values": part["values"]} for folder, part in zip(folders, found["parts"], strict=False)]
    return Scan(opened, {name: found[name] for name in ("columns", "keys", "format")} | {"path": "", "folders": parts})
