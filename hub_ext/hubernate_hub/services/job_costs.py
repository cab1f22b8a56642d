"""What jobs cost: each attempt by what it held, how long, and the prices of those days."""

from collections.abc import Iterable

from hubernate_core import cost
from hubernate_core.job_view import Attempt
from hubernate_core.metering import Span
from hubernate_core.names import JobId

from ..context import Work
from ..store import job_attempts, prices
from ..store.job_attempts import AttemptRow


class Bills:
    """Of some jobs, in two queries however many they are."""

    def __init__(self, work: Work, some: Iterable[JobId]) -> None:
        self._work, self._lists = work, prices.all_lists(work.tx)
        self._rows = job_attempts.of_jobs(work.tx, some)

    @property
    def currency(self) -> str:
        """Of every amount; empty where there are no prices."""
        return self._lists[-1].currency if self._lists else ""

    def attempts(self, job: JobId) -> tuple[Attempt, ...]:
        """Every attempt that ran, with its cost so far."""
        return tuple(
            Attempt(
                attempt=each.attempt,
                started_at=each.started_at,
                ended_at=each.ended_at,
                end=each.end,
                cost=self._cost([each]),
            )
            for each in self._rows.get(job, [])
        )

    def total(self, job: JobId) -> str:
        """The cost of all together, rounded once; empty where there are no prices."""
        return self._cost(self._rows.get(job, []))

    def _cost(self, rows: list[AttemptRow]) -> str:
        if not self._lists:
            return ""
        spans = [
            Span(each.tenant_id, each.user, each.amounts, each.started_at, each.ended_at or self._work.now)
            for each in rows
        ]
        return cost.money(cost.cost(cost.used(spans, self._lists), self._lists))
