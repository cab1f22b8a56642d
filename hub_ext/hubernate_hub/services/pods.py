"""What becomes of pods: which one an operation means, and how operations end that no agent can end any more."""

from dataclasses import dataclass

from hubernate_core.errors import Conflict, NotFound
from hubernate_core.names import OperationId, server_pod
from hubernate_core.operation import Kind, Operation, Outcome, Step, Trigger, advance
from hubernate_core.server import ServerState
from hubernate_core.wire import Directive, Report

from ..context import Work
from ..kube.pods import PodName
from ..store import checkpoints, operations, servers, tenants
from ..store.operations import OperationRow
from ..store.servers import ServerRow
from . import nodes
from .opening import Wish, open_operation
from .reporting import end, fenced
from .retrying import due

_RETRY_WHILE_DELETING_S = 5.0
"""A pod that is being deleted does not wait for a save that is tried again in a minute."""


@dataclass(frozen=True)
class Doomed:
    """An operation and the pod that goes away with it."""

    operation: OperationId
    pod: PodName
    lost: bool = False
    """its node is lost, so that no kubelet will ever say that the pod has ended"""


def pod_of(work: Work, row: ServerRow, uid: str) -> PodName:
    """The pod of the newest start of `row`."""
    name = server_pod(work.context.settings.instance, row.id, row.generation)
    return PodName(tenants.namespace_of(work.tx, row.tenant_id), name, uid)


def pod_to_remove(work: Work, operation: OperationId, body: Report) -> PodName | None:
    """The pod that goes before `body`, a report of `released`, is accepted; None when that was done already.

    Raises:
        NotAllowed, Conflict: as `reporting.report`; and while nothing is recorded that would be left of the pod.
    """
    server, row = fenced(work, operation, body)
    if row.operation.finished:
        return None
    if row.operation.step is not Step.RECORDED or row.directive is not Directive.RELEASE:
        raise Conflict(
            f"operation {operation} is {row.operation.step}: its newest state is not recorded yet; the pod stays",
            operation=operation,
            step=str(row.operation.step),
        )
    return pod_of(work, server, row.container_id)


def to_discard(work: Work) -> list[Doomed]:
    """What nobody wants saved: the service's own work on a cluster."""
    found: list[Doomed] = []
    for row in operations.all_open(work.tx, ""):
        server = servers.get(work.tx, row.operation.server_id)
        if server is not None and row.operation.kind is Kind.DISCARD:
            pod = pod_of(work, server, row.container_id)
            found.append(Doomed(row.operation.id, pod, lost=nodes.lost(work, server)))
    return found


def discarded(work: Work, operation: OperationId) -> Operation | None:
    """The pod of a discard is gone: the row ends and the server sleeps. None: it had ended already."""
    server, row = _open(work, operation)
    if row is None or server is None:
        return None
    ended = advance(row.operation, Step.RELEASED, work.now)
    return end(work, server, operations.with_operation(row, ended), Outcome.DISCARDED)


def being_deleted(work: Work, stale: ServerRow) -> Operation | None:
    """Somebody deletes the pod of a server that runs: open the operation that saves it first.

    None: one is open that will do, or there is nothing to do.
    """
    row = servers.lock(work.tx, stale.id)
    awake = (ServerState.RUNNING, ServerState.DEAD)
    if row is None or row.container_id != stale.container_id or row.state not in awake:
        return None
    present = operations.open_of(work.tx, row.id)
    if present is not None and (present.operation.kind is not Kind.SAVE or present.directive is not None):
        return None
    if not due(operations.recent_of(work.tx, row.id), work.now, _RETRY_WHILE_DELETING_S, longest_s=30):
        return None
    return open_operation(work, row.id, Wish(Kind.STOP, Trigger.EVICTED, by="reconciler")).operation


def abandoned_by_its_agent(work: Work) -> list[Doomed]:
    """Open operations of agents that should have been heard by now. Their pods may be gone with the node."""
    found: list[Doomed] = []
    for row in operations.all_open(work.tx):
        node = row.operation.node
        server = servers.get(work.tx, row.operation.server_id) if node else None
        if server is not None and work.context.fleet.silent(node):
            found.append(Doomed(row.operation.id, pod_of(work, server, row.container_id)))
    return found


def ended_with_its_node(work: Work, operation: OperationId) -> Operation | None:
    """The pod of an operation is gone and its agent silent: the row ends as far as it came."""
    server, row = _open(work, operation)
    if row is None or server is None:
        return None
    if row.operation.step is Step.RECORDED and row.directive is Directive.RELEASE:
        ended = advance(row.operation, Step.RELEASED, work.now)
        return end(work, server, operations.with_operation(row, ended), Outcome.STOPPED)
    saved = next((each for each in checkpoints.of_servers(work.tx, [server.id]) if each.usable), None)
    newest = (
        "no checkpoint was made before" if saved is None else f"the newest is of {saved.created_at:%d %B, %H:%M} UTC"
    )
    reason = (
        f"the pod is gone from node {row.operation.node} and its agent is silent: what changed since the last"
        f" checkpoint is lost ({newest}). Your home folder is there; start the server to go on"
    )
    failed = advance(row.operation, Step.FAILED, work.now).model_copy(update={"reason": reason})
    return end(work, server, operations.with_operation(row, failed), Outcome.FAILED)


def _open(work: Work, operation: OperationId) -> tuple[ServerRow | None, OperationRow | None]:
    found = operations.get(work.tx, operation)
    if found is None:
        raise NotFound(f"no operation {operation}")
    server = servers.lock(work.tx, found.operation.server_id)
    row = operations.get(work.tx, operation)
    if server is None or row is None or row.operation.finished or row.operation.generation != server.generation:
        return None, None
    return server, row
