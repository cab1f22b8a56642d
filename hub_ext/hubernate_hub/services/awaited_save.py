"""A save that a job or a schedule waits for, to run in the environment as it was when it was asked for."""

from dataclasses import dataclass
from datetime import datetime

from hubernate_core.checkpoint import Checkpoint
from hubernate_core.names import OperationId, ServerId
from hubernate_core.operation import Kind, Operation, Outcome, Trigger
from hubernate_core.server import ServerState

from ..context import Work
from ..store import checkpoints, operations, servers
from .opening import Wish, open_operation


@dataclass(frozen=True)
class AwaitedSave:
    """How one came out: the `checkpoint`; or `again`, the save that is to be waited for now; or the `problem`."""

    checkpoint: Checkpoint | None = None
    again: Operation | None = None
    problem: str = ""


def look(work: Work, operation: OperationId, since: datetime, user: str) -> AwaitedSave | None:
    """How a save came out; None: it goes on.

    Args:
        since: when what waits for it was asked for. One that was asked for before may have looked too early, and is
            made once more while the notebook runs; one that stopped the notebook has not.

    Raises:
        HubernateError: it has to be made once more, which cannot be begun now.
    """
    found = operations.get(work.tx, operation)
    if found is None:
        return AwaitedSave(problem="its save is gone")
    save = found.operation
    if not save.finished:
        return None
    saved = None
    if save.outcome is not Outcome.FAILED and save.checkpoint_id:
        saved = checkpoints.get(work.tx, save.checkpoint_id)
    if saved is None:
        return AwaitedSave(problem=save.reason or "its save is gone")
    if save.requested_at < since and _runs(work, save.server_id):
        again = open_operation(work, save.server_id, Wish(Kind.SAVE, Trigger.JOB, by=user)).operation
        return AwaitedSave(again=again)
    return AwaitedSave(saved)


def _runs(work: Work, server: ServerId) -> bool:
    row = servers.get(work.tx, server)
    return row is not None and row.state is ServerState.RUNNING
