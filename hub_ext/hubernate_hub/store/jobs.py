"""Job rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, delete, func, insert, select, update

from hubernate_core.job import Course, JobState, Priority
from hubernate_core.job_chain import Before
from hubernate_core.job_request import JobRequest
from hubernate_core.job_view import Output
from hubernate_core.names import CheckpointId, JobId, OperationId, ServerId, TenantId
from hubernate_core.profile import Profile

from .database import Tx
from .schema import jobs

_HOLD = tuple(str(each) for each in JobState if each.holds)
_AT_ONCE = 1000
"""In one query: SQLite takes 32,766 values."""
_OVER = tuple(str(each) for each in JobState if each.over)


@dataclass(frozen=True)
class JobRow:
    """One job. `image` is ``registry/repository@digest``, empty until its environment is saved."""

    id: JobId
    tenant_id: TenantId
    user: str
    hub_name: str
    request: JobRequest
    course: Course
    profile: Profile
    created_at: datetime
    server_id: ServerId | None = None
    operation_id: OperationId | None = None
    checkpoint_id: CheckpointId | None = None
    image: str = ""
    exit_code: int | None = None
    cancelled_by: str = ""
    outputs: tuple[Output, ...] = ()
    left_out: tuple[str, ...] = field(default=())
    log_bytes: int = 0


_COURSE = tuple(each.name for each in fields(Course))
_OWN = tuple(each.name for each in fields(JobRow) if each.name != "course")


def get(tx: Tx, job: JobId) -> JobRow | None:
    """One job."""
    row = tx.execute(select(jobs).where(jobs.c.id == job)).one_or_none()
    return None if row is None else _row(row)


def lock(tx: Tx, job: JobId) -> JobRow | None:
    """One job, held until the transaction ends: the first statement of every change to it."""
    row = tx.execute(select(jobs).where(jobs.c.id == job).with_for_update()).one_or_none()
    return None if row is None else _row(row)


def going(tx: Tx, tenant: TenantId | None = None) -> list[JobRow]:
    """Every job (of `tenant`) that is not over, in the order in which they were asked for."""
    query = select(jobs).where(jobs.c.state.not_in(_OVER)).order_by(jobs.c.created_at, jobs.c.id)
    if tenant is not None:
        query = query.where(jobs.c.tenant_id == tenant)
    return [_row(row) for row in tx.execute(query)]


@dataclass(frozen=True)
class InLine:
    """What the line needs of a job that waits: little, as there may be thousands and each request is large."""

    id: JobId
    tenant_id: TenantId
    user: str
    profile: Profile
    priority: Priority
    created_at: datetime
    after: tuple[JobId, ...] = ()
    preempted: int = 0


def in_line(tx: Tx) -> list[InLine]:
    """Every job that waits and whose environment is there, in the order in which they were asked for."""
    which = (jobs.c.id, jobs.c.tenant_id, jobs.c.user, jobs.c.profile, jobs.c.request["priority"].as_string())
    query = select(*which, jobs.c.created_at, jobs.c.request["after"], jobs.c.preempted).where(
        jobs.c.state == str(JobState.QUEUED), jobs.c.image != ""
    )
    rows = tx.execute(query.order_by(jobs.c.created_at, jobs.c.id))
    return [
        InLine(
            job,
            tenant,
            user,
            Profile.model_validate(profile),
            Priority(priority),
            created_at,
            tuple(after or ()),
            preempted,
        )
        for job, tenant, user, profile, priority, created_at, after, preempted in rows
    ]


def before(tx: Tx, which: Iterable[JobId]) -> dict[JobId, Before]:
    """How those of `which` are that others run after."""
    wanted = sorted(set(which))
    found = {job: Before(job, "", None) for job in wanted}
    for first in range(0, len(wanted), _AT_ONCE):
        # Nobody asks how one is called that succeeded, and there may be many, with large requests.
        request = case((jobs.c.state != str(JobState.SUCCEEDED), jobs.c.request))
        query = select(jobs.c.id, jobs.c.state, request).where(jobs.c.id.in_(wanted[first : first + _AT_ONCE]))
        for job, state, asked in tx.execute(query):
            label = JobRequest.model_validate(asked).label if asked else ""
            found[job] = Before(job, label, JobState(state))
    return found


@dataclass(frozen=True)
class AtWork:
    """What everybody in a team may know of a job that waits or runs."""

    id: JobId
    user: str
    hub_name: str
    state: JobState
    priority: Priority
    profile: str
    created_at: datetime
    started_at: datetime | None


def at_work(tx: Tx, tenant: TenantId) -> list[AtWork]:
    """Jobs of a tenant that run or wait, in the order in which they were asked for."""
    which = (jobs.c.id, jobs.c.user, jobs.c.hub_name, jobs.c.state, jobs.c.request["priority"].as_string())
    query = select(*which, jobs.c.profile["name"].as_string(), jobs.c.created_at, jobs.c.started_at)
    query = query.where(jobs.c.tenant_id == tenant, jobs.c.state.not_in(_OVER))
    rows = tx.execute(query.order_by(jobs.c.created_at, jobs.c.id))
    return [
        AtWork(job, user, hub_name, JobState(state), Priority(priority), profile, created_at, started_at)
        for job, user, hub_name, state, priority, profile, created_at, started_at in rows
    ]


def states(tx: Tx, which: Sequence[JobId]) -> dict[JobId, JobState]:
    """The states of `which`, at most a page of them; of those that are forgotten nothing."""
    query = select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(which))
    return {job: JobState(state) for job, state in tx.execute(query)}


def running_in_each(tx: Tx) -> dict[str, int]:
    """How many jobs of each tenant count towards the quota; of those with none nothing."""
    query = select(jobs.c.tenant_id, func.count()).where(jobs.c.state.in_(_HOLD)).group_by(jobs.c.tenant_id)
    return {row.tenant_id: row[1] for row in tx.execute(query)}


def waiting(tx: Tx, tenant: TenantId, user: str | None = None) -> int:
    """How many of a tenant's jobs wait: of one person, or of all (None)."""
    query = select(func.count()).where(jobs.c.tenant_id == tenant, jobs.c.state == str(JobState.QUEUED))
    if user is not None:
        query = query.where(jobs.c.user == user)
    return tx.execute(query).scalar_one()


