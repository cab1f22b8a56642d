"""An agent's report: the row goes on, a verified image is signed and recorded, and the agent learns what is next."""

from dataclasses import dataclass, replace

from hubernate_core.checkpoint import Checkpoint
from hubernate_core.errors import Conflict, InvalidInput, NotAllowed
from hubernate_core.image_ref import check_digest
from hubernate_core.names import CheckpointId, OperationId, ServerId, new_id, repository
from hubernate_core.operation import Kind, Operation, Outcome, Step, Trigger, advance, outcome_of
from hubernate_core.server import ServerState
from hubernate_core.sleeping import Reason, goes_on
from hubernate_core.wire import Answer, Directive, Report, SavedImage

from ..context import Work
from ..signing import record_of
from ..store import checkpoints, operations, servers
from ..store.operations import OperationRow
from ..store.servers import ServerRow
from .culling import rule_of
from .views import activity_of

CAME_BACK = "You came back while it was being saved, so the server goes on. The save is kept."


@dataclass(frozen=True)
class Reported:
    """What a report led to. `tell_hub`: the hub does not know yet that this server goes away. `ended`: just now."""

    answer: Answer
    server: ServerRow
    tell_hub: bool = False
    ended: Operation | None = None


def report(work: Work, operation: OperationId, body: Report) -> Reported:
    """Take in `body`. Repeating a report changes nothing and gets the same answer.

    Raises:
        NotAllowed: the operation is not of this node.
        Conflict: an older generation, a step that cannot follow, or an image that this operation has replaced; the
            row stays as it was.
    """
    server, row = fenced(work, operation, body)
    if row.operation.finished:
        return Reported(Answer(step=row.operation.step, directive=_after_the_end(row, body.step)), server)
    if body.step is Step.VERIFIED and row.operation.kind is not Kind.DISCARD:
        if body.saved is None and not body.still:
            raise InvalidInput("saved", "a report of 'verified' says what was saved")
        return _record(work, server, row, body)
    if _is_behind(row, body.step):
        return _acknowledge(work, server, row, body)
    moved = replace(row, operation=advance(row.operation, body.step, work.now, progress=body.progress))
    if body.step is Step.FAILED:
        moved = _with(moved, outcome=Outcome.FAILED, reason=body.reason)
    elif body.step is Step.RELEASED:
        moved = _with(moved, outcome=outcome_of(moved.operation, kept=body.kept))
        if not body.kept:
            _put_to_sleep(work, server)
    operations.save(work.tx, moved)
    directive = moved.directive if moved.operation.step is Step.RECORDED else None
    answer = Answer(step=moved.operation.step, directive=directive or Directive.CONTINUE)
    return Reported(answer, server, ended=_ended(moved))


def _is_behind(row: OperationRow, reported: Step) -> bool:
    """Whether an agent repeats what the row has passed: after its restart, or for a stopping server's last changes."""
    order = list(Step)
    return reported not in (Step.RELEASED, Step.FAILED) and order.index(reported) < order.index(row.operation.step)


def _acknowledge(work: Work, server: ServerRow, row: OperationRow, body: Report) -> Reported:
    """Show the progress; the row does not go back."""
    changes = {"progress": body.progress, "updated_at": work.now}
    operations.save(work.tx, _with(row, **changes))
    return Reported(Answer(step=row.operation.step, directive=row.directive or Directive.CONTINUE), server)


def fenced(work: Work, operation: OperationId, body: Report) -> tuple[ServerRow, OperationRow]:
    """The server, held, and the operation that a report is about.

    Raises:
        NotAllowed: the operation is not of this node.  Conflict: an older generation.
    """
    found = operations.get(work.tx, operation)
    if found is None or found.operation.node != body.node:
        raise NotAllowed(f"operation {operation} is not one of node {body.node}")
    server = servers.lock(work.tx, ServerId(found.operation.server_id))
    row = operations.get(work.tx, operation)
    if server is None or row is None:
        raise NotAllowed(f"operation {operation} is not one of node {body.node}")
    if body.generation != row.operation.generation or server.generation != row.operation.generation:
        raise Conflict(
            f"operation {operation} belongs to start {row.operation.generation} of server {server.id}, the newest is"
            f" {server.generation}, the report says {body.generation}: thaw, push nothing, remove nothing",
            operation=operation,
            generation=server.generation,
        )
    return server, row


def _after_the_end(row: OperationRow, reported: Step) -> Directive:
    """The answer to a report about a finished row: the same as the first time, or to leave it alone."""
    if row.directive is Directive.KEEP:
        return Directive.KEEP
    return Directive.CONTINUE if reported is row.operation.step else Directive.ABORT


