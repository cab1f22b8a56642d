"""The rounds of schedules: every schedule of which something is due is looked at, each apart from the others."""

import logging
from collections.abc import MutableMapping

from hubernate_core.errors import Broken, Unavailable, UserError
from hubernate_core.names import TenantId

from ..apart import apart
from ..context import Context
from ..jobs.parts import JobParts
from ..services import schedule_times
from ..services import schedules as use_cases
from ..store import schedules
from ..store.schedules import ScheduleRow
from .leavers import is_out

_Out = MutableMapping[tuple[str, TenantId], bool]
"""Who is out of which team, as far as this round has asked."""
_log = logging.getLogger(__name__)


class ScheduleRounds:
    """Everything is in the database: a round that was cut off is done again, and nothing runs twice."""

    def __init__(self, context: Context, parts: JobParts) -> None:
        self._context, self._parts, self._hub_away = context, parts, False

    async def round(self) -> None:
        """Look at every schedule of which something is due."""
        context = self._context
        out: _Out = {}
        self._hub_away = False
        for row in await context.store.read(schedules.to_look_at, context.clock()):
            with apart(context.metrics, "schedules", "schedule not looked at", schedule=row.id):
                if row.operation_id is not None:
                    context.bell.ring(*await context.write(use_cases.take_environment, row.id))
                await self._look(row, out)

    async def _look(self, row: ScheduleRow, out: _Out) -> None:
        context, left = self._context, await self._left(row, out)
        try:
            bells = await context.write(schedule_times.look, self._parts, row.id, left=left)
        except (UserError, Broken) as problem:
            _log.info("a scheduled job was refused", extra={"schedule": row.id, "error": problem.message})
            bells = await context.write(schedule_times.look, self._parts, row.id, left=left, refused=problem.message)
        context.bell.ring(*bells)

    async def _left(self, row: ScheduleRow, out: _Out) -> bool:
        """Whether its person is out of the team, or of the hub: each is asked for once a round.

        Where the hub is away nothing is concluded, and it is not asked again: everybody's times would wait for it.
        """
        if not row.enabled or (row.planned_at > self._context.clock() and row.held_at is None):
            return False
        who = (row.hub_name, row.tenant_id)
        if who not in out and not self._hub_away:
            try:
                out[who] = await is_out(self._context, row, unknown=True)
            except Unavailable:
                self._hub_away = True
        return out.get(who, False)
