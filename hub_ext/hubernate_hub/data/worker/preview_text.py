"""The first rows of text files: as much as one range holds, cut at the last whole line."""

import csv
import io
import json
from typing import Any

from hubernate_core.quantity import show_bytes
from hubernate_core.source_path import join_path
from hubernate_core.source_view import Column, Entry, Sample, Schema

from .cells import as_json
from .faults import Fault, not_found
from .tree import Tree

_FIRST, _MOST = 64 * 1024, 1024**2
_COLUMNS_MAX = 200
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read_csv(tree: Tree, path: tuple[str, ...], entry: Entry, rows: int) -> tuple[Schema, Sample]:
    """Columns by the first line; types by what all the shown cells can be read as."""
    text, note = _lines(tree, path, entry)
    try:
        dialect: Any = csv.Sniffer().sniff(text[:8192], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel_tab if path[-1].lower().endswith(".tsv") else csv.excel
    reader = csv.reader(io.StringIO(text), dialect)
    try:
        header = next(reader, [])
        found = [row for row, _ in zip((row for row in reader if row), range(rows), strict=False)]
    except csv.Error as problem:
        raise Fault("invalid", f"this is no CSV that can be read: {problem}") from problem
    header = header[:_COLUMNS_MAX]
    width = len(header)
    ragged = sum(len(row) != width for row in found)
    if ragged:
        note = _join(note, f"{ragged} of {len(found)} rows have another number of cells than the header")
    table = [[*row[:width], *[None] * (width - len(row))] for row in found]
    columns = tuple(Column(name=name, type=_type_of([row[at] for row in table])) for at, name in enumerate(header))
    sample = Sample(
        columns=tuple(header), rows=tuple(tuple(map(as_json, row)) for row in table), format="csv", note=note
    )
    return Schema(columns=columns, format="csv"), sample


def read_json(tree: Tree, path: tuple[str, ...], entry: Entry, rows: int) -> tuple[Schema, Sample]:
    """One object a line; columns are the keys in the order in which they come."""
    text, note = _lines(tree, path, entry)
    found: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if len(found) == rows:
            break
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as problem:
            raise Fault("invalid", f"line {number} is not JSON; files with one object a line are shown") from problem
        found.append(value if isinstance(value, dict) else {"value": value})
    names = list(dict.fromkeys(name for row in found for name in row))[:_COLUMNS_MAX]
    columns = tuple(Column(name=name, type=_json_type(found, name)) for name in names)
    shown = tuple(tuple(as_json(row.get(name)) for name in names) for row in found)
    return Schema(columns=columns, format="json"), Sample(columns=tuple(names), rows=shown, format="json", note=note)


def read_facts(_tree: Tree, path: tuple[str, ...], entry: Entry, _rows: int) -> tuple[Schema, Sample]:
    """What is known of a file of another format: its name and size."""
    columns = (Column(name="path", type="string"), Column(name="size", type="int64"))
    row = (join_path(path), entry.size)
    note = "no preview of this format; open it with hubernate.open"
    return Schema(columns=columns), Sample(columns=("path", "size"), rows=(row,), note=note)


def _lines(tree: Tree, path: tuple[str, ...], entry: Entry) -> tuple[str, str]:
    for limit in (_FIRST, _MOST):
        content, more = _start(tree, path, entry, limit)
        text, note = _decode(content, more)
        if not more:
            return text, note
        cut = max(text.rfind("\n"), text.rfind("\r"))
        if cut > 0:
            return text[: cut + 1], note
    raise Fault("large", f"the first line is longer than {show_bytes(_MOST)}; read it with hubernate.open")


def _decode(content: bytes, more: bool) -> tuple[str, str]:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace"), "" if encoding == "utf-8-sig" else f"read as {encoding}"
    try:
        return content.decode("utf-8"), ""
    except UnicodeDecodeError as problem:
        # The range may end inside a character.
        if more and problem.start > len(content) - 4:
            return content[: problem.start].decode("utf-8"), ""
        return content.decode("latin-1"), "not UTF-8; read as Latin-1"


def _type_of(cells: list[str | None]) -> str:
    given = [cell for cell in cells if cell]
    for kind, read in (("int64", int), ("double", float)):
        try:
            for cell in given:
                read(cell)
        except ValueError:
            continue
        return kind if given else "null"
    return "string"


def _json_type(rows: list[dict[str, Any]], name: str) -> str:
    kinds = {type(row[name]) for row in rows if row.get(name) is not None}
    names = {bool: "bool", int: "int64", float: "double", str: "string", list: "list", dict: "struct"}
    if kinds == {int, float}:
        return "double"
    return " or ".join(sorted(names[kind] for kind in kinds)) or "null"


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _start(tree: Tree, path: tuple[str, ...], entry: Entry, limit: int) -> tuple[bytes, bool]:
    """The first `limit` bytes at most, and whether there is more."""
    piece = tree.read(path, 0, min(limit, entry.size or limit), entry.etag)
    content = b"".join(piece.chunks)
    if not content and not piece.size:
        raise not_found(join_path(path)) if entry.size else Fault("invalid", f"{join_path(path)!r} is empty")
    return content, piece.size > len(content)
