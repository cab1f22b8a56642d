"""Idle servers are put to sleep: as many at once as the admin allows, none unwarned, none of unknown idleness."""

import logging

from hubernate_core.names import ServerId
from hubernate_core.operation import Kind
from hubernate_core.sleeping import because

from ..apart import apart
from ..context import Context, Work
from ..services import culling
from ..services.opening import Wish, open_operation
from ..store import operations, servers

_log = logging.getLogger(__name__)


async def cull(context: Context) -> None:
    """One round: look at all, tell those who are next, put to sleep those for whom there is room."""
    found = await context.read(culling.survey)
    if found.warned:
        await context.store.write(servers.warned, found.warned)
    for server in await context.read(culling.whose_turn, found):
        with apart(context.metrics, "culling", "server not put to sleep", server=server):
            node = await context.write(_put_to_sleep, server)
            if node is not None:
                context.bell.ring(f"node:{node}", f"server:{server}")
    context.metrics.sleep_due.set(len(found.due))


def _put_to_sleep(work: Work, server: ServerId) -> str | None:
    """Open the operation if all is still as it was when it was looked at; the node that has work then."""
    row = servers.lock(work.tx, server)
    if row is None or operations.open_of(work.tx, server) is not None:
        return None
    rule = culling.rule_of(work, row)
    sure = culling.certain(work, row, rule)
    if sure is None:
        return None
    opened = open_operation(work, row.id, Wish(Kind.STOP, culling.TRIGGERS[sure.reason], by="culling"))
    known = {"server": row.id, "operation": opened.operation.id, "because": because(sure.reason, rule)}
    _log.info("server is put to sleep", extra=known)
    return opened.operation.node
