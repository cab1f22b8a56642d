"""Random search: one function, many sets of parameters, a job for each.

tries = hubernate.sweep(train, {"rate": hubernate.loguniform(1e-4, 1), "depth": [2, 4, 8]}, n=20)
tries.wait().best("loss").parameters
pandas.DataFrame(tries.table())
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from math import isfinite, nan
from secrets import randbelow
from time import monotonic
from typing import Any

from hubernate_core.errors import Conflict, HubernateError, InvalidInput, Unavailable
from hubernate_core.job_files import CALL_FILE
from hubernate_core.names import new_id

from . import function, space
from .job import Job, page_of, submit_each
from .link import Link, find_place

_MOST = 1000
_PAGE = 500


def sweep(
    what: Callable[..., Any], over: Mapping[str, Any], n: int = 50, seed: int | None = None, **more: Any
) -> "Sweep":
    """Run a function `n` times, as jobs, with parameters drawn at random.

    What a try is judged by, it returns (``return {"loss": loss}``) or says by `hubernate.log_metric`.

    Args:
        over: by parameter: a list to choose from, `uniform`, `loguniform`, `integers`, or a value that all have.
        seed: the same one draws the same parameters. None: another each time; it is the sweep's `seed`.
        more: as in `submit`: ``env``, ``profile``, ``files``, ``outputs``, ``priority``, ….

    Raises:
        InvalidInput, OverQuota, Conflict, NotFound, Unavailable: as `submit`; nothing of the sweep runs, those that
            were submitted before are cancelled.
    """
    if not 1 <= n <= _MOST:
        raise InvalidInput("n", f"{n}: a sweep has 1 to {_MOST} jobs")
    chosen = randbelow(2**32) if seed is None else seed
    drawn = space.draw(over, n, chosen)
    function.check_call(what, (), drawn[0])
    made, group = {CALL_FILE: function.pack_call(what, (), {})}, new_id()
    name = function.name_of(what)
    label = str(more.pop("name", name))
    works = [({"kind": "function", "function": name, "parameters": each}, _label(label, each)) for each in drawn]
    asked = {"env": "current", "group": group, **more}
    link, jobs = Link(find_place("jobs")), list[Job]()
    try:
        for job in submit_each(link, works, asked.pop("files", None), made, asked):
            jobs.append(job)
    except BaseException as problem:
        number = len(jobs) + 1
        with suppress(HubernateError):  # it knows also of one whose answer was lost
            jobs = _of_group(link, group)
        left = len(_cancel(jobs))
        if jobs and isinstance(problem, HubernateError):
            told = f"{left} of its jobs could not be reached and go on" if left else "all of its jobs were cancelled"
            raise Conflict(f"{problem.message}. That was job {number} of {n}; {told} (group {group})") from problem
        raise
    return Sweep(group, jobs, chosen)


class Sweep:
    """The jobs of one sweep, `group` in lists; `seed` draws their parameters again."""

    def __init__(self, group: str, jobs: list[Job], seed: int | None = None) -> None:
        self.group, self.jobs, self.seed = group, jobs, seed

    @classmethod
    def find(cls, group: str) -> "Sweep":
        """A sweep of yours, by its group: after the kernel was restarted.

        Raises:
            InvalidInput: you have none.
        """
        jobs = _of_group(Link(find_place("jobs")), group)
        if not jobs:
            raise InvalidInput("group", f"{group!r}: there are no jobs of yours by this group in this team")
        return cls(group, jobs)

    def wait(self, timeout_s: float | None = None) -> "Sweep":
        """Until all are over, however they end.

        Raises:
            TimeoutError: some are not over after `timeout_s` seconds; they go on.
        """
        until = None if timeout_s is None else monotonic() + timeout_s
        for job in self.jobs:
            job.wait(None if until is None else max(0.0, until - monotonic()))
        return self

    def best(self, metric: str, *, highest: bool = False) -> Job:
        """Of the jobs that succeeded so far, the one whose `metric` ended lowest (or highest).

        Raises:
            InvalidInput: none of them has such a metric.
        """
        known, found = set[str](), list[tuple[float, Job]]()
        for job in self.jobs:
            if job.state == "succeeded":
                ended = _newest(job)
                known |= ended.keys()
                if isfinite(ended.get(metric, nan)):
                    found.append((ended[metric], job))
        if not found:
            there = ", ".join(sorted(known)) or "none"
            raise InvalidInput("metric", f"no job that succeeded has a number called {metric!r}; metrics: {there}")
        return (max if highest else min)(found, key=lambda each: each[0])[1]

    def table(self) -> list[dict[str, Any]]:
        """A row for each job: its id and state, its parameters, and the newest value of each metric."""
        return [{"job": each.id, "state": str(each.state), **each.parameters, **_newest(each)} for each in self.jobs]

    def cancel(self) -> "Sweep":
        """End all that are not over; `wait` until that is so.

        Raises:
            Unavailable: some could not be reached and go on; the others are ended.
        """
        if left := _cancel(self.jobs):
            raise Unavailable(
                f"{len(left)} of {len(self.jobs)} jobs could not be reached and go on, the others are ended; cancel"
                f" again. {left[0].message}"
            )
        return self

    def __repr__(self) -> str:
        return f"<sweep {self.group}, {len(self.jobs)} jobs>"


def _newest(job: Job) -> dict[str, float]:
    return {name: points[-1].value for name, points in job.metrics().items()}


def _of_group(link: Link, group: str) -> list[Job]:
    """Those of a group that the platform has, oldest first."""
    jobs = list[Job]()
    while found := page_of(link, group=group, limit=_PAGE, offset=len(jobs)):
        jobs += found
    return list(reversed(jobs))


def _cancel(jobs: list[Job]) -> list[HubernateError]:
    """End `jobs`; of each that could not be reached, why."""
    left = list[HubernateError]()
    for job in jobs:
        try:
            job.cancel()
        except HubernateError as problem:
            left.append(problem)
    return left


def _label(label: str, parameters: Mapping[str, Any]) -> str:
    told = ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in parameters.items()
    )
    line = "".join(char if char.isprintable() else " " for char in f"{label} {told}")
    return line[:120].strip()
