"""The first rows of a parquet file: its footer, then pages of the first row group as they are needed."""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hubernate_core.source_view import Column, Entry, Sample, Schema

from .cells import as_json
from .faults import Fault
from .tree import Tree

_BUFFER = 64 * 1024
_BYTES_MAX = 64 * 1024**2
_COLUMNS_MAX = 200
_AT_ONCE = 1024**2
"""Bytes up to which one request for a whole file, or for what lies between two parts, is quicker than two."""
_PARALLEL = 4

Span = tuple[int, int]


class _Ranges(io.RawIOBase):
    """A remote file by ranges; what was read in all is bounded, what is foreseen is fetched side by side."""

    def __init__(self, tree: Tree, path: tuple[str, ...], entry: Entry) -> None:
        self._tree, self._path, self._etag, self.size = tree, path, entry.etag, entry.size or 0
        self._at, self._left = 0, _BYTES_MAX
        self._held: list[tuple[int, bytes]] = []

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = {0: 0, 1: self._at, 2: self.size}[whence] + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        stop = self.size if size is None or size < 0 else min(self.size, self._at + size)
        if stop <= self._at:
            return b""
        content = self._find(self._at, stop)
        self._at += len(content)
        return content

    def foresee(self, spans: list[Span]) -> None:
        """Fetch these parts now."""
        with ThreadPoolExecutor(_PARALLEL) as threads:
            found = list(threads.map(lambda span: self._fetch(*span), spans))
        self._held += [(start, content) for (start, _), content in zip(spans, found, strict=True)]

    def _find(self, start: int, stop: int) -> bytes:
        for begin, content in self._held:
            if begin <= start < begin + len(content):
                part = content[start - begin : stop - begin]
                return part if start + len(part) == stop else part + self._fetch(start + len(part), stop)
        return self._fetch(start, stop)

    def _fetch(self, start: int, stop: int) -> bytes:
        self._left -= stop - start
        if self._left < 0:
            raise Fault(
                "large", f"the first rows lie in over {_BYTES_MAX // 1024**2} MiB; read it with hubernate.table"
            )
        return b"".join(self._tree.read(self._path, start, stop, self._etag).chunks)


def read_parquet(tree: Tree, path: tuple[str, ...], entry: Entry, rows: int) -> tuple[Schema, Sample]:
    """Schema and first rows. Raises Fault."""
    source = _Ranges(tree, path, entry)
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
