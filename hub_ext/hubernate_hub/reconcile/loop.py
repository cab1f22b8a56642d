"""Loops: each does its round, sleeps, and goes on whatever happened. None of them waits for another."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hubernate_core.errors import HubernateError

from ..context import Context
from .culling import cull
from .hub_sync import HubSync
from .servers import Servers

_log = logging.getLogger(__name__)


def start_loops(context: Context) -> list[asyncio.Task[None]]:
    """Begin every loop; cancel the tasks to end them."""
    settings = context.settings
    servers, hub = Servers(context), HubSync(context)

    async def culling() -> None:
        await cull(context)

    return [
        _start(context, "servers", settings.reconcile_every_s, servers.round),
        _start(context, "hub", settings.hub_every_s, hub.round),
        _start(context, "culling", settings.cull_every_s, culling),
        _start(context, "housekeeping", 60, servers.housekeeping),
    ]


def _start(context: Context, name: str, every_s: float, once: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    async def forever() -> None:
        while True:
            try:
                await once()
            except HubernateError as problem:
                context.metrics.loop_failures.labels(name).inc()
                _log.warning("round failed, the next one tries again", extra={"loop": name, "error": problem.message})
            except Exception:  # noqa: BLE001  one bad row must not end the loop that saves all others
                context.metrics.loop_failures.labels(name).inc()
                _log.exception("round failed, the next one tries again", extra={"loop": name})
            await asyncio.sleep(every_s)

    return asyncio.create_task(forever(), name=f"loop {name}")
