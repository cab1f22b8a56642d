"""The rounds of jobs: environments that were saved, who starts, and attempts taken up wherever the engine has them."""

import asyncio
import logging
import time
from datetime import timedelta

from hubernate_core.errors import HubernateError, Unavailable
from hubernate_core.job import JobState

from ..apart import apart
from ..context import Context
from ..jobs.attempt import Attempt
from ..jobs.logs import drop
from ..jobs.parts import JobParts
from ..services import job_course, job_line
from ..services import jobs as use_cases
from ..store import job_attempts, jobs, schedules
from ..store.jobs import JobRow
from .leavers import is_out

_SWEEP_S = 60.0
_log = logging.getLogger(__name__)


class JobRounds:
    """Tasks live in this process (`JobParts.attempts`), everything else in the database and on the engine."""

    def __init__(self, context: Context, parts: JobParts) -> None:
        self._context, self._parts = context, parts

    async def round(self) -> None:
        """Take up what is going, then start what may start."""
        context, parts = self._context, self._parts
        rows = await context.store.read(jobs.going)
        parts.attempts = {job: task for job, task in parts.attempts.items() if not task.done()}
        if time.monotonic() - parts.swept_at >= _SWEEP_S:
            await self._sweep(rows)
            parts.swept_at = time.monotonic()
        self._take_up(rows)
        for row in rows:
            if row.course.state is JobState.QUEUED and not row.image:
                await self._take_environment(row)
        looked = await context.read(job_line.look, parts.settings.at_once)
        moved = {job for job, place in looked.places.items() if parts.places.get(job) != place}
        parts.places = looked.places
        context.bell.ring(*(f"job:{job}" for job in moved))
        for job, why in looked.broken.items():
            with apart(context.metrics, "jobs", "job after another not ended", job=job):
                await context.write(job_course.refuse, job, why)
                context.bell.ring(f"job:{job}", "jobs")  # others may have waited for it in turn
        for job, needy in looked.make_room.items():
            with apart(context.metrics, "jobs", "job did not make room", job=job):
                if await context.write(job_course.make_room, job, needy):
                    context.bell.ring(f"job:{job}", f"end:{job}")
        going = {row.id: row for row in rows}
        for job in looked.go:
            if job not in going:
                continue  # asked for after the rows were read: the next round, which it has rung for, starts it
            with apart(context.metrics, "jobs", "job not started", job=job):
                await self._start(going[job])

    async def _start(self, row: JobRow) -> None:
        """Start a job whose turn it is, or end it if its person left the team while it waited (B32)."""
        context = self._context
        if await self._left(row):
            why = f"{row.user} is no longer in the team; it was not started"
            await context.write(job_course.refuse, row.id, why)
        else:
            admitted = await context.write(use_cases.admit, row.id)
            if admitted is None:
                return
            self._take_up([admitted])
        context.bell.ring(f"job:{row.id}")

    async def _left(self, row: JobRow) -> bool:
        try:
            return await is_out(self._context, row)
        except Unavailable as problem:  # the hub is away: nothing is concluded, and jobs go on without it
            _log.info("not known whether a job's person left", extra={"job": row.id, "error": problem.message})
            return False

    def _take_up(self, rows: list[JobRow]) -> None:
        for row in rows:
            if row.course.state.holds and row.id not in self._parts.attempts:
                attempt = Attempt(self._context, self._parts, row)
                task = asyncio.create_task(attempt.run(), name=f"job {row.id}")
                task.add_done_callback(lambda done: done.cancelled() or done.exception())  # it was logged
                self._parts.attempts[row.id] = task

    async def _take_environment(self, row: JobRow) -> None:
        try:
            self._context.bell.ring(*await self._context.write(use_cases.take_environment, row.id))
        except HubernateError as problem:
            _log.error("a job's environment is not usable", extra={"job": row.id, "error": problem.message})

    async def _sweep(self, rows: list[JobRow]) -> None:
        """Remove containers of attempts that the database knows to be over; forget jobs, and files, of long ago."""
        context, parts = self._context, self._parts
        present = {(row.id, row.course.attempt) for row in rows if row.course.state.holds}
        found = await parts.engine.attempts(context.settings.instance)
        old = [each for each in found if (each.job, each.attempt) not in present and each.job not in parts.attempts]
        known = await context.store.read(jobs.known, {each.job for each in old})
        for each in old:
            if each.job in known:
                await parts.engine.remove(each.container)
            else:
                _log.warning("a container of a job that this database does not know was left alone", extra=vars(each))
        await context.store.write(jobs.forget_before, context.clock() - timedelta(days=parts.settings.keep_days))
        await context.store.write(job_attempts.forget)
        kept = await asyncio.to_thread(parts.kept)
        for job in kept - await context.store.read(jobs.known, kept):
            await asyncio.to_thread(drop, parts.folder_of(job))
        used = await context.store.read(lambda tx: jobs.files_of(tx) | schedules.files_of(tx))
        await asyncio.to_thread(parts.files.forget_unused, used)
