"""What is looked at before a job is taken: how many wait, and whether it would ever fit."""

from hubernate_core import refusal
from hubernate_core.errors import Conflict, OverQuota
from hubernate_core.quota import amounts_of_job, decide
from hubernate_core.tenant import Tenant

from ..context import Work
from ..jobs.parts import JobParts
from ..store import jobs
from ..store.jobs import JobRow
from . import ledger


def check_waiting(work: Work, parts: JobParts, tenant: Tenant, user: str) -> None:
    """Whether one more of the person's jobs may wait.

    Raises:
        Conflict: too many do.
    """
    if jobs.waiting(work.tx, tenant.id, user) >= parts.settings.waiting_of_person_max:
        raise Conflict(
            f"{parts.settings.waiting_of_person_max} jobs of yours wait already in team {tenant.name!r}; this one was"
            " not submitted. Cancel some, or wait until they are through"
        )
    if jobs.waiting(work.tx, tenant.id) >= parts.settings.waiting_max:
        raise Conflict(
            f"{parts.settings.waiting_max} jobs of team {tenant.name!r} wait already; this one was not submitted."
            " Cancel some, or wait until they are through"
        )


def check_quota(work: Work, tenant: Tenant, row: JobRow) -> None:
    """Whether a job fits where nothing else runs.

    Raises:
        OverQuota: it would never start.
    """
    stays = [each for each in ledger.held_in(work, tenant) if not each.passes]
    short = decide(tenant.quota, stays, row.user, wanted(row))
    if short:
        title = tenant.title or tenant.name
        told = " ".join(refusal.reason(title, each) for each in short)
        values = [each.model_dump(mode="json") for each in short]
        raise OverQuota(f"{told} This job would never start, so it was not submitted.", values, tenant=tenant.name)


def wanted(row: JobRow) -> dict[str, int]:
    """What a job counts for."""
    # Of checkpoints nothing more, but not while they are over: as for the start of a server.
    return {**amounts_of_job(row.profile), "checkpoint_bytes": 0}
