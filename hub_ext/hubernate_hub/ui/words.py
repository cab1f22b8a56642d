"""Times, sizes and steps in words for people. Pure."""

from datetime import datetime, timedelta

from hubernate_core.operation import Kind, Operation, Outcome, Step, Trigger
from hubernate_core.quantity import show_bytes

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))
_WHY = {
    Trigger.USER: "you asked for it",
    Trigger.ADMIN: "an admin asked for it",
    Trigger.IDLE: "nobody was using it",
    Trigger.GPU_IDLE: "its GPU was not used",
    Trigger.MAX_AGE: "it reached its maximum age",
    Trigger.DIED: "it ended by itself",
    Trigger.USER_DELETED: "its account was deleted",
    Trigger.LEFT_TEAM: "its person is no longer in the team",
    Trigger.FORGOTTEN: "the hub had lost track of it",
    Trigger.JOB: "a job is to run in it",
    Trigger.EVICTED: "the cluster is taking its node or its place away",
}
_SLEPT = {
    Trigger.GPU_IDLE: "put to sleep because its GPU was not used",
    Trigger.USER: "stopped on request",
    Trigger.ADMIN: "stopped by an admin",
    Trigger.DIED: "its process ended",
    Trigger.EVICTED: "stopped because the cluster took its place away",
    Trigger.USER_DELETED: "stopped when its account was deleted",
    Trigger.LEFT_TEAM: "stopped because its person is no longer in the team",
    Trigger.FORGOTTEN: "stopped because the hub had lost track of it",
    Trigger.JOB: "stopped while it was saved for a job",
}
_SAVED = {
    Trigger.USER: "on request",
    Trigger.ADMIN: "by an admin",
    Trigger.IDLE: "when nobody used it",
    Trigger.GPU_IDLE: "when its GPU was not used",
    Trigger.MAX_AGE: "at its maximum age",
    Trigger.DIED: "after its process ended",
    Trigger.JOB: "for a job",
    Trigger.EVICTED: "when its place was taken away",
    Trigger.USER_DELETED: "when its account was deleted",
    Trigger.LEFT_TEAM: "when its person left the team",
    Trigger.FORGOTTEN: "when the hub had lost track of it",
}

_RULES = {
    "count": "there are newer ones",
    "age": "of its age",
    "user_bytes": "the person's checkpoints take too much room",
    "tenant_bytes": "the team's checkpoints take too much room",
}


def span(length: timedelta) -> str:
    """``5 minutes``, ``2 hours``, ``3 days``; under a minute: ``a moment``."""
    seconds = max(0, int(length.total_seconds()))
    for name, size in _UNITS:
        if seconds >= size:
            number = seconds // size
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "a moment"


def ago(moment: datetime, now: datetime) -> str:
    """``5 minutes ago``."""
    return f"{span(now - moment)} ago"


def ahead(moment: datetime, now: datetime) -> str:
    """``in 5 hours``."""
    return f"in {span(moment - now)}"


def rule(why: str) -> str:
    """The rule of retention that lets a checkpoint go, after "because"."""
    return _RULES.get(why, "")


def exact(moment: datetime) -> str:
    """The moment in UTC, as a person reads it."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def why(operation: Operation) -> str:
    """Who or what asked."""
    return _WHY[operation.trigger]


def slept(operation: Operation, idle: timedelta, ran: timedelta) -> str:
    """Why a server sleeps, from the operation that stopped it.

    Args:
        idle: how long nothing had counted as activity when it was asked to stop.
        ran: how long it had run by then.
    """
    if operation.trigger is Trigger.IDLE:
        return f"put to sleep after {span(idle)} without activity"
    if operation.trigger is Trigger.MAX_AGE:
        return f"put to sleep after {span(ran)}, its maximum age"
    if operation.trigger is Trigger.DIED and operation.reason:
        return operation.reason[:1].lower() + operation.reason[1:].rstrip(".")
    return _SLEPT[operation.trigger]


def occasion(operation: Operation) -> str:
    """When or for whom a checkpoint without a name was made."""
    if operation.trigger is Trigger.USER and operation.kind is Kind.STOP:
        return "when it was stopped"
    return _SAVED[operation.trigger]


def stages(operation: Operation) -> list[tuple[str, str]]:
    """The stepper: (name, ``done`` | ``now`` | ``ahead`` | ``failed``). "Save" is done once it is recorded (P8)."""
    names = ["Copy", "Freeze", "Upload", "Verify", "Save"]
    if operation.kind is Kind.STOP:
        names.append("Stop")
    if operation.kind is Kind.DISCARD:
        names = ["Remove"]
    reached = {
        Step.REQUESTED: 0,
        Step.QUIESCED: 0,
        Step.FROZEN: 1,
        Step.CAPTURED: 2,
        Step.THAWED: 2,
        Step.PUSHED: 3,
        Step.VERIFIED: 4,
        Step.RECORDED: 5,
        Step.RELEASED: len(names),
        Step.FAILED: 5 if operation.saved else 0,
    }[operation.step]
    if operation.kind is Kind.DISCARD and not operation.finished:
        reached = 0
    present = "failed" if operation.step is Step.FAILED else "now"
    marks = ["done"] * reached + [present] + ["ahead"] * len(names)
    return list(zip(names, marks, strict=False))


def headline(operation: Operation) -> str:
    """One line on what is going on."""
    progress = operation.progress
    size = show_bytes(progress.changed_bytes)
    if operation.kind is Kind.DISCARD:
        return "Removing what was never saved"
    if operation.step in (Step.REQUESTED, Step.QUIESCED):
        if not progress.changed_bytes:
            return "Looking for changes"
        sent = f": {show_bytes(progress.pushed_bytes)} uploaded" if progress.pushed_bytes else ""
        return f"Copying {size} of changes while you work on{sent}"
    if operation.step is Step.FROZEN:
        return "Standing still for a moment to copy the last changes"
    if operation.step in (Step.CAPTURED, Step.THAWED):
        what = f"Saving {size} of changes" if progress.changed_bytes else "Saving the changes"
        return f"{what}: {uploaded(operation)}" if progress.push_total_bytes else f"{what}…"
    if operation.step in (Step.PUSHED, Step.VERIFIED):
        return "Reading everything back from the registry, to be sure"
    return "Saved. Stopping, and keeping its very last changes"


def uploaded(operation: Operation) -> str:
    """``130 MB of 212 MB uploaded``."""
    progress = operation.progress
    return f"{show_bytes(progress.pushed_bytes)} of {show_bytes(progress.push_total_bytes)} uploaded"


def ending(operation: Operation) -> str:
    """How a finished operation ended, in a sentence; empty for the ordinary ends."""
    if operation.outcome is Outcome.KEPT:
        return operation.reason
    if operation.outcome is not Outcome.FAILED:
        return ""
    verb = {Kind.SAVE: "saved", Kind.STOP: "stopped", Kind.DISCARD: "removed"}[operation.kind]
    return f"It could not be {verb}: {operation.reason or 'the agent gave no reason'}"
