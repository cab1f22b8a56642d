"""All queued jobs looked at together: where each stands, and which start now."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hubernate_core.job import JobState, Priority
from hubernate_core.job_chain import broken_by, waits_for
from hubernate_core.job_queue import JobPlace, QueuedJob, line, next_jobs
from hubernate_core.names import JobId, PlaceId
from hubernate_core.preemption import Needy, Running, who_makes_room
from hubernate_core.queue import Wait
from hubernate_core.quota import Holding, amounts_of_job
from hubernate_core.tenant import Tenant

from ..context import Work
from ..store import jobs, tenants, waits
from ..store.jobs import InLine
from . import ledger, places

_FRONT = timedelta(days=3650)
"""What made room is in front of its own priority: as if it had been asked for that long ago."""


@dataclass(frozen=True)
class Looked:
    """One look: the place of every job that could run, those that start now, in turn, and why others never will."""

    places: Mapping[JobId, JobPlace] = field(default_factory=dict)
    go: tuple[JobId, ...] = ()
    broken: Mapping[JobId, str] = field(default_factory=dict)
    make_room: Mapping[JobId, JobId] = field(default_factory=dict)
    """Jobs that are to be stopped, each with the one of higher priority that needs its place."""


def look(work: Work, at_once: int) -> Looked:
    """Every queued job as it stands now. `at_once`: how many run on the platform at the same time."""
    waiting = jobs.in_line(work.tx)
    if not waiting:
        return Looked()
    known = jobs.before(work.tx, (each for row in waiting for each in row.after))
    before = {row.id: [known[each] for each in row.after] for row in waiting}
    broken = {job: why for job, some in before.items() if (why := broken_by(some))}
    chained = {job: why for job, some in before.items() if (why := waits_for(some))}
    queued = [row for row in waiting if row.id not in chained]
    running = jobs.running_in_each(work.tx)
    active = tenants.with_ids(work.tx, {row.tenant_id for row in queued}, active_only=True)
    found = {job: JobPlace(job, 0, 0, why) for job, why in chained.items()}
    make_room: dict[JobId, JobId] = {}
    ready: dict[str, list[JobId]] = {}
    held = ledger.held_in_each(work, active.values())
    for tenant in active.values():
        mine = [_queued(row) for row in queued if row.tenant_id == tenant.id]
        starts = [places.as_wait(work, each) for each in waits.of_tenant(work.tx, tenant.id) if not each.cancelled_by]
        stands = line(tenant.title or tenant.name, tenant.quota, held[tenant.id], starts, mine)
        found |= {each.id: each for each in stands}
        if tenant.preemption and not starts:  # what is freed would be theirs
            make_room |= _make_room(work, tenant, held[tenant.id], mine, stands)
        ready[tenant.id] = [each.id for each in stands if not each.why]
    go = next_jobs(ready, running, at_once)
    turn = f"The platform runs {at_once} jobs at once, and is at so many; teams take turns."
    for job in {each for some in ready.values() for each in some} - set(go):
        found[job] = replace(found[job], why=turn)
    for row in queued:
        found.setdefault(row.id, JobPlace(row.id, 0, 0, "The team is suspended; an admin can say more."))
    return Looked(found, tuple(go), broken, make_room)


def _make_room(
    work: Work, tenant: Tenant, held: list[Holding], mine: list[QueuedJob], stands: list[JobPlace]
) -> dict[JobId, JobId]:
    """Who makes room for the first that waits for the quota; nobody while somebody still does.

    Behind one for whom nothing is kept, as it waits for its person's own limit, the next is looked at.
    """
    waiting = {each.id: each for each in mine}
    needy = [(waiting[each.id], each.holds_up) for each in stands if each.why]
    if all(each.priority is Priority.LOW for each, _ in needy):
        return {}
    rows = [row for row in jobs.going(work.tx, tenant.id) if row.course.state.holds]
    if any(row.course.preempt_at for row in rows):
        return {}
    running = [
        Running(
            row.id,
            Holding(row.user, amounts_of_job(row.profile)),
            row.request.priority,
            row.course.started_at or work.now,
            row.course.preempted,
            row.request.preemptible and row.course.state is JobState.RUNNING and not row.course.cancelling,
        )
        for row in rows
    ]
    for each, holds_up in needy:
        wanted = Needy(each.wait.user, each.wait.wanted, each.priority)
        chosen = who_makes_room(tenant.quota, held, running, wanted)
        if chosen or holds_up:
            return dict.fromkeys(chosen, each.id)
    return {}


def _queued(row: InLine) -> QueuedJob:
    wanted = {**amounts_of_job(row.profile), "checkpoint_bytes": 0}
    since = row.created_at - (_FRONT if row.preempted else timedelta())
    wait = Wait(PlaceId(row.id), row.tenant_id, row.user, wanted, since)
    return QueuedJob(wait, row.priority)
