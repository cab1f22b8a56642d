"""What an agent does beside the saves: images copied, deleted and made ready, and what deleted tenants left removed."""

import logging
from collections.abc import Sequence
from threading import Event, Lock
from typing import NamedTuple, TypeVar

from hubernate_core.errors import HubernateError
from hubernate_core.wire import Copied, Leftover, Orders

from .cache import ImageCache
from .capture.engine import Engine
from .copies import carry_out
from .registry import Registry

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Done(NamedTuple):
    """What the service was not told yet, as a poll has it."""

    forgotten: tuple[str, ...] = ()
    copied: tuple[Copied, ...] = ()
    removed: tuple[Leftover, ...] = ()
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class House:
    """Keeps house on a thread of its own (`keep`), by the newest orders; what was done waits for the next poll."""

    def __init__(self, engine: Engine, registry: Registry, cache: ImageCache, stop: Event) -> None:
        self._engine, self._registry, self._cache, self._stop = engine, registry, cache, stop
        self._lock = Lock()
        self._orders = Orders()
        self._done = Done()
        self._wanted = Event()

    @property
    def done(self) -> Done:
        """What to tell."""
        with self._lock:
            return self._done

    def told(self, done: Done) -> None:
        """The service knows this much."""
        with self._lock:
            self._done = Done._make(_without(mine, theirs) for mine, theirs in zip(self._done, done, strict=True))

    def order(self, orders: Orders) -> None:
        """Do this from now on."""
        with self._lock:
            self._orders = orders
        self._wanted.set()

    def end(self) -> None:
        """Look whether the agent ends."""
        self._wanted.set()

    def keep(self) -> None:
        """Work until the agent ends."""
        while not self._stop.is_set():
            self._wanted.wait()
            self._wanted.clear()
            try:
                self._round()
            except (HubernateError, OSError) as problem:
                _log.warning("cannot look after images", extra={"problem": str(problem)})
            except Exception:  # noqa: BLE001 - or nobody would look after images any more until the agent starts anew
                _log.exception("cannot look after images")

    def _round(self) -> None:
        with self._lock:
            orders = self._orders
        there = self._cache.look_for(orders.look_for)
        done = Done(
            self._cache.forget(orders.forget),
            carry_out(self._registry, orders.copies),
            self._remove(orders.leftovers),
            tuple(each for each, seen in there.items() if seen),
            tuple(each for each, seen in there.items() if not seen),
        )
        with self._lock:
            self._done = Done._make(_with(mine, theirs) for mine, theirs in zip(self._done, done, strict=True))
        self._cache.prepare(orders.prefetch, self._stop)

    def _remove(self, leftovers: Sequence[Leftover]) -> tuple[Leftover, ...]:
        gone = []
        for each in leftovers:
            try:
                self._engine.remove(each)
            except HubernateError as problem:
                what = {"kind": each.kind, "object": each.name, "problem": problem.message}
                _log.warning("what a deleted tenant left stays for now", extra=what)
                continue
            _log.info("removed what a deleted tenant left", extra={"kind": each.kind, "object": each.name})
            gone.append(each)
        return tuple(gone)


def _without(mine: tuple[_T, ...], known: tuple[_T, ...]) -> tuple[_T, ...]:
    return tuple(each for each in mine if each not in known)


def _with(mine: tuple[_T, ...], more: tuple[_T, ...]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys((*mine, *more)))
