"""Rows of a database as Arrow's stream format, batch by batch."""

import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from .faults import Fault


def as_stream(fields: list[pa.Field], batches: Iterator[list[tuple[Any, ...]]], limit: int) -> Iterator[bytes]:
    """The stream in pieces: the schema first, then a message a batch, cut after `limit` rows (0: all)."""
    schema = pa.schema(fields)
    yield from batches_as_stream(schema, (_batch(schema, rows) for rows in batches if rows), limit)


def batches_as_stream(schema: pa.Schema, batches: Iterator[pa.RecordBatch], limit: int) -> Iterator[bytes]:
    """As `as_stream`, of batches."""
    sink = _Sink()
    writer = pa.ipc.new_stream(sink, schema)
    left = limit or None
    yield sink.take()
    for batch in batches:
        if left is not None:
            batch, left = batch.slice(0, left), left - min(left, batch.num_rows)
        if batch.num_rows:
            writer.write_batch(batch)
            yield sink.take()
        if left == 0:
            break
    writer.close()
    yield sink.take()


def _batch(schema: pa.Schema, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = []
    for index, field in enumerate(schema):
        values = [_fitting(row[index], field.type) for row in rows]
        try:
            columns.append(pa.array(values, field.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as problem:
            raise Fault(
                "invalid", f"column {field.name!r} has a value that Arrow's {field.type} cannot hold"
            ) from problem
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _fitting(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_string(kind):
        return value if isinstance(value, str) else _text(value)
    if pa.types.is_floating(kind) and isinstance(value, Decimal):
        return float(value)
    if isinstance(value, memoryview):
        return bytes(value)
    return value


def _text(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return str(value)


class _Sink:
    """Collects what the writer writes."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.closed = False

    def write(self, content: Any) -> int:
        self._held += memoryview(content).cast("B")
        return len(memoryview(content).cast("B"))

    def flush(self) -> None: ...

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken = bytes(self._held)
        self._held.clear()
        return taken
