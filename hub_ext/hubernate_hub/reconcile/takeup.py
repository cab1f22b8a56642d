"""Starts that wait and whose hub fell silent: it is asked to go on with them, and in the end their places are given up.

A hub that begins a start answers only after seconds, and hundreds may have to be taken up after its restart. So this is
a loop of its own, which asks for several at a time.
"""

import asyncio
import logging
import time

from hubernate_core.errors import HubernateError, NotFound
from hubernate_core.names import PlaceId

from ..apart import apart
from ..context import Context, Work
from ..hub_client import NotReached
from ..services import places
from ..store import waits
from ..store.waits import WaitRow

_AT_ONCE = 10
"""Half of the connections to the hub: people log in meanwhile."""
_TRIED_AGAIN_S = 30.0
_log = logging.getLogger(__name__)


class TakeUp:
    """The rounds; of each silent place when its hub was last tried, and when that got the request first."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tried_at: dict[PlaceId, float] = {}
        self._asked_at: dict[PlaceId, float] = {}

    async def round(self) -> None:
        """Have the hubs ask again about every silent place, which finds it; give up those about which none does."""
        rows = await self._context.store.read(waits.all_waits)
        silent = {row.id for row in rows if self._is_silent(row.id)}
        self._tried_at = {key: at for key, at in self._tried_at.items() if key in silent}
        self._asked_at = {key: at for key, at in self._asked_at.items() if key in silent}
        due = [row.id for row in rows if row.id in silent and (row.cancelled_by or self._is_due(row.id))]
        hands = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for place in due:
                group.create_task(self._take_up(place, hands))

    async def _take_up(self, place: PlaceId, hands: asyncio.Semaphore) -> None:
        async with hands:
            with apart(self._context.metrics, "take-up", "a start that waits was not taken up", place=place):
                await self._ask_or_forget(place)

    async def _ask_or_forget(self, place: PlaceId) -> None:
        row = await self._context.store.read(waits.get, place)  # it may have left, or spoken, while this was in line
        if row is None or not self._is_silent(place):
            return
        if row.cancelled_by or self._is_lost(place):
            await self._context.write(_forget, place)
        else:
            await self._ask(row)

    async def _ask(self, row: WaitRow) -> None:
        self._tried_at[row.id] = time.monotonic()
        try:
            await self._context.hub.start_server(row.hub_name, row.server_name, row.choice.as_options())
            _log.info("asked the hub to go on with a start that waits", extra={"place": row.id})
        except NotFound:
            await self._context.write(_forget, row.id)
        except NotReached:
            raise
        except HubernateError as problem:
            # It was asked all the same: one that begins a start takes its time to answer.
            _log.info("the hub did not say that a start goes on", extra={"place": row.id, "answer": problem.message})
        self._asked_at.setdefault(row.id, time.monotonic())

    def _is_silent(self, place: PlaceId) -> bool:
        after_s: float = self._context.settings.queue_silent_after_s
        return self._context.lookout.silent_s(place) > after_s

    def _is_due(self, place: PlaceId) -> bool:
        return time.monotonic() - self._tried_at.get(place, float("-inf")) >= _TRIED_AGAIN_S or self._is_lost(place)

    def _is_lost(self, place: PlaceId) -> bool:
        """Whether its hub was asked and has said nothing for so long that it never will."""
        keep_s: float = self._context.settings.queue_keep_s
        return time.monotonic() - self._asked_at.get(place, float("inf")) > keep_s


def _forget(work: Work, place: PlaceId) -> None:
    present = waits.get(work.tx, place)
    places.end(work, [] if present is None else [present], "lost")
    _log.info("a place in the queue was given up: nobody asks about it", extra={"place": place})
