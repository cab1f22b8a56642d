"""What an agent is given to do: orders, images to make ready, images to forget."""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from hubernate_core.names import GENERATION_LABEL, INSTANCE_LABEL, LABEL_PREFIX, SERVER_LABEL, TENANT_LABEL, repository
from hubernate_core.operation import Kind, Trigger
from hubernate_core.turns import in_turn
from hubernate_core.wire import Order, Orders, Poll

from ..context import Work
from ..store import agents, checkpoints, doubts, operations, servers
from ..store.activity import note_cpu
from ..store.operations import OperationRow
from ..store.servers import ServerRow
from . import departures, team_images

_log = logging.getLogger(__name__)


def hear(work: Work, poll: Poll, busy: Iterable[tuple[str, int]]) -> None:
    """Keep what a poll says that must outlive this process. `busy`: containers that use the CPU."""
    agents.heard(work.tx, poll.node, poll.version, work.now)
    if poll.forgotten:
        checkpoints.forgotten(work.tx, poll.forgotten)
    for each in poll.copied:
        team_images.copied(work, each)
    for gone in poll.removed:
        departures.removed(work, gone)
    for again in doubts.found(work.tx, poll.found, there=True):
        _log.info("a checkpoint's image is in the registry after all: offered again", extra={"checkpoint": again})
    for lost in doubts.found(work.tx, poll.missing, there=False):
        _log.error("a checkpoint's image is not in the registry: no more offered", extra={"checkpoint": lost})
    note_cpu(work.tx, busy, work.now)


IN_HAND = 16
"""Orders that an agent has at a time. It works on few; more would wait with it, where nobody can change their order."""


def orders_for(work: Work, poll: Poll) -> Orders:
    """What the agent should do next and is not at already, teams in turn. Given again with every poll until it is (I4).

    Never more than the agent can have in hand, unless it is urgent: with a thousand stops open a poll still costs
    little. An agent that was restarted learns at once of all that it had begun.
    """
    busy, waiting = frozenset(poll.busy_with), operations.waiting(work.tx, poll.node)
    held = Counter(each.team for each in waiting if each.what in busy)
    waiting = [each for each in waiting if each.what not in busy]
    room = max(IN_HAND - held.total(), sum(each.urgent for each in waiting))
    chosen = in_turn(waiting, held)[:room]
    rows = operations.with_ids(work.tx, chosen)
    orders: list[Order] = []
    for row in (rows[each] for each in chosen):
        server = servers.get(work.tx, row.operation.server_id)
        if server is not None:
            orders.append(_order(work, server, row))
    since = work.now - timedelta(days=work.context.settings.prefetch_days)
    wanted = checkpoints.wanted_soon(work.tx, poll.node, since, work.context.settings.prefetch_count)
    here = frozenset(poll.local_checkpoints)
    prefetch = tuple(each for each in wanted if each not in here)
    forget = tuple(checkpoints.to_forget(work.tx, poll.node, work.now))
    return Orders(
        orders=tuple(orders),
        prefetch=prefetch,
        forget=forget,
        copies=team_images.copies(work),
        leftovers=departures.leftovers(work),
        look_for=tuple(doubts.to_find(work.tx)),
    )


def _order(work: Work, server: ServerRow, row: OperationRow) -> Order:
    # Also a deleted one: without its layers the next image would lack all that they hold.
    chosen = server.checkpoint_id
    parent = None if chosen is None else checkpoints.get(work.tx, chosen, deleted=True)
    operation = row.operation
    return Order(
        operation_id=operation.id,
        server_id=server.id,
        generation=operation.generation,
        tenant_id=server.tenant_id,
        owner_id=server.owner_id,
        kind=operation.kind,
        trigger=operation.trigger,
        step=operation.step,
        deleting=work.context.sight.deleting(server),
        container_id=row.container_id,
        gate_container_id=row.gate_container_id,
        repository=repository(server.tenant_id, server.owner_id),
        base_repository=server.base_repository,
        base_digest=server.base_digest,
        parent_digest=server.image_digest,
        parent_layers=() if parent is None else parent.layers,
        labels={
            INSTANCE_LABEL: work.context.settings.instance,
            TENANT_LABEL: server.tenant_id,
            f"{LABEL_PREFIX}.owner": server.owner_id,
            SERVER_LABEL: server.id,
            GENERATION_LABEL: str(operation.generation),
            f"{LABEL_PREFIX}.profile": server.profile.name,
            f"{LABEL_PREFIX}.base-digest": server.base_digest,
            f"{LABEL_PREFIX}.operation": operation.id,
        },
        max_bytes=work.context.settings.max_change_bytes,
        unless_still=_newest(work, server) if operation.trigger is Trigger.JOB and operation.kind is Kind.SAVE else "",
    )


def _newest(work: Work, server: ServerRow) -> str:
    """The digest of the newest checkpoint of `server` that can be started from; empty: there is none."""
    found = checkpoints.of_servers(work.tx, [server.id])
    return next((each.digest for each in found if each.usable), "")
