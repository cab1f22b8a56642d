"""What happens to a job, written down: its course, and its attempts beside it."""

from dataclasses import replace

from hubernate_core.job import Event, JobState, advance
from hubernate_core.names import JobId
from hubernate_core.quota import amounts_of_job

from ..actor import Actor
from ..context import Work
from ..store import job_attempts, jobs
from ..store.job_attempts import AttemptRow
from ..store.jobs import JobRow
from .deeds import Deed, note


def store(work: Work, row: JobRow, event: Event, reason: str = "") -> JobRow:
    """What `event` makes of a job that the caller holds.

    Raises:
        Conflict: it cannot happen to it now.
    """
    made = replace(row, course=advance(row.course, event, work.now, reason))
    jobs.save(work.tx, made)
    runs, ran = made.course.state is JobState.RUNNING, row.course.state is JobState.RUNNING
    if runs and not ran:
        amounts = amounts_of_job(row.profile)
        begun = AttemptRow(row.id, made.course.attempt, row.tenant_id, row.user, amounts, work.now)
        job_attempts.begin(work.tx, begun)
    elif ran and not runs:
        failed = Event.PREEMPTED if made.course.preempted > row.course.preempted else JobState.FAILED
        end = made.course.state if made.course.state.over else failed
        job_attempts.finish(work.tx, row.id, row.course.attempt, work.now, str(end))
    return made


def refuse(work: Work, job: JobId, reason: str) -> None:
    """End a job that waits, for a reason that no attempt can change."""
    row = jobs.lock(work.tx, job)
    if row is not None and row.course.state is JobState.QUEUED:
        store(work, row, Event.REFUSED, reason)


def make_room(work: Work, job: JobId, needy: JobId) -> bool:
    """Ask a running job to make room for one of higher priority; whether it was."""
    row = jobs.lock(work.tx, job)
    if row is None or row.course.state is not JobState.RUNNING or row.course.cancelling or row.course.preempt_at:
        return False
    store(work, row, Event.PREEMPT)
    deed = Deed("job.preempt", f"{row.user}/{row.request.label} {row.id}", row.tenant_id, after={"for": needy})
    note(work, Actor("queue", "service"), deed)
    return True
