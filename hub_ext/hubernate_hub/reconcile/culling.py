"""Idle servers are put to sleep: as many at once as the admin allows, none whose idleness is not known."""

import logging

from hubernate_core.activity import why_sleep
from hubernate_core.operation import Kind, Trigger
from hubernate_core.server import ServerState

from ..context import Context, Work
from ..services.opening import Wish, open_operation
from ..services.retrying import due
from ..services.views import activity_of
from ..store import operations, servers, tenants
from ..store.servers import ServerRow

_TRIGGERS = {"idle": Trigger.IDLE, "max-age": Trigger.MAX_AGE}
_log = logging.getLogger(__name__)


async def cull(context: Context) -> None:
    """One round."""
    running = await context.store.read(servers.in_states, (ServerState.RUNNING,))
    for row in running:
        node = await context.write(_cull_one, row) if await context.read(_why, row) else None
        if node is not None:
            context.bell.ring(f"node:{node}", f"server:{row.id}")


def _why(work: Work, row: ServerRow) -> Trigger | None:
    """Why `row` is to sleep now, or None."""
    activity = activity_of(row)
    if activity is None:
        return None
    rule = tenants.with_ids(work.tx, [row.tenant_id])[row.tenant_id].culling
    reason = why_sleep(activity, rule, work.now)
    if reason == "idle":
        silent = work.context.since_gate_spoke(row.id, row.generation)
        if silent is None:
            return None  # nobody tells us whether somebody is at work: leave it running
        # A cell that runs is only told of at the next report: it was idle if it was when the gate last spoke.
        reason = why_sleep(activity, rule, work.now - silent)
    return None if reason is None else _TRIGGERS[reason]


def _cull_one(work: Work, stale: ServerRow) -> str | None:
    """Open the operation if the server is still idle and there is room; the node that has work then."""
    row = servers.lock(work.tx, stale.id)
    if row is None or row.generation != stale.generation:
        return None
    trigger = _why(work, row)
    pending = operations.all_open(work.tx)
    being_culled = sum(each.operation.trigger in _TRIGGERS.values() for each in pending)
    if trigger is None or being_culled >= work.context.settings.cull_at_once:
        return None
    if any(each.operation.server_id == row.id for each in pending):
        return None
    if not due(operations.recent_of(work.tx, row.id), work.now, work.context.settings.retry_after_s):
        return None
    opened = open_operation(work, row.id, Wish(Kind.STOP, trigger, by="culling"))
    _log.info("idle server is put to sleep", extra={"server": row.id, "operation": opened.operation.id})
    return opened.operation.node
