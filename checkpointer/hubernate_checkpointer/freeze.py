"""A container that stands still, for a bounded time: thawed by whoever froze it, by a watchdog, or by the next
agent."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Timer

from hubernate_core.errors import Broken, Unavailable

from . import durable
from .capture.engine import Engine

_log = logging.getLogger(__name__)
_TRIES = 600
_PAUSES = 5
_PAUSE_S = 0.5


class Frozen:
    """One freeze. `seconds` is known once it is over."""

    def __init__(self) -> None:
        self.expired = Event()
        self.seconds = 0.0


class Freezer:
    """Freezes containers, and remembers on disk which, so that none stays frozen (F24).

    Args:
        folder: a file for each container that we froze.
        limit_s: longest freeze; then the watchdog thaws and what was being done fails.
    """

    def __init__(self, engine: Engine, folder: Path, limit_s: float) -> None:
        self._engine = engine
        self._folder = folder
        self._limit_s = limit_s
        self._active: set[str] = set()

    @contextmanager
    def frozen(self, container_id: str) -> Iterator[Frozen]:
        """The container stands still inside the block. One that was paused before stays paused afterwards; one that
        ended, also while it was to be paused, stands still by itself.

        Raises:
            Broken: it does not stand still although the engine was told to pause it (F23), stood still too long, or is
                gone.
            Unavailable: the engine does not answer.
        """
        before = self._engine.inspect(container_id)
        if before is None:
            raise Broken("the container was removed by somebody else just before it was to be frozen")
        freeze = Frozen()
        if not before.running:
            yield freeze
            return
        if before.paused and not self._mark(container_id).exists():
            yield freeze
            now = self._engine.inspect(container_id)
            if now is not None and now.running and not now.paused:
                raise Broken("somebody had paused the server and let it go on while it was copied; save again")
            return
        self._active.add(container_id)
        durable.write_json(self._mark(container_id), {"at": time.time()})
        watchdog = Timer(self._limit_s, self._expire, (container_id, freeze))
        watchdog.daemon = True
        watchdog.start()
        started = time.monotonic()
        try:
            self._pause(container_id)
            now = self._engine.inspect(container_id)
            if now is None or not now.still:
                raise Broken(
                    f"{self._engine.name} said the container is paused, but it is not; nothing was saved, "
                    "the server runs on"
                )
            yield freeze
        finally:
            watchdog.cancel()
            try:
                self.thaw(container_id)
            finally:
                self._active.discard(container_id)
                freeze.seconds = time.monotonic() - started
        if freeze.expired.is_set():
            raise Broken(
                f"copying took longer than the {self._limit_s:g} s a server may stand still, so "
                f"it was let go on and nothing "
                "was saved; save again when less is being written"
            )

    def _pause(self, container_id: str) -> None:
        """Pause, a few times: on a busy machine runc (cgroup v1) gives up with "unable to freeze" and lets go again.

        A container that cannot be paused because it just ended is no failure.
        """
        for attempt in range(1, _PAUSES + 1):
            try:
                self._engine.pause(container_id)
            except Unavailable as problem:
                now = self._engine.inspect(container_id)
                if now is not None and not now.running:
                    return
                if attempt == _PAUSES:
                    raise
                _log.warning(
                    "cannot freeze, trying again", extra={"container": container_id, "problem": problem.message}
                )
                time.sleep(_PAUSE_S * attempt)
            else:
                return

    def recover(self) -> list[str]:
        """Thaw everything that we froze and nobody is at: an earlier agent died, or the engine did not answer. The
        ids."""
        marks = [path.name for path in sorted(self._folder.iterdir()) if not path.name.endswith(".part")]
        found = [name for name in marks if name not in self._active]
        for container_id in found:
            _log.warning("thawing a container left frozen", extra={"container": container_id})
            self.thaw(container_id)
        return found

    def thaw(self, container_id: str) -> None:
        """Let it go on; tries until the engine does it, for five minutes."""
        for attempt in range(_TRIES):
            try:
                now = self._engine.inspect(container_id)
                if now is not None and now.paused:
                    self._engine.unpause(container_id)
                    now = self._engine.inspect(container_id)
                if now is None or not now.paused:
                    durable.remove(self._mark(container_id))
                    return
            except Unavailable as problem:
                _log.warning("cannot thaw, trying again", extra={"container": container_id, "problem": problem.message})
            time.sleep(_PAUSE_S if attempt else 0.05)
        name = self._engine.name
        raise Unavailable(f"the server stands still and {name} does not let it go on; restart the engine")

    def _mark(self, container_id: str) -> Path:
        return self._folder / container_id

    def _expire(self, container_id: str, freeze: Frozen) -> None:
        freeze.expired.set()
        _log.error("frozen too long", extra={"container": container_id, "limit_s": self._limit_s})
        self.thaw(container_id)
