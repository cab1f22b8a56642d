"""A layer on its way to the registry without a file in between: for noise, whose spool would be as large as itself.

It can be read once, from its start. When the registry breaks off there is nothing to go on from: the save is done
again.
"""

from collections import deque
from collections.abc import Iterator
from threading import Condition

from hubernate_core.errors import HubernateError

_PENDING_MAX = 16 * 1024 * 1024
_PIECE = 1024 * 1024


class Redo(HubernateError):
    """What was sent cannot be sent again from here; `cause` says what went wrong."""

    def __init__(self, cause: HubernateError) -> None:
        super().__init__(cause.message)
        self.cause = cause


class Channel:
    """The interface of a spool, in bounded memory: the writer waits for the reader."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._pieces: deque[bytes] = deque()
        self._pending = 0
        self._failed: BaseException | None = None
        self.size = 0
        self.digest = ""

    def write(self, data: bytes | memoryview) -> None:
        """Append a copy of `data`, waiting for room. Raises what stopped the reader."""
        view = memoryview(data)
        for at in range(0, len(view), _PIECE):
            piece = bytes(view[at : at + _PIECE])
            with self._changed:
                self._changed.wait_for(lambda: self._pending < _PENDING_MAX or self._failed is not None)
                if self._failed is not None:
                    raise self._failed
                self._pieces.append(piece)
                self._pending += len(piece)
                self.size += len(piece)
                self._changed.notify_all()

    def finish(self, digest: str) -> None:
        """Nothing more comes; the whole has `digest`."""
        with self._changed:
            self.digest = digest
            self._changed.notify_all()

    def fail(self, problem: BaseException) -> None:
        """Nothing more comes, or is wanted, because of `problem`; the other side raises it."""
        with self._changed:
            self._failed = self._failed or problem
            self._changed.notify_all()

    def wait(self) -> str:
        """The digest, once all is written. Raises what stopped the writer."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self.digest) or self._failed is not None)
            if self._failed is not None:
                raise self._failed
            return self.digest

    def follow(self, at: int = 0) -> Iterator[bytes]:
        """Content from the start to the end, as it comes, once."""
        del at
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._pieces) or bool(self.digest) or self._failed is not None)
                if self._failed is not None:
                    raise self._failed
                if not self._pieces:
                    return
                piece = self._pieces.popleft()
                self._pending -= len(piece)
                self._changed.notify_all()
            yield piece

    def close(self) -> None:
        """Drop what nobody read."""
        self._pieces.clear()
