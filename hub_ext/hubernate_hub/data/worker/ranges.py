"""A file of a source as what Arrow's readers open: seekable, fetched by the ranges that they ask for."""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hubernate_core.source_view import Entry

from .faults import Fault
from .tree import Tree

_PARALLEL = 4

Span = tuple[int, int]


class Ranges(io.RawIOBase):
    """A remote file by ranges; what is foreseen is fetched side by side. `most`: bytes that may be read, 0: any."""

    def __init__(self, tree: Tree, path: tuple[str, ...], entry: Entry, *, most: int = 0) -> None:
        self._tree, self._path, self._etag, self.size = tree, path, entry.etag, entry.size or 0
        self._at, self._most, self._moved = 0, most, 0
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

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

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
        self._moved += stop - start
        if self._most and self._moved > self._most:
            raise Fault(
                "large", f"the first rows lie in over {self._most // 1024**2} MiB; read it with hubernate.table"
            )
        return b"".join(self._tree.read(self._path, start, stop, self._etag).chunks)
