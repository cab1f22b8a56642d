"""Attempts of jobs: how long each held how much."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, or_, select, update

from hubernate_core.names import JobId, TenantId
from hubernate_core.quota import Amounts

from .database import Tx
from .schema import job_attempts, jobs


@dataclass(frozen=True)
class AttemptRow:
    """One attempt whose container ran; `ended_at` None: it runs."""

    job_id: JobId
    attempt: int
    tenant_id: TenantId
    user: str
    amounts: Amounts
    started_at: datetime
    ended_at: datetime | None = None
    end: str = ""


def begin(tx: Tx, row: AttemptRow) -> None:
    """Its container runs."""
    tx.execute(insert(job_attempts).values(**vars(row)))


def finish(tx: Tx, job: JobId, attempt: int, ended_at: datetime, end: str) -> None:
    """Its container has ended."""
    which = (job_attempts.c.job_id == job, job_attempts.c.attempt == attempt)
    tx.execute(update(job_attempts).where(*which).values(ended_at=ended_at, end=end))


def of_jobs(tx: Tx, some: Iterable[JobId]) -> dict[JobId, list[AttemptRow]]:
    """Those of `some` jobs, at most a page of them, oldest first."""
    query = select(job_attempts).where(job_attempts.c.job_id.in_(sorted(some))).order_by(job_attempts.c.attempt)
    found: dict[JobId, list[AttemptRow]] = {}
    for row in tx.execute(query):
        found.setdefault(JobId(row.job_id), []).append(AttemptRow(**row._mapping))
    return found


def after(tx: Tx, moment: datetime) -> list[AttemptRow]:
    """Those that reach behind `moment`."""
    ends = or_(job_attempts.c.ended_at.is_(None), job_attempts.c.ended_at > moment)
    return [AttemptRow(**row._mapping) for row in tx.execute(select(job_attempts).where(ends))]


def forget(tx: Tx) -> None:
    """Forget those of jobs that are forgotten."""
    tx.execute(delete(job_attempts).where(job_attempts.c.job_id.not_in(select(jobs.c.id))))
