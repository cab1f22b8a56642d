"""The queue of starts: looked at whenever something moved; places whose hub fell silent are asked for again."""

import logging
import time

from hubernate_core.errors import NotFound
from hubernate_core.names import PlaceId

from ..apart import apart
from ..context import Context, Work
from ..services import measuring, places
from ..store import waits
from ..store.waits import WaitRow

_MOVES_TOLD_S = 3.0
"""Positions are told so often; that it may start is told at once."""
_ASKED_AGAIN_S = 30.0
_log = logging.getLogger(__name__)


async def look(context: Context) -> None:
    """Look at the whole queue, and wake those who may start now."""
    async with context.turns.looking:
        before = context.turns.outlook.places
        found = await context.read(places.look)
        context.turns.outlook = found
    context.turns.forget_all_but(found.places)
    for key, place in found.places.items():
        if place.may_go and not (key in before and before[key].may_go):
            context.bell.ring(f"place:{key}")


class Queue:
    """The rounds, and what was last done when."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._told_at = 0.0
        self._asked_at: dict[PlaceId, float] = {}
        self._empty = False

    async def round(self) -> None:
        """Look; tell who moved; take up, and in the end give up, places that nobody asks about."""
        context = self._context
        rows = await context.store.read(waits.all_waits)
        if not rows and self._empty:
            return
        self._empty = not rows
        await look(context)
        await context.read(measuring.measure_queue)
        if time.monotonic() - self._told_at >= _MOVES_TOLD_S:
            self._told_at = time.monotonic()
            context.bell.ring(*(f"place:{row.id}" for row in rows))
        silent = [row for row in rows if context.turns.silent_s(row.id) > context.settings.queue_silent_after_s]
        self._asked_at = {row.id: self._asked_at.get(row.id, 0.0) for row in silent}
        for row in silent:
            with apart(context.metrics, "queue", "a start that waits was not taken up", place=row.id):
                await self._take_up(row)

    async def _take_up(self, row: WaitRow) -> None:
        """The hub was restarted, or lost the start: have it ask again, which finds its place; in the end give it up."""
        context = self._context
        if row.cancelled_by or context.turns.silent_s(row.id) > context.settings.queue_keep_s:
            await context.write(_forget, row)
            return
        if time.monotonic() - self._asked_at[row.id] < _ASKED_AGAIN_S:
            return
        self._asked_at[row.id] = time.monotonic()
        try:
            await context.hub.start_server(row.hub_name, row.server_name, row.choice.as_options())
            _log.info("asked the hub to go on with a start that waits", extra={"place": row.id})
        except NotFound:
            await context.write(_forget, row)


def _forget(work: Work, row: WaitRow) -> None:
    present = waits.get(work.tx, row.id)
    places.end(work, [] if present is None else [present], "lost")
    _log.info("a place in the queue was given up: nobody asks about it", extra={"place": row.id})
