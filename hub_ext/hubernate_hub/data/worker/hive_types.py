"""Hive's names of types, and what they are in Arrow. Source: the Hive language manual, types."""

import re

import pyarrow as pa

from .faults import Fault

_SIMPLE: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "void": pa.null(),
}
_DECIMAL = re.compile(r"decimal(?:\((\d{1,2})(?:,(\d{1,2}))?\))?")
_TEXT = re.compile(r"(?:varchar|char)\(\d{1,5}\)")
_DEPTH = 16


def arrow_type(name: str, depth: int = 0) -> pa.DataType:
    """The Arrow type of a Hive type such as ``array<struct<a:int,b:decimal(10,2)>>``.

    Raises:
        Fault: there is none.
    """
    name = name.strip()
    lower = name.lower()
    if lower in _SIMPLE:
        return _SIMPLE[lower]
    if _TEXT.fullmatch(lower):
        return pa.string()
    if found := _DECIMAL.fullmatch(lower):
        return pa.decimal128(int(found[1] or 10), int(found[2] or 0))
    kind, _, inside = name.partition("<")
    if inside.endswith(">") and depth < _DEPTH:
        parts = _split(inside[:-1])
        if kind.lower() == "array" and len(parts) == 1:
            return pa.list_(arrow_type(parts[0], depth + 1))
        if kind.lower() == "map" and len(parts) == 2:
            return pa.map_(arrow_type(parts[0], depth + 1), arrow_type(parts[1], depth + 1))
        if kind.lower() == "struct":
            pairs = [part.partition(":") for part in parts]
            return pa.struct([pa.field(field.strip(), arrow_type(inner, depth + 1)) for field, _, inner in pairs])
    raise Fault("invalid", f"the Hive type {name[:60]!r} cannot be read; read the table with Spark")


def _split(text: str) -> list[str]:
    """At commas outside of any bracket."""
    parts, depth, held = [], 0, ""
    for char in text:
        depth += (char in "<(") - (char in ">)")
        if char == "," and not depth:
            parts.append(held)
            held = ""
        else:
            held += char
    return [*parts, held]