def _record(work: Work, server: ServerRow, row: OperationRow, body: Report) -> Reported:
    """Write or renew the checkpoint and decide what comes next, all in this transaction."""
    checkpoint = _still(work, server, body) if body.saved is None else _write(work, server, row, body.saved)
    operation = advance(row.operation, Step.VERIFIED, work.now, progress=body.progress)
    operation = advance(operation, Step.RECORDED, work.now).model_copy(update={"checkpoint_id": checkpoint.id})
    moved = replace(row, operation=operation)
    if moved.directive is None:
        moved = replace(moved, directive=_next(work, server, row))
    if moved.directive is Directive.KEEP:
        # Nothing more happens to the container: the row ends here, and a stop may follow at once.
        ended = advance(operation, Step.RELEASED, work.now)
        kept = operation.kind is Kind.STOP
        moved = replace(moved, operation=ended)
        moved = _with(moved, outcome=outcome_of(ended, kept=kept), reason=CAME_BACK if kept else "")
    operations.save(work.tx, moved)
    answer = Answer(step=Step.RECORDED, directive=moved.directive or Directive.CONTINUE)
    goes = moved.directive is Directive.RELEASE and not moved.hub_joined
    return Reported(answer, server, tell_hub=goes, ended=_ended(moved))


def _ended(row: OperationRow) -> Operation | None:
    return row.operation if row.operation.finished else None


def _next(work: Work, server: ServerRow, row: OperationRow) -> Directive:
    operation = row.operation
    if operation.kind is Kind.SAVE:
        return Directive.KEEP
    activity = activity_of(server)
    reason = {Trigger.IDLE: Reason.IDLE, Trigger.GPU_IDLE: Reason.GPU_IDLE}.get(operation.trigger)
    if reason is None or activity is None:
        return Directive.RELEASE
    back = goes_on(activity, rule_of(work, server), reason, operation.requested_at, work.now)
    return Directive.KEEP if back else Directive.RELEASE  # F39


def _still(work: Work, server: ServerRow, body: Report) -> Checkpoint:
    """The checkpoint that the agent found to hold all already.

    Raises:
        Conflict: it is gone; the operation stays open, and the next order says so.
    """
    mine = checkpoints.of_servers(work.tx, [server.id])
    found = next((each for each in mine if each.digest == body.still and each.usable), None)
    if found is None:
        raise Conflict(f"checkpoint {body.still} of server {server.id} is there no more; save again", server=server.id)
    return found


def _write(work: Work, server: ServerRow, row: OperationRow, saved: SavedImage) -> Checkpoint:
    check_digest(saved.digest, "saved.digest")
    before = checkpoints.of_operation(work.tx, row.operation.id)
    if before is not None and before.digest == saved.digest:
        return before
    if before is not None and checkpoints.queued(work.tx, f"{before.repository}@{saved.digest}"):
        raise Conflict(
            f"operation {row.operation.id} recorded a newer image than {saved.digest}; that one is given up:"
            " the newer checkpoint stays; remove nothing",
            operation=row.operation.id,
        )
    checkpoint = Checkpoint(
        id=CheckpointId(new_id()) if before is None else before.id,
        operation_id=row.operation.id,
        server_id=server.id,
        tenant_id=server.tenant_id,
        owner_id=server.owner_id,
        generation=server.generation,
        name=row.operation.name if before is None else before.name,
        pinned=bool(row.operation.name) if before is None else before.pinned,
        profile=server.profile.name,
        repository=repository(server.tenant_id, server.owner_id),
        digest=saved.digest,
        base_digest=server.base_digest,
        size=saved.size,
        changed_bytes=saved.changed_bytes,
        layers=saved.layers,
        largest=saved.largest,
        notes=saved.notes,
        created_at=work.now,
    )
    checkpoint = checkpoint.model_copy(update={"signature": work.context.signer.sign(record_of(checkpoint))})
    if before is None:
        checkpoints.add(work.tx, checkpoint, saved.frozen_s)
    else:
        # The row named a good image until this very commit; only then may the older one go.
        checkpoints.change(work.tx, checkpoint.id, **checkpoint.model_dump(exclude={"id"}))
        checkpoints.forget(work.tx, f"{before.repository}@{before.digest}", row.operation.node, work.now)
    return checkpoint


def end(work: Work, server: ServerRow, row: OperationRow, outcome: Outcome) -> Operation:
    """Store how an operation ended; unless it failed, the server sleeps from now on."""
    ended = _with(row, outcome=outcome)
    operations.save(work.tx, ended)
    if outcome is not Outcome.FAILED:
        _put_to_sleep(work, server)
    return ended.operation


def _put_to_sleep(work: Work, server: ServerRow) -> None:
    servers.change(
        work.tx,
        server.id,
        state=ServerState.ASLEEP,
        stopped_at=work.now,
        container_id="",
        gate_container_id="",
        relay_sha256=None,
        keep_awake_until=None,
        notice="",
    )


def _with(row: OperationRow, **changes: object) -> OperationRow:
    return replace(row, operation=row.operation.model_copy(update=changes))
