"""Trying again: exponential backoff with jitter, the other side's Retry-After, a deadline, and a word for who waits."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from typing import TypeVar

from hubernate_core.errors import Unavailable

_T = TypeVar("_T")
_FIRST_S = 0.5
_LONGEST_S = 15.0


class Patience:
    """How long one operation puts up with an outside system that does not answer.

    Args:
        limit_s: seconds of unbroken trouble after which it gives up.
        tell: called with a sentence when trouble starts and with "" when it is over.
        stop: set when waiting has become pointless.
    """

    def __init__(self, what: str, limit_s: float, tell: Callable[[str], None], stop: Event) -> None:
        self._what = what
        self._limit_s = limit_s
        self._tell = tell
        self._stop = stop
        self._since: float | None = None
        self._tries = 0

    def progress(self) -> None:
        """It works (again)."""
        if self._since is not None:
            self._since = None
            self._tries = 0
            self._tell("")

    def endure(self, problem: Unavailable) -> None:
        """Wait before the next try.

        Raises:
            Unavailable: `problem`, when the deadline has passed or waiting is pointless.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._tell(
                f"{self._what} unreachable since {datetime.now(UTC):%H:%M} UTC, trying again ({problem.message})"[:480]
            )
        pause = min(_LONGEST_S, _FIRST_S * 2**self._tries) * random.uniform(0.5, 1.5)
        if problem.retry_after_s is not None:
            pause = max(pause, problem.retry_after_s)
        self._tries += 1
        if now + pause - self._since > self._limit_s or self._stop.wait(pause):
            raise problem

    def run(self, action: Callable[[], _T]) -> _T:
        """`action`'s result, trying again while it raises Unavailable."""
        while True:
            try:
                result = action()
            except Full:
                raise
            except Unavailable as problem:
                self.endure(problem)
                continue
            self.progress()
            return result


class Full(Unavailable):
    """The other side has no room: trying again soon is of no use."""
