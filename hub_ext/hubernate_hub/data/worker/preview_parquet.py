"""The first rows of a parquet file: its footer, then pages of the first row group as they are needed."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hubernate_core.source_view import Column, Entry, Sample, Schema

from .cells import as_json
from .faults import Fault
from .verbs import Tree

_BUFFER = 64 * 1024
_BYTES_MAX = 64 * 1024**2
_COLUMNS_MAX = 200


class _Ranges(io.RawIOBase):
    """A remote file by ranges; what was read in all is bounded."""

    def __init__(self, tree: Tree, path: tuple[str, ...], entry: Entry) -> None:
        self._tree, self._path, self._etag, self._size = tree, path, entry.etag, entry.size or 0
        self._at, self._left = 0, _BYTES_MAX

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = {0: 0, 1: self._at, 2: self._size}[whence] + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        stop = self._size if size is None or size < 0 else min(self._size, self._at + size)
        if stop <= self._at:
            return b""
        self._left -= stop - self._at
        if self._left < 0:
            raise Fault(
                "large", f"the first rows lie in over {_BYTES_MAX // 1024**2} MiB; read it with hubernate.table"
            )
        content = b"".join(self._tree.read(self._path, self._at, stop, self._etag).chunks)
        self._at += len(content)
        return content


def read_parquet(tree: Tree, path: tuple[str, ...], entry: Entry, rows: int) -> tuple[Schema, Sample]:
    """Schema and first rows. Raises Fault."""
    source = _Ranges(tree, path, entry)
    pa.set_cpu_count(1)
    try:
        file = pq.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER)
        arrow = file.schema_arrow
        columns = tuple(Column(name=each.name, type=str(each.type), nullable=each.nullable) for each in arrow)
        schema = Schema(columns=columns, format="parquet", rows=file.metadata.num_rows)
        shown = [column.name for column in columns[:_COLUMNS_MAX]]
        note = "" if len(shown) == len(columns) else f"the first {len(shown)} of {len(columns)} columns"
        batches = file.iter_batches(batch_size=rows, columns=shown, use_threads=False)
        first = next(iter(batches), None)
    except pa.ArrowInvalid as problem:
        raise Fault("invalid", f"this is no parquet file that can be read: {problem}") from problem
    found = () if first is None else tuple(_rows(first.slice(0, rows)))
    return schema, Sample(columns=tuple(shown), rows=found, format="parquet", note=note)


def _rows(batch: Any) -> Any:
    columns = [[as_json(value) for value in column.to_pylist()] for column in batch.columns]
    return zip(*columns, strict=True)
