"""Worker processes: a few for each source, kept warm for a while.

A process serves one version of one source for all of its life, so no credential and no cached answer of one source is
ever in the memory of another's.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field

from hubernate_core.errors import Unavailable

from .config import DataGateway
from .process import Process
from .zygote import Zygote

_log = logging.getLogger(__name__)
_REAP_S = 5.0


@dataclass
class _Lane:
    """The processes of one version of one source. `share`: its tenant's, of all processes."""

    slots: asyncio.Semaphore
    share: asyncio.Semaphore
    idle: list[tuple[float, Process]] = field(default_factory=list)
    waiting: int = 0
    busy: int = 0


class Pool:
    """Lends processes. `key` is a source's id and version."""

    def __init__(self, settings: DataGateway) -> None:
        self._settings = settings
        self._lanes: dict[str, _Lane] = {}
        self._shares: dict[str, asyncio.Semaphore] = {}
        self._all = asyncio.Semaphore(settings.workers)
        self._wanting = 0
        """Calls that wait because all processes of the platform are taken."""
        self._zygote = Zygote()
        self._reaper: asyncio.Task[None] | None = None

    async def take(self, key: str, tenant: str) -> Process:
        """A process of this source's own, given back by `give_back`.

        Raises:
            Unavailable: all of the source's are busy, or its tenant has its half of all, and stay so.
        """
        self._begin()
        lane = self._lane(key, tenant)
        if lane.waiting >= self._settings.waiting_per_source and lane.slots.locked():
            raise _busy()
        lane.waiting += 1
        try:
            async with asyncio.timeout(self._settings.queue_s):
                await lane.slots.acquire()
                try:
                    await lane.share.acquire()
                except BaseException:
                    lane.slots.release()
                    raise
        except TimeoutError as problem:
            raise _busy() from problem
        finally:
            lane.waiting -= 1
        lane.busy += 1
        try:
            while lane.idle:
                _, process = lane.idle.pop()
                if not process.is_gone():
                    return process
                self._end(process)
            return await self._fresh()
        except BaseException:
            self._free(lane)
            raise

    def give_back(self, key: str, process: Process, *, healthy: bool) -> None:
        """Return a process; one that is not at a call's end is killed."""
        lane = self._lanes[key]
        self._free(lane)
        if healthy and not process.is_gone() and not self._wanting:
            lane.idle.append((time.monotonic(), process))
            return
        self._end(process)

    def drop(self, prefix: str) -> None:
        """End the idle processes of a source, whatever its version: its credential changed."""
        for key, lane in self._lanes.items():
            if key.startswith(prefix):
                for _, process in lane.idle:
                    self._end(process)
                lane.idle.clear()

    def pids(self) -> set[int]:
        """Processes that are busy with nothing: for tests and metrics."""
        return {process.pid for lane in self._lanes.values() for _, process in lane.idle}

    async def close(self) -> None:
        """End all of them."""
        if self._reaper is not None:
            self._reaper.cancel()
        for lane in self._lanes.values():
            for _, process in lane.idle:
                self._end(process)
            lane.idle.clear()
        await self._zygote.close()

    def _lane(self, key: str, tenant: str) -> _Lane:
        if key not in self._lanes:
            # Half of all: one tenant's hanging sources leave the others theirs.
            share = self._shares.setdefault(tenant, asyncio.Semaphore(max(1, self._settings.workers // 2)))
            self._lanes[key] = _Lane(asyncio.Semaphore(self._settings.workers_per_source), share)
        return self._lanes[key]

    def _free(self, lane: _Lane) -> None:
        lane.busy -= 1
        lane.slots.release()
        lane.share.release()

    async def _fresh(self) -> Process:
        if self._all.locked():
            self._end_oldest_idle()
        self._wanting += 1
        try:
            async with asyncio.timeout(self._settings.queue_s):
                await self._all.acquire()
        except TimeoutError as problem:
            raise Unavailable(
                "all of the platform's processes for data are busy; try again in a moment", retry_after_s=5
            ) from problem
        finally:
            self._wanting -= 1
        try:
            return await self._zygote.fork()
        except BaseException:
            self._all.release()
            raise

    def _end(self, process: Process) -> None:
        process.kill()
        self._all.release()

    def _end_oldest_idle(self) -> None:
        idle = [(lane.idle[0][0], lane) for lane in self._lanes.values() if lane.idle]
        if idle:
            _, lane = min(idle, key=lambda pair: pair[0])
            self._end(lane.idle.pop(0)[1])

    def _begin(self) -> None:
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap(), name="data workers")

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(_REAP_S)
            old = time.monotonic() - self._settings.idle_s
            for key, lane in list(self._lanes.items()):
                while lane.idle and lane.idle[0][0] < old:
                    self._end(lane.idle.pop(0)[1])
                if not (lane.idle or lane.busy or lane.waiting):
                    del self._lanes[key]


def _busy() -> Unavailable:
    return Unavailable(
        "everybody is reading this source, or many of the team's, just now; try again in a moment", retry_after_s=2
    )
