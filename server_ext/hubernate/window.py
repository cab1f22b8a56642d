"""What is fetched beside what was asked for: little where somebody jumps about, much where they read on."""

from typing import Any

from fsspec.caching import BaseCache

LEAST, MOST = 64 * 1024, 16 * 1024**2


class Window(BaseCache):  # type: ignore[misc]  # fsspec is not typed
    """Keeps one stretch of the file. Each read that goes on where the last one ended doubles what is fetched ahead."""

    name = "hubernate"

    def __init__(self, blocksize: int, fetcher: Any, size: int) -> None:
        super().__init__(blocksize, fetcher, size)
        self._start, self._held = 0, b""
        self._ahead = LEAST
        self._next = 0

    def _fetch(self, start: int | None, stop: int | None) -> bytes:
        start, stop = start or 0, self.size if stop is None else min(stop, self.size)
        if start >= stop:
            return b""
        goes_on = start == self._next
        self._next = stop
        end = self._start + len(self._held)
        if self._start <= start and stop <= end:
            return self._held[start - self._start : stop - self._start]
        self._ahead = min(MOST, self._ahead * 2) if goes_on else LEAST
        kept = self._held[start - self._start :] if self._start <= start < end else b""
        begin = start + len(kept)
        fetched: bytes = self.fetcher(begin, min(self.size, max(stop, begin + self._ahead)))
        self._start, self._held = start, kept + fetched
        return self._held[: stop - start]
