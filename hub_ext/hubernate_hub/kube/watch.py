"""List, then watch, for ever: one per kind of object. What it decides is in `mirror`."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from hubernate_core.errors import HubernateError

from .client import KubeApi
from .errors import Expired
from .mirror import Change, Mirror
from .resources import Object, Resource

T = TypeVar("T")
_FIRST_S, _LONGEST_S = 0.5, 30.0
_TOO_SHORT_S = 1.0
_log = logging.getLogger(__name__)


class Backoff:
    """Seconds to wait after one failure after another: doubled up to half a minute, and spread by half."""

    def __init__(self, first_s: float = _FIRST_S, longest_s: float = _LONGEST_S) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._failures = 0

    def next(self) -> float:
        """The wait after one more failure."""
        whole = min(self._longest_s, self._first_s * 2.0**self._failures)
        self._failures = min(self._failures + 1, 30)
        return whole * (0.5 + random.random() / 2)

    def reset(self) -> None:
        """It went well."""
        self._failures = 0


class Informer(Generic[T]):
    """Objects of one kind as they are by the API server's newest word.

    Args:
        read: what to keep of an object; None leaves it out.
        on_change: called for every change, on the event loop; it must be quick.
    """

    def __init__(
        self,
        api: KubeApi,
        resource: Resource,
        read: Callable[[Object], T | None],
        *,
        selector: str = "",
        on_change: Callable[[Change[T]], None] = lambda change: None,
        backoff: Backoff | None = None,
    ) -> None:
        self._api, self._resource, self._selector, self._on_change = api, resource, selector, on_change
        self._mirror = Mirror(read)
        self._backoff = backoff or Backoff()
        self.kind = resource.plural
        self.lists = 0
        """Number of lists asked for: one, unless the API server forgot where we were."""
        self.synced = False
        """Whether a list was ever taken in. What is known before that is nothing, not "nothing is there"."""
        self.proven_at = 0.0
        """Monotonic time of the newest word (list, event, bookmark): everything that happened before it is known."""

    @property
    def objects(self) -> Mapping[str, T]:
        """By UID, as last heard; see `stale_s`."""
        return self._mirror.objects

    @property
    def stale_s(self) -> float:
        """Seconds since the API server's newest word; infinite before the first."""
        return time.monotonic() - self.proven_at if self.synced else float("inf")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = time.monotonic()
            try:
                if not self._mirror.version:
                    await self._list()
                await self._watch()
            except Expired as problem:
                # What is known stays: the new list is compared with it, so that nothing that was lost goes unnoticed.
                self._mirror.version = ""
                _log.info("listing anew", extra={"kind": self.kind, "why": problem.message})
            except HubernateError as problem:
                where = {"kind": self.kind, "stale_s": round(self.stale_s, 1)}
                _log.warning("watch interrupted", extra=where | {"error": problem.message})
            except Exception:  # noqa: BLE001  one odd object must not end the watch that all others are seen by
                self._mirror.version = ""
                _log.exception("watch broken, listing anew", extra={"kind": self.kind})
            else:
                if time.monotonic() - began >= _TOO_SHORT_S:
                    continue
            await asyncio.sleep(self._backoff.next())

    async def _list(self) -> None:
        items, version = await self._api.list(self._resource, self._selector)
        self.lists += 1
        self._tell(self._mirror.listed(items, version))
        self.synced, self.proven_at = True, time.monotonic()

    async def _watch(self) -> None:
        async for event in self._api.watch(self._resource, self._selector, self._mirror.version):
            self._take(event)

    def _take(self, event: Mapping[str, Any]) -> None:
        self._tell(self._mirror.took(event))
        self.proven_at = time.monotonic()
        self._backoff.reset()

    def _tell(self, changes: list[Change[T]]) -> None:
        for change in changes:
            self._on_change(change)
