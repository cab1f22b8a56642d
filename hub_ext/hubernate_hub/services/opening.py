"""Opening an operation: one at a time per server; a second wish joins the first, and a stop outranks a save."""

from dataclasses import dataclass, replace
from datetime import datetime

from hubernate_core.errors import Conflict, NotFound
from hubernate_core.names import OperationId, ServerId, new_id
from hubernate_core.operation import Kind, Operation, Trigger
from hubernate_core.server import ServerState

from ..context import Work
from ..store import operations, servers
from ..store.operations import OperationRow
from ..store.servers import ServerRow
from . import nodes

_BY_ITSELF = frozenset({Trigger.IDLE, Trigger.GPU_IDLE, Trigger.MAX_AGE})


@dataclass(frozen=True)
class Wish:
    """What somebody wants done with a server.

    `hub_joined`: it comes from the hub's own stop, which waits for it. `reason`: what led to it, for the person.
    """

    kind: Kind
    trigger: Trigger
    name: str = ""
    by: str = ""
    reason: str = ""
    hub_joined: bool = False


def open_operation(work: Work, server: ServerId, wish: Wish) -> OperationRow:
    """The operation that fulfils `wish`: a new one, or the open one, upgraded where `wish` asks for more.

    Raises:
        NotFound: no such server.
        Conflict: nothing runs that could be saved; or a discard of what is being saved.
    """
    row = servers.lock(work.tx, server)
    if row is None:
        raise NotFound(f"no server {server}")
    present = operations.open_of(work.tx, server)
    if present is not None:
        if wish.kind is Kind.DISCARD and present.operation.kind is not Kind.DISCARD:
            joined = _given_up(work, row, present, wish)
        else:
            joined = _join(present, wish, work.now)
        if joined != present:
            operations.save(work.tx, joined)
        return joined
    _check(row, wish, lost=nodes.lost(work, row))
    opened = OperationRow(
        Operation(
            id=OperationId(new_id()),
            server_id=row.id,
            generation=row.generation,
            kind=wish.kind,
            trigger=wish.trigger,
            name=wish.name,
            reason=wish.reason,
            node=_node(work, row, wish),
            requested_at=work.now,
            updated_at=work.now,
        ),
        row.container_id,
        row.gate_container_id,
        hub_joined=wish.hub_joined,
        requested_by=wish.by,
    )
    operations.add(work.tx, opened)
    return opened


def _node(work: Work, row: ServerRow, wish: Wish) -> str:
    """Whose work it is. On Kubernetes the service discards by itself, and no agent is asked: it has no node."""
    return "" if wish.kind is Kind.DISCARD and work.context.settings.on_kubernetes else row.node


def _join(present: OperationRow, wish: Wish, now: datetime) -> OperationRow:
    """`present`, made to do what `wish` asks for too."""
    operation = present.operation
    changes: dict[str, object] = {}
    if wish.kind is Kind.STOP and operation.kind is Kind.SAVE:
        changes |= {"kind": Kind.STOP, "trigger": wish.trigger}
    elif wish.kind is Kind.STOP and operation.trigger in _BY_ITSELF and wish.trigger not in _BY_ITSELF:
        # Somebody now wants what the clock began: activity no longer keeps the server awake.
        changes |= {"trigger": wish.trigger} if present.directive is None else {}
    if wish.name and not operation.name and present.directive is None:
        changes["name"] = wish.name
    if changes:
        operation = operation.model_copy(update=changes | {"updated_at": now})
    return replace(present, operation=operation, hub_joined=present.hub_joined or wish.hub_joined)


def _given_up(work: Work, row: ServerRow, present: OperationRow, wish: Wish) -> OperationRow:
    """`present`, which the agent of a lost node has, as a discard. With no node it is that agent's no more (F15).

    Raises:
        Conflict: its node is there, so that it is being saved.
    """
    if not nodes.lost(work, row):
        raise Conflict("the server is being saved; nothing was discarded. Try again if that fails", server=row.id)
    changes: dict[str, object] = {"kind": Kind.DISCARD, "trigger": wish.trigger, "node": "", "updated_at": work.now}
    return replace(present, operation=present.operation.model_copy(update=changes), requested_by=wish.by)


def _check(row: ServerRow, wish: Wish, *, lost: bool) -> None:
    if wish.kind is Kind.DISCARD:
        if not row.has_container:
            raise Conflict("nothing of this server is there that could be discarded", server=row.id)
        if row.state is ServerState.RUNNING and not lost:
            raise Conflict("the server runs; stop it instead, so that it is saved first", server=row.id)
        return
    if row.state is ServerState.DEAD and wish.kind is Kind.SAVE:
        raise Conflict("the server ended by itself and is being saved; start it to go on", server=row.id)
    if row.state not in (ServerState.RUNNING, ServerState.DEAD):
        what = "is still starting: it holds nothing to save" if row.state is ServerState.STARTING else "sleeps"
        raise Conflict(f"the server {what}; its checkpoints are as they were", server=row.id)
