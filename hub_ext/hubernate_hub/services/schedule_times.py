"""What becomes of a schedule's time, and who is told: a job, or a word why there is none."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from hubernate_core.checkpoint import Checkpoint
from hubernate_core.errors import NotFound
from hubernate_core.job import JobState
from hubernate_core.names import ScheduleId, ServerId, new_id
from hubernate_core.schedule import Look, decide, run_id

from ..actor import Actor
from ..context import Work
from ..jobs import cron
from ..jobs.parts import JobParts
from ..store import checkpoints, jobs, schedules, tenants
from ..store.jobs import JobRow
from ..store.schedules import Notice, ScheduleRow
from . import jobs as job_cases
from .jobs import Submitter


def look(work: Work, parts: JobParts, schedule: ScheduleId, *, left: bool = False, refused: str = "") -> list[str]:
    """Judge the newest run if it is over, then do what is due, all in one transaction; which bells to ring.

    Args:
        left: its person is no longer in the team.
        refused: why its job was refused when this was done before: the time is passed over, and that is told.

    Raises:
        HubernateError: its job was refused; nothing was changed.
    """
    known = schedules.get(work.tx, schedule)
    tenant = None if known is None else tenants.lock(work.tx, known.tenant_id)
    row = schedules.lock(work.tx, schedule)
    if row is None or tenant is None:
        return []
    job = None if row.job_id is None else jobs.get(work.tx, row.job_id)
    judged = _judge(work, row, job)
    made, bells = judged, ["notices"]
    if row.enabled and not (row.operation_id is not None and _waits_for_save(work, row)):
        barred = "its person is no longer in the team" if left else "the team is suspended" if tenant.suspended else ""
        made, more = _go_on(work, parts, judged, job, barred=barred, refused=refused)
        bells += more
    if made != row:
        schedules.save(work.tx, made)
    return bells


def _judge(work: Work, row: ScheduleRow, job: JobRow | None) -> ScheduleRow:
    if row.judged or (job is not None and not job.course.state.over):
        return row
    state = None if job is None else job.course.state
    if job is None or state is JobState.CANCELLED:
        return replace(row, judged=True)
    failed = state is JobState.FAILED
    if failed or row.failing:
        row = _tell(work, row, "failure" if failed else "recovery", job.course.reason, job)
    return replace(row, judged=True, failing=failed)


def _go_on(
    work: Work, parts: JobParts, row: ScheduleRow, job: JobRow | None, *, barred: str, refused: str
) -> tuple[ScheduleRow, list[str]]:
    request = row.request
    due = cron.newest(request.cron, request.zone, row.planned_at, work.now)
    going = job is not None and not job.course.state.over
    seen = Look(due, row.held_at, going, request.overlap, request.missed)
    verdict = decide(seen, work.now, timedelta(seconds=parts.settings.schedule_late_s))
    row = replace(row, held_at=verdict.held)
    if due is not None:
        row = replace(row, planned_at=cron.following(request.cron, request.zone, work.now)[0])
    if verdict.why and due is not None:
        row = replace(row, problem=_passed(row, due, verdict.why))
    if verdict.end and job is not None and not job.course.cancelling:
        job_cases.cancel(work, _actor(row), job)
        return row, [f"job:{job.id}", f"end:{job.id}", "jobs"]
    if verdict.run is None:
        return row, []
    if barred or refused:
        if refused:
            row = _tell(work, row, "failure", refused, None, verdict.run)
        failing = row.failing or bool(refused)
        return replace(row, failing=failing, problem=_passed(row, verdict.run, barred or refused)), []
    who = Submitter(row.tenant_id, row.user, row.hub_name, _actor(row))
    body = request.run(run_id(row.id, verdict.run), cron.in_zone(verdict.run, request.zone), _env(work, row))
    made = job_cases.submit(work, parts, who, body)
    return replace(row, job_id=made.id, ran_for=verdict.run, judged=False, problem=""), ["jobs"]


def _actor(row: ScheduleRow) -> Actor:
    return Actor(row.hub_name, "owner", origin=f"schedule {row.id}")


def lacks_environment(row: ScheduleRow) -> bool:
    """Whether there is no save yet for it to run in, and it is not to follow the newest."""
    return row.request.job.env == "current" and not row.request.follow and row.checkpoint_id is None


def _waits_for_save(work: Work, row: ScheduleRow) -> bool:
    """Whether there is nothing yet that it could run in."""
    if row.request.follow and row.server_id is not None:
        return newest(work, row.server_id) is None
    return lacks_environment(row)


def _env(work: Work, row: ScheduleRow) -> str:
    if row.checkpoint_id is not None:
        return f"checkpoint:{row.checkpoint_id}"
    if not row.request.follow or row.server_id is None:
        return row.request.job.env
    found = newest(work, row.server_id)
    if found is None:
        raise NotFound("the notebook that this schedule follows has no save any more; start it, and save it")
    return f"checkpoint:{found.id}"


def newest(work: Work, server: ServerId) -> Checkpoint | None:
    """The newest save of a server that can be used."""
    every = checkpoints.of_servers(work.tx, [server])
    return max((each for each in every if each.usable), key=lambda each: each.created_at, default=None)


def _passed(row: ScheduleRow, time: datetime, why: str) -> str:
    shown = cron.in_zone(time, row.request.zone).strftime("%Y-%m-%d %H:%M")
    return f"{shown} {row.request.zone} did not run: {why}"


def _tell(
    work: Work,
    row: ScheduleRow,
    event: Literal["failure", "recovery"],
    why: str,
    job: JobRow | None,
    planned: datetime | None = None,
) -> ScheduleRow:
    """Leave word for everybody who is to be told; whom the word before did not reach is not told of any more."""
    time = planned or row.ran_for or row.planned_at
    tenant = tenants.with_ids(work.tx, [row.tenant_id])[row.tenant_id]
    content = {
        "event": event,
        "schedule": row.id,
        "label": row.label,
        "tenant": tenant.name,
        "user": row.user,
        "planned_at": cron.in_zone(time, row.request.zone).isoformat(),
        "job": "" if job is None else job.id,
        "why": why,
    }
    notify = row.request.notify
    told = [("webhook", notify.webhook)] if notify.webhook else []
    told += [("mail", each) for each in notify.mail]
    schedules.add_notices(
        work.tx, (Notice(new_id(), row.id, row.tenant_id, *each, content, tries=0, due_at=work.now) for each in told)
    )
    return replace(row, untold="")


def named(row: ScheduleRow) -> str:
    """For the audit log and messages."""
    return f"{row.user}/{row.label} {row.id}"
