"""Schema and first rows of a file, or of the first file of a folder: by the few bytes that hold them, never the whole.

Default readers fetch far more than they show (arrow #36754); here every reader is told to read little, and the memory
of this process has a limit besides.
"""

import re
from typing import Any
from urllib.parse import unquote

from hubernate_core.source_path import join_path, split_path
from hubernate_core.source_view import Column, Entry

from .faults import Fault
from .preview_media import media_kind, read_media
from .tree import Answer, Tree

_DEPTH, _LISTED = 8, 1000
_HIDDEN = ("_", ".")
_PARTITION = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,62})=(.*)", re.S)
_FORMATS = {
    ".parquet": "parquet",
    ".parq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}


def look(tree: Tree, path: tuple[str, ...], rows: int, source: str) -> Answer:
    """``{"path", "schema", "sample"}`` of the file that stands for `path`, or of a folder of media. Raises Fault.

    Args:
        source: its name, for URLs of what is in it.
    """
    entry, beside = _representative(tree, path)
    where = split_path(entry.path)
    media = [each for each in beside if media_kind(each)] if media_kind(entry) else []
    partitions = [found.groups() for part in where[:-1] if (found := _PARTITION.fullmatch(part))]
    if media:
        schema, sample = read_media(tree, media, source, rows)
    else:
        schema, sample = _reader(entry)(tree, where, entry, rows)
    extra = tuple(Column(name=unquote(name), type="string", nullable=False, partition=True) for name, _ in partitions)
    values = tuple(unquote(value) for _, value in partitions)
    schema = schema.model_copy(update={"columns": schema.columns + extra})
    sample = sample.model_copy(
        update={
            "columns": sample.columns + tuple(column.name for column in extra),
            "rows": tuple(row + values for row in sample.rows),
        }
    )
    return {
        "path": join_path(where[:-1]) if media and where != path else entry.path,
        "schema": schema.model_dump(mode="json"),
        "sample": sample.model_dump(mode="json"),
    }, iter(())


def _representative(tree: Tree, path: tuple[str, ...]) -> tuple[Entry, list[Entry]]:
    """The file itself, or the first data file on the way down, with those beside it: bounded in depth and in number."""
    entry = tree.info(path)
    here, files = path, [entry]
    for _ in range(_DEPTH):
        if entry.type == "file":
            return entry, files
        entries, _ = tree.listing(here, "", _LISTED)
        seen = [each for each in entries if not split_path(each.path)[-1].startswith(_HIDDEN)]
        files = [each for each in seen if each.type == "file" and each.size]
        known = [each for each in files if _format(each)] or [each for each in files if media_kind(each)] or files
        folders = [each for each in seen if each.type == "folder"]
        if not known and not folders:
            raise Fault("not_found", f"there is no file with data in {join_path(here) or 'the source'!r}")
        entry = (known or folders)[0]
        here = split_path(entry.path)
    if entry.type != "file":
        raise Fault("invalid", f"no file within {_DEPTH} folders; name a folder further down")
    return entry, files


def _format(entry: Entry) -> str:
    name = entry.path.lower()
    return next((kind for ending, kind in _FORMATS.items() if name.endswith(ending)), "")


def _reader(entry: Entry) -> Any:
    kind = _format(entry)
    if kind == "parquet":
        from .preview_parquet import read_parquet

        return read_parquet
    from .preview_text import read_csv, read_facts, read_json

    return {"csv": read_csv, "json": read_json}.get(kind, read_facts)
