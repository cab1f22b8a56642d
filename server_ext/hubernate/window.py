"""What is fetched beside what was asked for: little where somebody jumps about, much and ahead where they read on."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from fsspec.caching import BaseCache

LEAST, MOST = 64 * 1024, 16 * 1024**2
_AHEAD = 1024**2
"""Bytes of a stretch from which on the next one is fetched before anybody asks."""


class _Threads:
    """Those that fetch ahead. A process that was forked has none of its parent's, so it makes its own."""

    def __init__(self) -> None:
        self.begin()
        os.register_at_fork(after_in_child=self.begin)

    def begin(self) -> None:
        """Have none yet: they are made when something is to be fetched."""
        self.pool, self.process = ThreadPoolExecutor(4, "hubernate-ahead"), os.getpid()


_threads = _Threads()


class Window(BaseCache):  # type: ignore[misc]  # fsspec is not typed
    """Keeps one stretch of the file. Each read that goes on where the last one ended doubles the next stretch, and from
    `_AHEAD` on that one is on its way while this one is read: two stretches of `MOST` bytes in memory at most.
    """

    name = "hubernate"

    def __init__(self, blocksize: int, fetcher: Any, size: int) -> None:
        super().__init__(blocksize, fetcher, size)
        self._start, self._held = 0, b""
        self._length = LEAST
        self._next = 0
        self._coming: tuple[int, Future[bytes]] | None = None
        self._process = _threads.process

    def _fetch(self, start: int | None, stop: int | None) -> bytes:
        start, stop = start or 0, self.size if stop is None else min(stop, self.size)
        if start >= stop:
            return b""
        goes_on = start == self._next
        self._next = stop
        found = self._of_held(start, stop)
        if len(found) < stop - start:
            self._length = min(MOST, self._length * 2) if goes_on else LEAST
            at = start + len(found)
            self._start, self._held = at, self._stretch(at, stop)
            rest = self._of_held(at, stop)
            found = found + rest if found else rest
        if goes_on and self._length >= _AHEAD:
            self._go_ahead()
        return found

    def _of_held(self, start: int, stop: int) -> bytes:
        if not self._start <= start < self._start + len(self._held):
            return b""
        return self._held[start - self._start : stop - self._start]

    def _stretch(self, start: int, stop: int) -> bytes:
        """From `start` to `stop` at least."""
        coming, self._coming = self._coming, None
        if self._process != _threads.process:  # opened before a fork: what is on its way comes to the parent
            coming, self._process = None, _threads.process
        head = b""
        if coming is not None and coming[0] == start:
            try:
                head = coming[1].result()
            except Exception:  # noqa: BLE001  asked for once more, by the one who wants it: that error is theirs
                head = b""
        if start + len(head) >= stop:
            return head
        at = start + len(head)
        rest: bytes = self.fetcher(at, min(self.size, max(stop, at + (0 if head else self._length))))
        return head + rest if head else rest

    def _go_ahead(self) -> None:
        end = self._start + len(self._held)
        if self._coming is None and end < self.size:
            self._coming = end, _threads.pool.submit(self.fetcher, end, min(self.size, end + self._length))
