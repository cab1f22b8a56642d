"""The first rows of a parquet file: its footer, then pages of the first row group as they are needed."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hubernate_core.source_view import Column, Entry, Sample, Schema

from .cells import as_json
from .faults import Fault
from .ranges import Ranges, Span
from .tree import Tree

_BUFFER = 64 * 1024
_COLUMNS_MAX = 200
_AT_ONCE = 1024**2
"""Bytes up to which one request for a whole file, or for what lies between two parts, is quicker than two."""


def read_parquet(tree: Tree, path: tuple[str, ...], entry: Entry, rows: int) -> tuple[Schema, Sample]:
    """Schema and first rows. Raises Fault."""
    source = Ranges(tree, path, entry, most=64 * 1024**2)
    pa.set_cpu_count(1)
    try:
        if source.size <= _AT_ONCE:
            source.foresee([(0, source.size)])
        file = pq.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER)
        arrow = file.schema_arrow
        columns = tuple(Column(name=each.name, type=str(each.type), nullable=each.nullable) for each in arrow)
        schema = Schema(columns=columns, format="parquet", rows=file.metadata.num_rows)
        shown = [column.name for column in columns[:_COLUMNS_MAX]]
        note = "" if len(shown) == len(columns) else f"the first {len(shown)} of {len(columns)} columns"
        if source.size > _AT_ONCE and file.metadata.num_row_groups:
            source.foresee(_beginnings(file.metadata.row_group(0), set(shown)))
        batches = file.iter_batches(batch_size=rows, columns=shown, use_threads=False)
        first = next(iter(batches), None)
    except pa.ArrowInvalid as problem:
        raise Fault("invalid", f"this is no parquet file that can be read: {problem}") from problem
    found = () if first is None else tuple(_rows(first.slice(0, rows)))
    return schema, Sample(columns=tuple(shown), rows=found, format="parquet", note=note)


def _beginnings(group: Any, shown: set[str]) -> list[Span]:
    """Where the first rows of the columns lie: their dictionaries, and the beginning of their data."""
    spans: list[Span] = []
    for at in range(group.num_columns):
        chunk = group.column(at)
        if chunk.path_in_schema.partition(".")[0] not in shown:
            continue
        data = chunk.data_page_offset
        start = min(data, chunk.dictionary_page_offset or data)
        stop = min(start + chunk.total_compressed_size, data + _BUFFER)
        if spans and 0 <= start - spans[-1][1] < _BUFFER and stop - spans[-1][0] <= _AT_ONCE:
            spans[-1] = (spans[-1][0], stop)
        elif stop - start <= 2 * _AT_ONCE:  # a larger dictionary is read when it is needed
            spans.append((start, stop))
    return spans


def _rows(batch: Any) -> Any:
    columns = [[as_json(value) for value in column.to_pylist()] for column in batch.columns]
    return zip(*columns, strict=True)
