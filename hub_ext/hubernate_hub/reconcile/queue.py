"""The queue of starts: looked at whenever something moved, and told to those who wait."""

import time
from collections.abc import Mapping

from hubernate_core.names import PlaceId
from hubernate_core.queue import Place

from ..context import Context
from ..services import measuring, places

_MOVES_TOLD_S = 3.0
"""Positions are told so often; that it may start is told at once."""


async def look(context: Context) -> None:
    """Look at the whole queue, and wake those who may start now. All who ask during one look share the next."""
    lookout = context.lookout
    asked = lookout.begun
    async with lookout.looking:
        if lookout.done > asked:
            return
        lookout.begun = begun = lookout.begun + 1
        before = lookout.outlook.places
        found = await context.read(places.look)
        lookout.outlook, lookout.done = found, begun
    lookout.forget_all_but(found.places)
    for key, place in found.places.items():
        if place.may_go and not (key in before and before[key].may_go):
            context.bell.ring(f"place:{key}")


class Queue:
    """The rounds, and what those who wait were last told."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._told: Mapping[PlaceId, Place] = {}
        self._told_at = 0.0
        self._empty = False

    async def round(self) -> None:
        """Look, and tell who moved."""
        context = self._context
        await look(context)
        waiting = context.lookout.outlook.places
        if not waiting and self._empty:
            return
        self._empty = not waiting
        await context.read(measuring.measure_queue)
        if time.monotonic() - self._told_at >= _MOVES_TOLD_S:
            self._told_at = time.monotonic()
            self._tell(waiting)

    def _tell(self, waiting: Mapping[PlaceId, Place]) -> None:
        """Wake those whose place is another than they were told, or is no more."""
        before, self._told = self._told, waiting
        moved = [key for key, place in waiting.items() if place != before.get(key)]
        self._context.lookout.moved.update(moved)
        self._context.bell.ring(*(f"place:{key}" for key in (*moved, *(before.keys() - waiting.keys()))))
