"""All queued jobs looked at together: where each stands, and which start now."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hubernate_core.job_chain import broken_by, waits_for
from hubernate_core.job_queue import JobPlace, QueuedJob, line, next_jobs
from hubernate_core.names import JobId, PlaceId
from hubernate_core.queue import Wait
from hubernate_core.quota import amounts_of_job

from ..context import Work
from ..store import jobs, tenants, waits
from ..store.jobs import InLine
from . import ledger, places


@dataclass(frozen=True)
class Looked:
    """One look: the place of every job that could run, those that start now, in turn, and why others never will."""

    places: Mapping[JobId, JobPlace] = field(default_factory=dict)
    go: tuple[JobId, ...] = ()
    broken: Mapping[JobId, str] = field(default_factory=dict)


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
    ready: dict[str, list[JobId]] = {}
    held = ledger.held_in_each(work, active.values())
    for tenant in active.values():
        mine = [_queued(row) for row in queued if row.tenant_id == tenant.id]
        starts = [places.as_wait(work, each) for each in waits.of_tenant(work.tx, tenant.id) if not each.cancelled_by]
        stands = line(tenant.title or tenant.name, tenant.quota, held[tenant.id], starts, mine)
        found |= {each.id: each for each in stands}
        ready[tenant.id] = [each.id for each in stands if not each.why]
    go = next_jobs(ready, running, at_once)
    turn = f"The platform runs {at_once} jobs at once, and is at so many; teams take turns."
    for job in {each for some in ready.values() for each in some} - set(go):
        found[job] = replace(found[job], why=turn)
    for row in queued:
        found.setdefault(row.id, JobPlace(row.id, 0, 0, "The team is suspended; an admin can say more."))
    return Looked(found, tuple(go), broken)


def _queued(row: InLine) -> QueuedJob:
    wanted = {**amounts_of_job(row.profile), "checkpoint_bytes": 0}
    wait = Wait(PlaceId(row.id), row.tenant_id, row.user, wanted, row.created_at)
    return QueuedJob(wait, row.priority)
