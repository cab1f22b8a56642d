"""Which jobs of a tenant, and of the platform, start next. The rules are those of starts (`queue`, `turns`), which come
first: somebody sits before each of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .job import Priority
from .names import JobId
from .queue import Standing, Wait, settle, why_not
from .quota import Books, Holding, Quota
from .turns import Waiting, in_turn


@dataclass(frozen=True)
class QueuedJob:
    """One job that could start. `wait`: as the queue of starts has it; its id is the job's."""

    wait: Wait
    priority: Priority

    @property
    def id(self) -> JobId:
        """The job's id."""
        return JobId(self.wait.id)


@dataclass(frozen=True)
class JobPlace:
    """Where a queued job stands in its tenant, from 1; `why` it does not start, empty if it may. `holds_up`: what it
    wants is kept for it.
    """

    id: JobId
    position: int
    of: int
    why: str = ""
    holds_up: bool = False


def line(
    title: str, quota: Quota, held: Iterable[Holding], starts: Iterable[Wait], jobs: Sequence[QueuedJob]
) -> list[JobPlace]:
    """Where each of a tenant's queued jobs stands: higher priorities first, then people in turn.

    What starts and earlier jobs want is kept for them, so that a large one comes to its turn; a later one may start
    before only where both would fit. One that waits for its person's own limit holds up nobody.

    Args:
        title: the tenant's, for the sentence.
        starts: starts of servers that wait in the tenant.
    """
    taken = list(held := tuple(held))
    used = Books(held)
    taken += [_kept(each) for each in settle(quota, held, starts) if _holds_up(each)]
    found: list[JobPlace] = []
    for priority in Priority:
        same = [each.wait for each in jobs if each.priority is priority]
        for standing in settle(quota, tuple(taken), same, counts="jobs"):
            # What is kept for others is not used: the person is told of what runs.
            short = used.decide(quota, standing.wait.user, standing.wait.wanted)
            why = "" if standing.fits else why_not(title, replace(standing, short=short))
            holds_up = _holds_up(standing)
            found.append(JobPlace(JobId(standing.wait.id), len(found) + 1, len(jobs), why, holds_up))
            if holds_up:
                taken.append(_kept(standing))
    return found


def _kept(standing: Standing) -> Holding:
    return Holding(standing.wait.user, standing.wait.wanted)


def _holds_up(standing: Standing) -> bool:
    """Whether what it wants is kept for it, by the same rule as in `settle`."""
    own_limit = any(each.scope == "user" for each in standing.short)
    return standing.wait.here and not own_limit and not standing.in_vain


def next_jobs(ready: Mapping[str, Sequence[JobId]], running: Mapping[str, int], at_once: int) -> list[JobId]:
    """The jobs that start now: tenants in turn, those with few running first, at most `at_once` on the platform.

    Args:
        ready: by tenant, those that fit its quota, in line.
        running: by tenant, how many run.
    """
    waiting = [Waiting(job, tenant) for tenant, jobs in ready.items() for job in jobs]
    return in_turn(waiting, running)[: max(0, at_once - sum(running.values()))]
