"""A server from the outside: what it is once it runs, how it is stopped, how an operation is waited for.

The platform service decides and remembers; the agent saves and removes; the hub's process only asks and waits.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from hubernate_core.errors import Conflict, Unavailable
from hubernate_core.names import OperationId, ServerId
from hubernate_core.operation import Operation, Outcome
from hubernate_core.wire import StopRequest

from .client import ServiceClient
from .progress import Log, tell_operation

_T = TypeVar("_T")
_FOLLOW_S = 20.0

log = logging.getLogger(__name__)


class Probe(Protocol):
    """Whether a server answers at a URL."""

    async def __call__(self, url: str) -> bool: ...


class Running(Protocol):
    """A started server, on any engine: what the platform service is told to stop."""

    @property
    def server_id(self) -> ServerId: ...

    @property
    def generation(self) -> int: ...


async def stop(service: ServiceClient, running: Running, told: Log) -> None:
    """Save and stop the server; returns once it is recorded and it holds nothing of the engine any more.

    Raises:
        HubernateError: it was not stopped: it runs on, with everything in it, and the message says why.
    """
    body = StopRequest(generation=running.generation)
    operation = await patient(lambda: service.stop(running.server_id, body), told)
    operation = await follow(service, operation.id, told)
    if operation.outcome in (Outcome.STOPPED, Outcome.DISCARDED):
        return
    if operation.outcome in (Outcome.KEPT, Outcome.SAVED):
        raise Conflict(
            f"the server was saved but goes on: {operation.reason or 'someone uses it'}", operation=operation.id
        )
    raise Unavailable(f"the server was not stopped and runs on: {operation.reason}", operation=operation.id)


async def follow(service: ServiceClient, operation_id: OperationId, told: Log, prefix: str = "") -> Operation:
    """Wait until an operation is finished, however long the platform service is away, telling how far it is."""
    operation: Operation | None = None
    while operation is None or not operation.finished:
        after, wait_s = (operation.updated_at, _FOLLOW_S) if operation is not None else (None, 0.0)
        seen, asked = operation, time.monotonic()
        operation = await patient(partial(service.operation, operation_id, after, wait_s), told)
        event = tell_operation(operation)
        percent = event.percent // 10 if prefix else event.percent
        if event.failed:
            told.fail(f"{prefix}{event.message}")
        else:
            told.add(f"{prefix}{event.message}", percent, f"{prefix}{event.past}")
        if operation == seen and time.monotonic() - asked < 0.5:
            await asyncio.sleep(0.5)  # a service that answers at once must not make this spin
    return operation


async def patient(
    call: Callable[[], Awaitable[_T]], told: Log, limit_s: float = float("inf"), who: str = "the platform service"
) -> _T:
    """`call`, repeated while the other side is away, for at most `limit_s` seconds."""
    until, pause = time.monotonic() + limit_s, 0.5
    while True:
        try:
            return await call()
        except Unavailable as problem:
            if time.monotonic() + pause > until:
                raise
            log.warning("%s is away; waiting for it", who, extra={"cause": problem.message})
            told.add(f"Waiting for {who}; nothing is lost: {problem.message}", told.percent)
            await asyncio.sleep(problem.retry_after_s or pause)
            pause = min(pause * 2, 10.0)
