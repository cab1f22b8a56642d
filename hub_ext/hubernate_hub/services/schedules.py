"""Schedules: made, looked at, paused, taken away; what becomes of their times `hubernate_core.schedule` decides."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from hubernate_core.errors import Conflict, NotAllowed, NotFound
from hubernate_core.names import JobId, ScheduleId, is_id
from hubernate_core.operation import Kind, Outcome, Trigger
from hubernate_core.schedule_request import Schedule, ScheduleRequest

from ..actor import Actor
from ..context import Work
from ..jobs import cron
from ..jobs.parts import JobParts
from ..signing import Signer
from ..store import checkpoints, jobs, operations, schedules, tenants
from ..store.schedules import ScheduleRow
from . import jobs as job_cases
from .deeds import Deed, note
from .jobs import Submitter
from .opening import Wish, open_operation
from .schedule_times import lacks_environment, named

_SHOWN = 3
"""Next times that are told."""


def create(work: Work, parts: JobParts, who: Submitter, request: ScheduleRequest) -> ScheduleRow:
    """The schedule of this id: a new one, or the one that the same request made before.

    Raises:
        InvalidInput, NotFound, NotAllowed, Conflict, OverQuota: its job could not run, or nobody could be told;
            nothing was stored.
    """
    tenant = tenants.lock(work.tx, who.tenant_id)
    if tenant is None or tenant.suspended:
        raise NotAllowed("that team is suspended; nothing was scheduled. Ask an admin")
    before = schedules.lock(work.tx, request.id)
    if before is not None:
        if (before.hub_name, before.tenant_id, before.request) != (who.hub_name, who.tenant_id, request):
            raise Conflict(f"{request.id} is the id of another schedule; nothing was changed. Choose another id")
        return before
    most = parts.settings.schedules_of_person_max
    if schedules.count(work.tx, who.tenant_id, who.hub_name) >= most:
        raise Conflict(f"you have {most} schedules in team {tenant.name!r}; this one was not made. Delete some")
    cron.check(request.cron, request.zone, work.now)
    work.context.settings.notices.check(request.notify.mail)
    planned = cron.following(request.cron, request.zone, work.now)[0]
    first = request.run(JobId(request.id), cron.in_zone(planned, request.zone), request.job.env)
    made = job_cases.prepare(work, parts, tenant.tenant, who, first)
    row = ScheduleRow(
        id=request.id,
        tenant_id=who.tenant_id,
        user=who.user,
        hub_name=who.hub_name,
        request=request,
        planned_at=planned,
        created_at=work.now,
        server_id=made.server_id,
        operation_id=made.operation_id,
        checkpoint_id=made.checkpoint_id,
    )
    schedules.add(work.tx, row)
    note(work, who.actor, Deed("schedule.create", named(row), row.tenant_id, after=_told(request)))
    return row


def find(work: Work, who: Submitter, schedule: str) -> ScheduleRow:
    """A schedule that is the person's, or of a tenant that they govern.

    Raises:
        NotFound: the same for a foreign one as for one that does not exist.
    """
    row = schedules.get(work.tx, ScheduleId(schedule)) if is_id(schedule) else None
    if row is None or row.tenant_id != who.tenant_id or not (who.governs or row.hub_name == who.hub_name):
        raise NotFound("you have no such schedule in this team")
    return row


def switch(work: Work, actor: Actor, row: ScheduleRow, *, on: bool) -> ScheduleRow:
    """Pause a schedule, or let it go on with its next time: times that came meanwhile are not made up for.

    Raises:
        Conflict: the environment that it was to run in was never saved.
    """
    held = schedules.lock(work.tx, row.id) or row
    if held.enabled == on:
        return held
    if on and lacks_environment(held) and held.operation_id is None:
        raise Conflict("the environment of this schedule could not be saved; delete it, and schedule the job again")
    planned = cron.following(held.request.cron, held.request.zone, work.now)[0]
    made = replace(held, enabled=on, planned_at=planned, held_at=None, problem="")
    schedules.save(work.tx, made)
    note(work, actor, Deed("schedule.resume" if on else "schedule.pause", named(row), row.tenant_id))
    return made


def remove(work: Work, actor: Actor, row: ScheduleRow) -> None:
    """Take a schedule away; a run of it that goes on goes on."""
    schedules.remove(work.tx, row.id)
    note(work, actor, Deed("schedule.delete", named(row), row.tenant_id, before=_told(row.request)))


def _told(request: ScheduleRequest) -> dict[str, Any]:
    """For the audit log: neither a webhook's URL nor arguments, which may be credentials."""
    return {"cron": request.cron, "zone": request.zone, "work": request.job.work.label, "env": request.job.env}


