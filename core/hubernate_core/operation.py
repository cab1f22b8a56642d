"""An operation: one attempt to save a server's environment, and what may follow what.

    requested → quiesced → frozen → captured → thawed → pushed → verified → recorded → released
         any step before `released` ──→ failed(reason)     the server runs on, or can be started as it was

The row in the platform service's database is the only truth. Every step is idempotent: reporting the step an operation
already has changes nothing, and a report for an older generation of the server is refused.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from .errors import Conflict
from .names import CheckpointId, OperationId, ServerId


class Kind(StrEnum):
    """What is to happen to the server."""

    SAVE = "save"  # the server goes on
    STOP = "stop"  # the server's container goes away once its newest state is recorded
    DISCARD = "discard"  # the container goes away unsaved: only after a person said so twice


class Trigger(StrEnum):
    """Who or what asked."""

    USER = "user"
    ADMIN = "admin"
    IDLE = "idle"
    GPU_IDLE = "gpu-idle"
    MAX_AGE = "max-age"
    DIED = "died"  # the notebook process ended by itself, out of memory included
    USER_DELETED = "user-deleted"
    LEFT_TEAM = "left-team"  # its person is in the team no more
    FORGOTTEN = "forgotten"  # the hub says stopped, the container runs: found by the reconciler
    JOB = "job"  # a job is to run in this environment
    EVICTED = "evicted"  # its pod is being deleted by somebody else: drain, eviction, preemption, kubectl delete


class Step(StrEnum):
    """How far an operation is. The order of the members is the order of the steps."""

    REQUESTED = "requested"
    QUIESCED = "quiesced"
    FROZEN = "frozen"
    CAPTURED = "captured"
    THAWED = "thawed"
    PUSHED = "pushed"
    VERIFIED = "verified"
    RECORDED = "recorded"
    RELEASED = "released"
    FAILED = "failed"


class Outcome(StrEnum):
    """How a finished operation ended."""

    SAVED = "saved"  # recorded; the server goes on as asked
    STOPPED = "stopped"  # recorded; the container is gone
    KEPT = "kept"  # recorded; the person came back, so the server goes on
    DISCARDED = "discarded"
    FAILED = "failed"


_ORDER = {step: position for position, step in enumerate(Step)}
_FINAL = frozenset({Step.RELEASED, Step.FAILED})
# Percent of the whole at which a step begins: most of the time goes by while the running server is copied and uploaded.
_PERCENT = {
    Step.REQUESTED: 2, Step.QUIESCED: 5, Step.FROZEN: 62, Step.CAPTURED: 64, Step.THAWED: 66, Step.PUSHED: 84,
    Step.VERIFIED: 88, Step.RECORDED: 92, Step.RELEASED: 100, Step.FAILED: 100,
}  # fmt: skip


class Progress(BaseModel):
    """How far the present step is, for people: bytes and files, all of the change and not of the base."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    changed_bytes: int = Field(0, ge=0, description="bytes of files that changed, uncompressed")
    changed_files: int = Field(0, ge=0)
    pushed_bytes: int = Field(0, ge=0, description="bytes sent to the registry, compressed")
    push_total_bytes: int = Field(0, ge=0, description="bytes to send in all; 0 while unknown")
    note: str = Field("", max_length=500, description="one sentence for the person who waits")


class Operation(BaseModel):
    """One attempt to save (and perhaps stop) one generation of a server. Times are UTC."""

    model_config = ConfigDict(frozen=True)
    id: OperationId
    server_id: ServerId
    generation: int = Field(ge=1)
    kind: Kind
    trigger: Trigger
    name: str = Field("", max_length=120, description="the name a person gave the checkpoint")
    node: str
    step: Step = Step.REQUESTED
    progress: Progress = Progress()
    outcome: Outcome | None = None
    reason: str = Field("", description="why it failed or was kept, or what led to it; for the person")
    checkpoint_id: CheckpointId | None = None
    requested_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None

    @property
    def finished(self) -> bool:
        """Nothing more will happen to it."""
        return self.step in _FINAL

    @property
    def percent(self) -> int:
        """How far it is, 0 to 100; 100 only when it is over. Within an upload a guess: what compresses away
        is not known before."""
        done, begins = self.progress, _PERCENT[self.step]
        if self.step is Step.QUIESCED and done.changed_bytes:
            return begins + int(55 * min(1.0, done.pushed_bytes / done.changed_bytes))
        if self.step in (Step.CAPTURED, Step.THAWED) and done.push_total_bytes:
            return begins + int(16 * min(1.0, done.pushed_bytes / done.push_total_bytes))
        return begins

    @property
    def saved(self) -> bool:
        """A checkpoint of it is recorded."""
        return self.checkpoint_id is not None


def may_follow(current: Step, proposed: Step) -> bool:
    """Whether a report of `proposed` is acceptable when the row says `current`.

    Steps only go forward, may be skipped (a dead container is never frozen), and may be repeated; `released` is reached
    from `recorded` alone, except for a discard (see `advance`). `verified` may come again after `recorded`: the last
    changes of a stopping server are a second, smaller image.
    """
    if current in _FINAL:
        return proposed == current
    if proposed is Step.FAILED:
        return True
    if proposed is Step.RELEASED:
        return current is Step.RECORDED
    if current is Step.RECORDED:
        return proposed in (Step.RECORDED, Step.VERIFIED)
    return _ORDER[proposed] >= _ORDER[current]


def advance(operation: Operation, proposed: Step, now: datetime, *, progress: Progress | None = None) -> Operation:
    """`operation` after a report of `proposed`; unchanged but for time and progress when it is already there.

    Raises:
        Conflict: the report does not follow; the row stays as it was.
    """
    allowed = may_follow(operation.step, proposed)
    if operation.kind is Kind.DISCARD and proposed is Step.RELEASED and not operation.finished:
        allowed = True
    if not allowed:
        raise Conflict(
            f"operation {operation.id} is {operation.step}; a report of {proposed} cannot follow",
            operation=operation.id,
            step=str(operation.step),
        )
    if operation.finished:
        return operation
    # A second `verified` keeps `recorded`: the checkpoint that is recorded stays good until the newer one is.
    step = operation.step if operation.step is Step.RECORDED and proposed is Step.VERIFIED else proposed
    changes: dict[str, object] = {"step": step, "updated_at": now}
    if progress is not None:
        changes["progress"] = progress
    if step in _FINAL:
        changes["finished_at"] = now
    return operation.model_copy(update=changes)


def outcome_of(operation: Operation, *, kept: bool) -> Outcome:
    """How an operation that reached `released` ended."""
    if operation.kind is Kind.DISCARD:
        return Outcome.DISCARDED
    if operation.kind is Kind.SAVE:
        return Outcome.SAVED
    return Outcome.KEPT if kept else Outcome.STOPPED
