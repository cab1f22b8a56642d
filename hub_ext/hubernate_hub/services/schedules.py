"""Schedules: made, looked at, paused, taken away; what becomes of their times `hubernate_core.schedule` decides."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from hubernate_core.errors import Conflict, NotAllowed, NotFound
from hubernate_core.job import JobState
from hubernate_core.names import JobId, ScheduleId, is_id
from hubernate_core.schedule_request import Schedule, ScheduleRequest

from ..actor import Actor
from ..context import Work
from ..jobs import cron
from ..jobs.parts import JobParts
from ..signing import Signer
from ..store import jobs, schedules, tenants
from ..store.schedules import ScheduleRow
from . import awaited_save
from . import jobs as job_cases
from .deeds import Deed, note
from .jobs import Submitter
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
    if row is None or not who.sees(row):
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
    save = awaited_save.look(work, row.operation_id, row.created_at, row.user)
    if save is None:
        return ()
    if save.again is not None:
        schedules.save(work.tx, replace(row, operation_id=save.again.id))
        return (f"node:{save.again.node}",)
    made = replace(row, operation_id=None)
    if save.checkpoint is not None and not row.request.follow:
        made = replace(made, checkpoint_id=save.checkpoint.id)
    elif save.checkpoint is None and not row.request.follow:
        problem = f"The notebook's environment could not be saved: {save.problem}."
        made = replace(made, enabled=False, problem=f"{problem} Delete this schedule and make it again.")
    schedules.save(work.tx, made)
    return ()


def show(work: Work, row: ScheduleRow) -> Schedule:
    """A schedule for people."""
    return show_each(work, [row])[0]


def show_each(work: Work, rows: Sequence[ScheduleRow]) -> list[Schedule]:
    """Schedules for people, in two queries however many they are."""
    known = tenants.with_ids(work.tx, {each.tenant_id for each in rows})
    states = jobs.states(work.tx, [each.job_id for each in rows if each.job_id is not None])
    return [_shown(each, known[each.tenant_id].name, states) for each in rows]


def _shown(row: ScheduleRow, tenant: str, states: Mapping[JobId, JobState]) -> Schedule:
    request = row.request
    state = None if row.job_id is None else states.get(row.job_id)
    times = [row.planned_at, *cron.following(request.cron, request.zone, row.planned_at, _SHOWN - 1)]
    problem = row.problem
    if row.operation_id is not None:
        problem = problem or "The notebook's environment is being saved; the notebook goes on."
    if row.untold:
        problem = f"{problem} Not everybody could be told: {row.untold}".strip()

    def in_zone(moment: datetime | None) -> datetime | None:
        return None if moment is None else cron.in_zone(moment, request.zone)

    return Schedule(
        id=row.id,
        label=row.label,
        user=row.user,
        tenant=tenant,
        enabled=row.enabled,
        next=tuple(cron.in_zone(each, request.zone) for each in times) if row.enabled else (),
        waiting=in_zone(row.held_at),
        problem=problem,
        checkpoint_id=row.checkpoint_id,
        job_id=None if state is None else row.job_id,
        job_state=state,
        ran_for=in_zone(row.ran_for),
        request=request,
        created_at=row.created_at,
    )
