"""The rounds of schedules: every schedule of which something is due is looked at, each apart from the others."""

import logging

from hubernate_core.errors import Broken, Unavailable, UserError

from ..apart import apart
from ..context import Context
from ..jobs.parts import JobParts
from ..services import schedules as use_cases
from ..store import schedules
from ..store.schedules import ScheduleRow
from .leavers import is_out

_log = logging.getLogger(__name__)


class ScheduleRounds:
    """Everything is in the database: a round that was cut off is done again, and nothing runs twice."""

    def __init__(self, context: Context, parts: JobParts) -> None:
        self._context, self._parts = context, parts

    async def round(self) -> None:
        """Look at every schedule of which something is due."""
        context = self._context
        for row in await context.store.read(schedules.to_look_at, context.clock()):
            with apart(context.metrics, "schedules", "schedule not looked at", schedule=row.id):
                if row.operation_id is not None:
                    context.bell.ring(*await context.write(use_cases.take_environment, row.id))
                await self._look(row)

    async def _look(self, row: ScheduleRow) -> None:
        context, left = self._context, await self._left(row)
        try:
            bells = await context.write(use_cases.look, self._parts, row.id, left=left)
        except (UserError, Broken) as problem:
            _log.info("a scheduled job was refused", extra={"schedule": row.id, "error": problem.message})
            bells = await context.write(use_cases.look, self._parts, row.id, left=left, refused=problem.message)
        context.bell.ring(*bells)

    async def _left(self, row: ScheduleRow) -> bool:
        if not row.enabled or (row.planned_at > self._context.clock() and row.held_at is None):
            return False
        try:
            return await is_out(self._context, row)
        except Unavailable:  # the hub is away: nothing is concluded, and jobs go on without it
            return False
