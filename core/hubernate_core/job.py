"""A job: one program that runs to its end in a container of its own, in the tenant's queue and under its quota.

    queued → starting → running → succeeded | failed | cancelled
       ↑_________________|  while attempts are left

The row in the platform service's database is the only truth. The id is the client's, so that asking twice is asking
once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from .errors import Conflict


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "queued"  # nothing of it runs; it holds nothing of the quota
    STARTING = "starting"  # admitted: the quota counts it; its container is being made
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Nothing more will happen to it."""
        return self in _OVER

    @property
    def holds(self) -> bool:
        """It counts towards the quota."""
        return self in (JobState.STARTING, JobState.RUNNING)


_OVER = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


class Priority(StrEnum):
    """Which jobs of a tenant go first, in this order. Where the team wants it, a higher one may take the place of a
    lower one.
    """

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Event(StrEnum):
    """What may happen to a job."""

    ADMITTED = "admitted"  # there is room: it is being started
    STARTED = "started"  # its container runs
    ENDED_WELL = "ended-well"
    ENDED_BADLY = "ended-badly"  # another attempt may help
    REFUSED = "refused"  # no attempt can help: its environment could not be saved, its image is gone
    CANCEL = "cancel"  # somebody wants it to end
    PREEMPT = "preempt"  # one of higher priority needs its place
    PREEMPTED = "preempted"  # it ended because of that: it waits again, and no attempt was used up


@dataclass(frozen=True)
class Course:
    """Where a job stands. `attempt` counts from 1, 0 before the first; `cancelling`: it is being ended on request;
    `preempt_at`: when it was asked to make room; `preempted`: how often it did.
    """

    state: JobState = JobState.QUEUED
    attempt: int = 0
    retries: int = 0
    cancelling: bool = False
    reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    preempted: int = 0
    preempt_at: datetime | None = None


def advance(course: Course, event: Event, now: datetime, reason: str = "") -> Course:
    """What `event` makes of `course`. A result is final: whatever happens to a job that is over changes nothing.

    Args:
        reason: why, for the person; with `ENDED_BADLY` and `REFUSED`.

    Raises:
        Conflict: the event cannot happen in this state.
    """
    if course.state.over or (event is Event.STARTED and course.state is JobState.RUNNING):
        return course
    if event is Event.CANCEL:
        return replace(course, cancelling=True) if course.state.holds else _over(course, JobState.CANCELLED, now)
    if event is Event.PREEMPT:
        return replace(course, preempt_at=course.preempt_at or now) if course.state is JobState.RUNNING else course
    if event is Event.REFUSED:
        return _over(course, JobState.CANCELLED if course.cancelling else JobState.FAILED, now, reason)
    match course.state, event:
        case JobState.QUEUED, Event.ADMITTED:
            return replace(course, state=JobState.STARTING, attempt=course.attempt + 1, reason="")
        case JobState.STARTING, Event.STARTED:
            return replace(course, state=JobState.RUNNING, started_at=now)
        case ((JobState.STARTING | JobState.RUNNING), (Event.ENDED_WELL | Event.ENDED_BADLY)):
            return _ended(course, event, now, reason)
        case JobState.RUNNING, Event.PREEMPTED if course.preempt_at is not None:
            if course.cancelling:
                return _over(course, JobState.CANCELLED, now)
            return _again(replace(course, preempted=course.preempted + 1), reason)
    raise Conflict(f"a job that is {course.state} cannot be {event}")


def _ended(course: Course, event: Event, now: datetime, reason: str) -> Course:
    if course.cancelling:
        return _over(course, JobState.CANCELLED, now)
    if event is Event.ENDED_WELL:
        return _over(course, JobState.SUCCEEDED, now)
    if course.attempt - course.preempted <= course.retries:
        return _again(course, reason)
    return _over(course, JobState.FAILED, now, reason)


def _again(course: Course, reason: str) -> Course:
    return replace(course, state=JobState.QUEUED, started_at=None, preempt_at=None, reason=reason)


def _over(course: Course, state: JobState, now: datetime, reason: str = "") -> Course:
    return replace(course, state=state, finished_at=now, reason=reason)


def timed_out(course: Course, timeout: timedelta, now: datetime) -> bool:
    """Whether the present attempt ran longer than it may."""
    return course.state is JobState.RUNNING and course.started_at is not None and now - course.started_at >= timeout


def expired(finished_at: datetime | None, keep: timedelta, now: datetime) -> bool:
    """Whether a job that is over has been kept for as long as it is to be."""
    return finished_at is not None and now - finished_at >= keep


def how_it_ended(exit_code: int, *, out_of_memory: bool, memory: str, timeout_s: int | None = None) -> str:
    """Why an attempt failed, for the person; empty: it did not.

    Args:
        timeout_s: it was ended after so many seconds; None: it ended by itself.
        memory: its limit, as people write it.
    """
    if timeout_s is not None:
        return f"it was ended after {timeout_s} s, its timeout. Raise the timeout, or choose a larger profile"
    if out_of_memory:
        return f"it ran out of memory (its limit is {memory}). Choose a profile with more, or read less at once"
    if exit_code == 0:
        return ""
    signal = _SIGNALS.get(exit_code)
    return f"it was ended by {signal}" if signal else f"it ended with exit code {exit_code}; its log says more"


_SIGNALS: Mapping[int, str] = {134: "SIGABRT", 137: "SIGKILL", 139: "SIGSEGV", 143: "SIGTERM"}