def webhook_secret(signer: Signer, row: ScheduleRow) -> str:
    """What its webhook's calls are signed with: this very schedule's, since an id is free again after a deletion."""
    return signer.secret(f"webhook {row.id} {row.tenant_id} {row.hub_name} {row.created_at.isoformat()}")


def secret(work: Work, who: Submitter, row: ScheduleRow) -> str:
    """What its webhook's calls are signed with.

    Raises:
        NotAllowed: it is somebody else's.
    """
    if row.hub_name != who.hub_name:
        raise NotAllowed("only who made a schedule sees its secret")
    return webhook_secret(work.context.signer, row)


def take_environment(work: Work, schedule: ScheduleId) -> tuple[str, ...]:
    """Once the save that a schedule waits for is over, it has its environment, or is paused; which bells to ring."""
    row = schedules.lock(work.tx, schedule)
    if row is None or row.operation_id is None:
        return ()
    found = operations.get(work.tx, row.operation_id)
    if found is not None and not found.operation.finished:
        return ()
    good = found is not None and found.operation.outcome is not Outcome.FAILED and found.operation.checkpoint_id
    saved = checkpoints.get(work.tx, found.operation.checkpoint_id) if found is not None and good else None  # type: ignore[arg-type]
    if found is None or saved is None:
        reason = "its save is gone" if found is None else found.operation.reason
        problem = f"The notebook's environment could not be saved: {reason}. Delete this schedule and make it again."
        off = {} if row.request.follow else {"enabled": False, "problem": problem}
        schedules.save(work.tx, replace(row, operation_id=None, **off))  # type: ignore[arg-type]
    elif found.operation.requested_at < row.created_at and job_cases.still_runs(work, found.operation.server_id):
        # It may have looked before the schedule was made; one that stopped the notebook has not.
        again = open_operation(work, found.operation.server_id, Wish(Kind.SAVE, Trigger.JOB, by=row.user)).operation
        schedules.save(work.tx, replace(row, operation_id=again.id))
        return (f"node:{again.node}",)
    else:
        checkpoint = None if row.request.follow else saved.id
        schedules.save(work.tx, replace(row, operation_id=None, checkpoint_id=checkpoint))
    return ()


def show(work: Work, row: ScheduleRow) -> Schedule:
    """A schedule for people."""
    request = row.request
    tenant = tenants.with_ids(work.tx, [row.tenant_id])[row.tenant_id]
    job = None if row.job_id is None else jobs.get(work.tx, row.job_id)
    times = [row.planned_at, *cron.following(request.cron, request.zone, row.planned_at, _SHOWN - 1)]
    problem = row.problem
    if row.operation_id is not None:
        problem = problem or "The notebook's environment is being saved; the notebook goes on."
    if row.untold:
        problem = f"{problem} Not everybody could be told: {row.untold}".strip()

    def shown(moment: datetime | None) -> datetime | None:
        return None if moment is None else cron.in_zone(moment, request.zone)

    return Schedule(
        id=row.id,
        label=row.label,
        user=row.user,
        tenant=tenant.name,
        enabled=row.enabled,
        next=tuple(cron.in_zone(each, request.zone) for each in times) if row.enabled else (),
        waiting=shown(row.held_at),
        problem=problem,
        checkpoint_id=row.checkpoint_id,
        job_id=None if job is None else job.id,
        job_state=None if job is None else job.course.state,
        ran_for=shown(row.ran_for),
        request=request,
        created_at=row.created_at,
    )