def holding(tx: Tx, tenants: Iterable[TenantId] | None = None) -> list[tuple[TenantId, str, Profile]]:
    """Tenant, user and profile of the jobs of `tenants` (of all, if None) that count towards the quota."""
    query = select(jobs.c.tenant_id, jobs.c.user, jobs.c.profile).where(jobs.c.state.in_(_HOLD))
    if tenants is not None:
        query = query.where(jobs.c.tenant_id.in_(sorted(tenants)))
    return [(row.tenant_id, row.user, Profile.model_validate(row.profile)) for row in tx.execute(query)]


def page(
    tx: Tx, tenant: TenantId, *, hub_name: str | None = None, group: str = "", offset: int = 0, limit: int = 100
) -> tuple[list[JobRow], int]:
    """A tenant's jobs, newest first, and how many there are: of one person, or of all (None); of one group, or any."""
    mine = [jobs.c.tenant_id == tenant] + ([] if hub_name is None else [jobs.c.hub_name == hub_name])
    mine += [jobs.c.group_id == group] if group else []
    total = tx.execute(select(func.count()).select_from(jobs).where(*mine)).scalar_one()
    query = select(jobs).where(*mine).order_by(jobs.c.created_at.desc(), jobs.c.id).offset(offset).limit(limit)
    return [_row(row) for row in tx.execute(query)], total


def add(tx: Tx, row: JobRow) -> None:
    """Store a new job."""
    tx.execute(insert(jobs).values(**_values(row)))


def save(tx: Tx, row: JobRow) -> None:
    """Store what became of a job."""
    values = _values(row)
    tx.execute(update(jobs).where(jobs.c.id == values.pop("id")).values(**values))


def forget_before(tx: Tx, moment: datetime) -> None:
    """Forget jobs that were over before `moment`, but those that one is to run after which still waits; what is kept
    of them goes because nobody names it any more.
    """
    going = select(jobs.c.request["after"]).where(jobs.c.state.not_in(_OVER))
    needed = {job for after in tx.execute(going).scalars() for job in after or ()}
    old = set(tx.execute(select(jobs.c.id).where(jobs.c.finished_at < moment)).scalars())
    names = sorted(old - needed)
    for first in range(0, len(names), _AT_ONCE):
        tx.execute(delete(jobs).where(jobs.c.id.in_(names[first : first + _AT_ONCE])))


def forget_all_of(tx: Tx, tenant: TenantId) -> None:
    """Forget a deleted tenant's jobs."""
    tx.execute(delete(jobs).where(jobs.c.tenant_id == tenant))


def known(tx: Tx, which: Iterable[JobId]) -> set[JobId]:
    """Those of `which` that there are."""
    names, found = sorted(which), set[JobId]()
    for first in range(0, len(names), _AT_ONCE):
        query = select(jobs.c.id).where(jobs.c.id.in_(names[first : first + _AT_ONCE]))
        found |= set(tx.execute(query).scalars())
    return found


def files_of(tx: Tx) -> set[str]:
    """Digests of the files that some job names."""
    return set(tx.execute(select(jobs.c.request["files"].as_string()).distinct()).scalars()) - {""}


def _row(row: Row[Any]) -> JobRow:
    values = dict(row._mapping)
    del values["group_id"]  # the request has it
    course = Course(**{name: values.pop(name) for name in _COURSE} | {"state": JobState(row.state)})
    return JobRow(
        **values
        | {
            "course": course,
            "request": JobRequest.model_validate(values["request"]),
            "profile": Profile.model_validate(values["profile"]),
            "outputs": tuple(Output.model_validate(each) for each in values["outputs"]),
            "left_out": tuple(values["left_out"]),
        }
    )


def _values(row: JobRow) -> dict[str, Any]:
    own = {name: getattr(row, name) for name in _OWN}
    course = {name: getattr(row.course, name) for name in _COURSE} | {"state": str(row.course.state)}
    return (
        own
        | course
        | {
            "request": row.request.model_dump(mode="json"),
            "group_id": row.request.group or None,
            "profile": row.profile.model_dump(mode="json"),
            "outputs": [each.model_dump(mode="json") for each in row.outputs],
            "left_out": list(row.left_out),
        }
    )
