"""One attempt at one job, taken up wherever the engine has it: made, followed, ended in time, kept, removed.

Everything here may be cut off and done again: the container's name is the attempt's, its log is moved from where the
kept one ends, outputs are copied anew, and the container goes after the row knows all.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from tempfile import TemporaryFile

from hubernate_core import names
from hubernate_core.errors import HubernateError, NotFound, Unavailable, shorten
from hubernate_core.job import Event, JobState, how_it_ended, timed_out
from hubernate_core.manifests.docker import tenant_network
from hubernate_core.manifests.docker_job import JobContainer, job_container
from hubernate_core.quantity import format_bytes

from ..context import Context, Work
from ..services.job_course import store
from ..store import job_attempts, jobs, tenants
from ..store.jobs import JobRow
from .engine import State
from .files import pack, pack_outputs
from .keeping import before_of, former, keep
from .logs import LogWriter, RawLog, drop, make_raw, size_of
from .measures import Measures
from .outputs import Kept
from .parts import JobParts

FAILURES_MAX = 5
"""Of one attempt that ended, or is to end, before it is given up."""
_LOOK_S = 5.0
_TAIL_S = 0.3
"""Between two looks at a log that did not grow."""
_MEASURE_S = 1.0
"""Between two looks at what a job measured."""
_log = logging.getLogger(__name__)


class Attempt:
    """The attempt that `row`, which counts towards the quota, is at."""

    def __init__(self, context: Context, parts: JobParts, row: JobRow) -> None:
        self._context, self._parts, self._row = context, parts, row
        self._name = names.job_container(context.settings.instance, row.id, row.course.attempt)

    async def run(self) -> None:
        """To the attempt's end. Where the engine or the database is away it stays as it is, for the next round."""
        try:
            await self._run()
        except Unavailable as problem:
            _log.warning("a job has to wait", extra=self._ids | {"error": problem.message})
            await self._give_up(problem.message)
        except HubernateError as problem:
            await self._parts.engine.stop(self._name, grace_s=1)
            await self._end(Event.REFUSED, problem.message)
        except Exception:
            # One job that cannot be understood must not end the loop, nor look as if it were going on.
            _log.exception("a job failed for a reason of ours", extra=self._ids)
            await self._give_up("the platform failed; its log says more")
            raise

    async def _give_up(self, problem: str) -> None:
        """After so many failures, end an attempt of which nothing is to run any more, with what is known of it: it
        would hold its quota for ever. One that runs is left alone, and so is all while the engine is away.
        """
        key = (self._row.id, self._row.course.attempt)
        self._parts.failures[key] += 1
        if self._parts.failures[key] < FAILURES_MAX:
            return
        try:
            stopping = await self._is_to_end()
            if stopping:
                await self._parts.engine.stop(self._name)
            state = await self._parts.engine.state(self._name)
        except NotFound:
            if stopping or self._row.course.state is JobState.RUNNING:
                await self._end(Event.ENDED_BADLY, problem)
        except Unavailable:
            return
        else:
            if state.ended or stopping:
                event, reason = self._judge(state, stopped_by_us=stopping)
                why = f"nothing of the outputs could be kept: {shorten(problem, 300)}"
                kept = await asyncio.to_thread(former, self._parts, self._row, why)
                await self._end(event, reason, state.exit_code, kept)

    async def _run(self) -> None:
        if not await self._is_there():
            return
        stopped = await self._follow()
        state = await self._parts.engine.state(self._name)
        if not state.ended:
            raise Unavailable("the engine said that the job ended, and it runs; it is taken up again")
        kept = await keep(self._parts, self._row, self._name)
        event, reason = self._judge(state, stopped_by_us=stopped)
        await self._end(event, reason, state.exit_code, kept)

    async def _is_there(self) -> bool:
        """Whether its container runs, or ended: made and started where it was not. False: the attempt is over."""
        engine, row = self._parts.engine, self._row
        try:
            status = (await engine.state(self._name)).status
        except NotFound:
            if row.course.state is JobState.RUNNING or row.course.cancelling:
                await self._end(Event.ENDED_BADLY, "its container is gone: somebody removed it from the engine")
                return False
            await self._make()
            status = "created"
        if status == "created":
            if row.course.cancelling:
                await self._end(Event.ENDED_BADLY, "")
                return False
            path = self._parts.files.find(row.tenant_id, row.user, row.request.files)
            with TemporaryFile() as tar:
                await asyncio.to_thread(pack, path, row.request.work, tar)
                await engine.put(self._name, tar)
            if await self._goes_on():
                with TemporaryFile() as tar:
                    await asyncio.to_thread(pack_outputs, before_of(self._parts, self._row), row.request.work, tar)
                    await engine.put(self._name, tar)
            await engine.start(self._name)
        if row.course.state is JobState.STARTING:
            self._row = await self._context.write(_started, row)
            self._tell()
        return True

    async def _goes_on(self) -> bool:
        """Whether the attempt before made room for another job: then its outputs are put back."""
        ran = (await self._context.store.read(job_attempts.of_jobs, [self._row.id])).get(self._row.id, [])
        return any(each.attempt == self._row.course.attempt - 1 and each.end == Event.PREEMPTED for each in ran)

    async def _make(self) -> None:
        engine, row, context = self._parts.engine, self._row, self._context
        drop(self._parts.log_of(row.id, row.course.attempt))
        for earlier in range(1, row.course.attempt - int(await self._goes_on())):
            await asyncio.to_thread(drop, self._parts.outputs_of(row.id, earlier))
        log = self._parts.raw_log_of(row.id, row.course.attempt)
        await asyncio.to_thread(RawLog(log).make)
        measured = self._parts.raw_metrics_of(row.id, row.course.attempt)
        await asyncio.to_thread(make_raw, measured)
        await engine.ensure_image(row.image)
        await engine.ensure_network(tenant_network(context.settings.instance, row.tenant_id))
        home = await context.read(_home, row)
        mirrors = self._parts.mirrors
        spec = JobContainer(
            instance=context.settings.instance,
            job=row.id,
            attempt=row.course.attempt,
            tenant=row.tenant_id,
            image=row.image,
            log=str(log.absolute()),
            metrics=str(measured.absolute()),
            profile=row.profile,
            work=row.request.work,
            home_volume=home if home and await engine.has_volume(home) else "",
            home_read_only=row.request.home != "read-write",
            mirrors=mirrors.env,
            ca_bundle=mirrors.ca_bundle or "",
        )
        await engine.create(job_container(spec))

    async def _follow(self) -> bool:
        """Keep the log until the container ends, or end it: on request, or after its time. Whether it was ended."""
        row = self._row
        raw = RawLog(self._parts.raw_log_of(row.id, row.course.attempt))
        writer = LogWriter(self._parts.log_of(row.id, row.course.attempt), self._parts.settings.log_max_bytes)
        measures = Measures(
            self._parts.raw_metrics_of(row.id, row.course.attempt), self._parts.metrics_of(row.id, row.course.attempt)
        )
        ended, stopping = asyncio.create_task(self._parts.engine.ended(self._name)), False
        try:
            with self._context.bell.listen(f"end:{row.id}") as rung:
                look_at = measure_at = 0.0
                while not ended.done():
                    if time.monotonic() >= measure_at:
                        if await self._measure(measures):
                            self._tell()
                        measure_at = time.monotonic() + _MEASURE_S
                    if not stopping and (rung.is_set() or time.monotonic() >= look_at):
                        rung.clear()
                        stopping = await self._is_to_end()
                        look_at = time.monotonic() + self._patience_s()
                        if stopping:
                            await self._parts.engine.stop(self._name)
                    if await asyncio.to_thread(raw.move, writer):
                        self._tell()
                    else:
                        await asyncio.wait({ended}, timeout=_TAIL_S)
            await ended
            await self._move_rest(lambda: asyncio.to_thread(raw.move, writer))
            await self._move_rest(lambda: self._measure(measures))
        finally:
            ended.cancel()
            writer.close()
        return stopping

    async def _measure(self, measures: Measures) -> bool:
        """Keep what it said of itself since; whether there was anything. That it cannot be kept costs nothing else."""
        try:
            return await asyncio.to_thread(measures.take, self._context.clock())
        except OSError as problem:
            _log.warning("a job's metrics could not be kept", extra=self._ids | {"error": str(problem)})
            return False

    async def _move_rest(self, move: Callable[[], Awaitable[bool]]) -> None:
        """Keep what an ended container left; of one that is to end no more than can be moved in a while."""
        look_at = time.monotonic() + _LOOK_S
        while await move():
            if time.monotonic() >= look_at:
                if await self._is_to_end():
                    return
                look_at = time.monotonic() + _LOOK_S

    def _patience_s(self) -> float:
        started = self._row.course.started_at or self._context.clock()
        left = (started - self._context.clock()).total_seconds() + self._row.request.timeout_s
        return min(_LOOK_S, max(0.05, left))

    async def _is_to_end(self) -> bool:
        present = await self._context.store.read(jobs.get, self._row.id)
        if present is None:
            return True
        self._row = present
        timeout = timedelta(seconds=present.request.timeout_s)
        asked = present.course.cancelling or present.course.preempt_at is not None
        return asked or timed_out(present.course, timeout, self._context.clock())

    def _judge(self, state: State, *, stopped_by_us: bool) -> tuple[Event, str]:
        row = self._row
        timeout = timedelta(seconds=row.request.timeout_s)
        ended = state.finished_at or self._context.clock()
        late = row.course.started_at is not None and ended - row.course.started_at >= timeout - timedelta(seconds=1)
        # A service that was killed in between does not know any more that it ended it: the clock does.
        by_clock = late and (stopped_by_us or state.exit_code in (137, 143)) and not row.course.cancelling
        why = how_it_ended(
            state.exit_code,
            out_of_memory=state.oom_killed,
            memory=format_bytes(row.profile.resources.memory),
            timeout_s=row.request.timeout_s if by_clock else None,
        )
        preempt_at = row.course.preempt_at
        if preempt_at is not None and not by_clock and ended >= preempt_at:
            return Event.PREEMPTED, "it made room for a job of higher priority, and goes on with its outputs so far"
        return (Event.ENDED_BADLY if why else Event.ENDED_WELL), why

    async def _end(self, event: Event, reason: str, exit_code: int | None = None, kept: Kept | None = None) -> None:
        """Write down how it ended; only then the container goes."""
        row = replace(
            self._row,
            exit_code=exit_code,
            outputs=tuple((kept or Kept()).outputs),
            left_out=tuple((kept or Kept()).left_out),
            log_bytes=size_of(self._parts.log_of(self._row.id, self._row.course.attempt)),
        )
        await self._context.write(_ended, row, event, reason)
        self._parts.failures.pop((row.id, row.course.attempt), None)
        await self._parts.engine.remove(self._name)
        RawLog(self._parts.raw_log_of(row.id, row.course.attempt)).remove()
        self._parts.raw_metrics_of(row.id, row.course.attempt).unlink(missing_ok=True)
        _log.info("a job's attempt ended", extra=self._ids | {"event": str(event), "reason": reason})
        self._tell()
        self._context.bell.ring("jobs", "queue")

    def _tell(self) -> None:
        self._context.bell.ring(f"job:{self._row.id}")

    @property
    def _ids(self) -> dict[str, object]:
        return {"job": self._row.id, "attempt": self._row.course.attempt}


def _started(work: Work, row: JobRow) -> JobRow:
    held = jobs.lock(work.tx, row.id)
    if held is None or held.course.attempt != row.course.attempt:
        return held or row
    return store(work, held, Event.STARTED)


def _ended(work: Work, row: JobRow, event: Event, reason: str) -> None:
    held = jobs.lock(work.tx, row.id)
    if held is None or held.course.attempt != row.course.attempt or not held.course.state.holds:
        return
    found = {"exit_code": row.exit_code, "log_bytes": row.log_bytes, "outputs": row.outputs, "left_out": row.left_out}
    store(work, replace(held, **found), event, reason)  # type: ignore[arg-type]


def _home(work: Work, row: JobRow) -> str:
    owner = None if row.request.home == "none" else tenants.find_owner(work.tx, row.user, row.tenant_id)
    return "" if owner is None else names.home_volume(work.context.settings.instance, owner.id)
