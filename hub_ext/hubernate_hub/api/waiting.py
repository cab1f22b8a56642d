"""Long polls over operations and places in the queue."""

import time
from collections.abc import AsyncIterator
from datetime import datetime

from hubernate_core.errors import NotFound
from hubernate_core.names import OperationId, PlaceId
from hubernate_core.operation import Operation
from hubernate_core.queue import Place

from .. import bell
from ..context import Context
from ..reconcile.queue import look
from ..store import operations

_KEEP_ALIVE_S = 15.0


async def present_operation(context: Context, operation: OperationId) -> Operation:
    """The operation as it is.

    Raises:
        NotFound.
    """
    row = await context.store.read(operations.get, operation)
    if row is None:
        raise NotFound(f"no operation {operation}")
    return row.operation


async def changed_operation(
    context: Context, operation: OperationId, wait_s: float, after: datetime | None
) -> Operation:
    """The operation: at once without `after`, else once it changed since, is finished, or `wait_s` seconds passed.

    Raises:
        NotFound.
    """
    deadline = time.monotonic() + wait_s
    while True:
        with context.bell.listen(f"operation:{operation}") as rung:
            found = await present_operation(context, operation)
            left = deadline - time.monotonic()
            changed = after is None or found.updated_at > after
            if changed or found.finished or left <= 0 or context.stopping:
                return found
            await bell.wait(rung, left)


async def moved_place(context: Context, place: PlaceId, wait_s: float) -> Place:
    """A place in the queue: at once if it may go or moved since the last answer, else once its bell rings or `wait_s`
    seconds passed.

    Raises:
        NotFound: it waits no more.
    """
    context.lookout.hear(place)
    with context.bell.listen(f"place:{place}") as rung:
        if wait_s == 0:
            await look(context)
        found = await _present_place(context, place)
        known = not found.may_go and place not in context.lookout.moved
        if known and wait_s > 0 and not context.stopping:
            await bell.wait(rung, wait_s)
            found = await _present_place(context, place)
    context.lookout.moved.discard(place)
    context.lookout.hear(place)
    return found


async def _present_place(context: Context, place: PlaceId) -> Place:
    if place not in context.lookout.outlook.places:
        await look(context)  # before the first round, and for whoever left
    found = context.lookout.outlook.places.get(place)
    if found is None:
        raise NotFound(f"no start waits at place {place}")
    return found


async def each_change(context: Context, operation: OperationId) -> AsyncIterator[Operation | None]:
    """The operation now and after every change until it is finished; None when nothing happened for a while."""
    last: Operation | None = None
    while not context.stopping:
        with context.bell.listen(f"operation:{operation}") as rung:
            found = await present_operation(context, operation)
            if found != last:
                last = found
                yield found
                if found.finished:
                    return
                continue
            if not await bell.wait(rung, _KEEP_ALIVE_S):
                yield None
