"""Loops: each does its round, sleeps, and goes on whatever happened. None of them waits for another."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hubernate_core.errors import HubernateError

from .. import bell
from ..context import Context
from .culling import cull
from .departures import remove_what_is_left
from .events import Telling
from .hub_sync import HubSync
from .jobs import JobRounds
from .metering import Metering
from .notices import NoticeRounds
from .pods import Removals
from .queue import Queue
from .schedules import ScheduleRounds
from .servers import Servers
from .spaces import provision
from .takeup import TakeUp

_CALM_S = 0.1
"""Between two rounds that were both rung for: a storm of changes is one change."""
_SPACES_AGAIN_S = 15.0
_COUNTS_S = 10.0
_log = logging.getLogger(__name__)


def start_loops(context: Context) -> list[asyncio.Task[None]]:
    """Begin every loop; cancel the tasks to end them."""
    settings = context.settings
    servers, hub, queue = Servers(context), HubSync(context), Queue(context)

    async def culling() -> None:
        await cull(context)

    async def departures() -> None:
        await remove_what_is_left(context)

    async def counting() -> None:
        await context.data.flush(context.store)

    return [
        *_on_kubernetes(context),
        *_jobs(context),
        _start(context, "servers", _Pace(settings.reconcile_every_s), servers.round),
        _start(context, "hub", _Pace(settings.hub_every_s), hub.round),
        _start(context, "queue", _Pace(settings.reconcile_every_s, topics=("queue", "tenants", "pods")), queue.round),
        _start(context, "take-up", _Pace(settings.reconcile_every_s), TakeUp(context).round),
        _start(context, "culling", _Pace(settings.cull_every_s), culling),
        _start(context, "reads", _Pace(_COUNTS_S), counting),
        _start(context, "departures", _Pace(_COUNTS_S, topics=("tenants",)), departures),
        _start(context, "metering", _Pace(60), Metering(context).round),
        _start(context, "housekeeping", _Pace(60), servers.housekeeping),
    ]


def _jobs(context: Context) -> list[asyncio.Task[None]]:
    if context.jobs is None:
        return []
    pace = _Pace(context.settings.reconcile_every_s, topics=("jobs", "tenants"))
    every = context.settings.reconcile_every_s
    return [
        _start(context, "jobs", pace, JobRounds(context, context.jobs).round),
        _start(context, "schedules", _Pace(every, topics=("schedules",)), ScheduleRounds(context, context.jobs).round),
        _start(context, "notices", _Pace(every, topics=("notices",)), NoticeRounds(context, context.jobs).round),
    ]


def _on_kubernetes(context: Context) -> list[asyncio.Task[None]]:
    kube = context.kube
    if kube is None:
        return []
    removals, telling = Removals(context, kube), Telling(context, kube)

    async def spaces() -> None:
        await provision(context, kube)

    # Woken by what the service itself is to do (an operation of no node) and by whatever becomes of a pod.
    on_pods = _Pace(context.settings.reconcile_every_s, topics=("node:", "pods"))
    on_tenants = _Pace(kube.settings.tenants_every_s, after_failure_s=_SPACES_AGAIN_S, topics=("tenants",))
    return [
        *kube.start(),
        _start(context, "spaces", on_tenants, spaces),
        _start(context, "pods", on_pods, removals.round),
        _start(context, "events", _Pace(context.settings.reconcile_every_s), telling.round),
    ]


@dataclass(frozen=True)
class _Pace:
    """Seconds between two rounds, and after one that failed; and the topics that begin one at once."""

    every_s: float
    after_failure_s: float | None = None
    topics: tuple[str, ...] = ()


def _start(context: Context, name: str, pace: _Pace, once: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    async def failed_once() -> bool:
        try:
            await once()
        except HubernateError as problem:
            context.metrics.loop_failures.labels(name).inc()
            _log.warning("round failed, the next one tries again", extra={"loop": name, "error": problem.message})
        except Exception:  # noqa: BLE001  one bad row must not end the loop that saves all others
            context.metrics.loop_failures.labels(name).inc()
            _log.exception("round failed, the next one tries again", extra={"loop": name})
        else:
            return False
        return True

    async def forever() -> None:
        while True:
            with context.bell.listen(*pace.topics) as rung:
                failed = await failed_once()
                wait_s = pace.every_s if not failed or pace.after_failure_s is None else pace.after_failure_s
                if await bell.wait(rung, wait_s):
                    await asyncio.sleep(_CALM_S)

    return asyncio.create_task(forever(), name=f"loop {name}")
