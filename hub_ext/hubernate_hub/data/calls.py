"""Calls of sources: through the breaker, by a worker process, within a deadline. Whoever hangs is killed.

What a worker says becomes one of our errors here; a reader that leaves, a source that stalls and a process that dies
all end with the process gone and the next call served by another.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from hubernate_core.errors import Conflict, HubernateError, InvalidInput, NotAllowed, NotFound, Unavailable
from hubernate_core.source import Source

from .breaker import Breaker, State
from .config import DataGateway
from .frames import ABORT, CHUNK, DATA, END, ERROR, HEAD, Gone
from .pool import Pool
from .process import Process

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """A source that somebody may use, with what opens it."""

    source: Source
    credential: dict[str, str] = field(repr=False)

    @property
    def key(self) -> str:
        """Of its processes: a new credential gets new ones."""
        return f"{self.source.id}.{self.source.version}"


class Stream:
    """An answer that comes in pieces. `aclose` ends it wherever it is."""

    def __init__(self, lease: "_Lease", head: dict[str, Any]) -> None:
        self._lease, self.head = lease, head
        self.sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (part := await self._lease.next()) is not None:
            self.sent += len(part)
            with self._lease.watching():
                yield part

    async def aclose(self) -> None:
        """Give the process back; it is killed if it is not at the end."""
        self._lease.close()


class Calls:
    """The one way to a source."""

    def __init__(self, settings: DataGateway, pool: Pool | None = None) -> None:
        self._settings = settings
        self._pool = pool or Pool(settings)
        self._breakers: dict[str, Breaker] = {}

    def state(self, source: Source) -> tuple[State, str]:
        """How the source's breaker stands, and why."""
        breaker = self._breaker(source)
        return breaker.state(time.monotonic()), breaker.reason

    def forget(self, source: Source) -> None:
        """Its place or credential changed: what was known of it is not true any more."""
        self._breakers.pop(source.id, None)
        self._pool.drop(f"{source.id}.")

    async def ask(self, opened: Opened, verb: str, **arguments: Any) -> dict[str, Any]:
        """A call whose whole answer is its head.

        Raises:
            NotFound, NotAllowed, InvalidInput, Conflict: what the source said.  Unavailable: it did not answer in time.
        """
        stream = await self.stream(opened, verb, **arguments)
        try:
            async for _ in stream:
                pass
        finally:
            await stream.aclose()
        return stream.head

    async def stream(self, opened: Opened, verb: str, **arguments: Any) -> Stream:
        """A call whose answer comes in pieces; the caller closes it. Raises as `ask`, also while it is read."""
        lease = await self._lease(opened)
        try:
            await lease.process.call(self._asked(opened, verb, arguments))
            return Stream(lease, await lease.head(self._settings.deadline_s))
        except BaseException as problem:  # noqa: BLE001  raised again, the process given back
            lease.fail(problem)

    async def upload(self, opened: Opened, content: AsyncIterator[bytes], **arguments: Any) -> dict[str, Any]:
        """Write `content`, all of it or nothing. Raises as `ask`, and whatever `content` does."""
        lease = await self._lease(opened)
        try:
            await lease.process.call(self._asked(opened, "write", arguments))
            try:
                async for part in self._in_time(content):
                    async with asyncio.timeout(self._settings.stall_s):
                        for at in range(0, len(part), CHUNK):
                            await lease.process.send(DATA, part[at : at + CHUNK])
            except BaseException:
                await lease.abort()
                raise
            await lease.process.send(END)
            head = await lease.head(self._settings.stall_s + self._settings.deadline_s)
            await lease.next()
            lease.close()
            return head
        except BaseException as problem:  # noqa: BLE001  raised again, the process given back
            lease.fail(problem)

    async def _in_time(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        parts, stall_s = aiter(content), self._settings.stall_s
        while True:
            try:
                async with asyncio.timeout(stall_s):
                    part = await anext(parts, None)
            except TimeoutError as problem:
                told = (
                    f"nothing came for {stall_s:.0f} s, so the upload was ended and nothing was changed; send it again"
                )
                raise InvalidInput("body", told) from problem
            if part is None:
                return
            yield part

    async def close(self) -> None:
        """End every process."""
        await self._pool.close()

    def _asked(self, opened: Opened, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
        settings, timeout_s = self._settings, max(1, int(self._settings.deadline_s) - 2)
        return {
            "verb": verb,
            "place": opened.source.place.model_dump(mode="json"),
            "credential": opened.credential,
            "folders": {name: str(Path(path)) for name, path in settings.folders.items()},
            "openings": list(settings.open_networks),
            "memory": settings.memory_bytes,
            "ca_file": settings.ca_file,
            "arguments": {"timeout_s": timeout_s} | arguments,
        }

    def _breaker(self, source: Source) -> Breaker:
        found = self._breakers.get(source.id)
        if found is None:
            made = Breaker(self._settings.failures_to_open, self._settings.open_for_s)
            found = self._breakers[source.id] = made
        return found

    async def _lease(self, opened: Opened) -> "_Lease":
        breaker, now = self._breaker(opened.source), time.monotonic()
        if not breaker.may_call(now):
            raise Unavailable(
                f"the source {opened.source.name!r} did not answer lately ({breaker.reason}) and is left alone for a"
                " moment; other sources go on",
                retry_after_s=breaker.wait_s(now),
            )
        try:
            process = await self._pool.take(opened.key, opened.source.tenant_id)
        except BaseException:
            breaker.gave_up()
            raise
        return _Lease(self, opened, process, breaker)

    def returned(self, opened: Opened, process: Process, *, healthy: bool) -> None:
        """A lease ended."""
        self._pool.give_back(opened.key, process, healthy=healthy)

    @property
    def stall_s(self) -> float:
        """Seconds without a byte after which a transfer ends."""
        return float(self._settings.stall_s)


class _Lease:
    """One process at one call."""

    def __init__(self, calls: Calls, opened: Opened, process: Process, breaker: Breaker) -> None:
        self._calls, self._opened, self.process, self._breaker = calls, opened, process, breaker
        self._done = False
        self._at_end = False

    async def head(self, within_s: float) -> dict[str, Any]:
        """The answer's head; the source answered, so the breaker closes."""
        try:
            async with asyncio.timeout(within_s):
                kind, content = await self.process.receive_json()
        except TimeoutError as problem:
            raise Unavailable(
                f"the source {self._opened.source.name!r} did not answer within {within_s:.0f} s; the call was ended",
                retry_after_s=5,
            ) from problem
        if kind == ERROR:
            self._at_end = True
            raise self._error(content)
        if kind != HEAD:
            raise Gone("an answer without a head")
        self._breaker.succeeded()
        head: dict[str, Any] = content
        return head

    async def next(self) -> bytes | None:
        """The next piece; None at the end."""
        try:
            async with asyncio.timeout(self._calls.stall_s):
                kind, content = await self.process.receive()
        except (TimeoutError, Gone) as problem:
            self.fail(problem)
        if kind == DATA:
            return content
        self._at_end = True
        if kind == ERROR:
            self.fail(self._error(json.loads(content)))
        self.close()
        return None

    def watching(self) -> "_Watch":
        """While the reader has a piece: if it does not come back, the process is not kept for it."""
        return _Watch(self.process, self._calls.stall_s)

    async def abort(self) -> None:
        """Take an upload back, and give the process a moment to clean up."""
        try:
            async with asyncio.timeout(5):
                await self.process.send(ABORT)
                await self.process.receive()
            self._at_end = True
        except (TimeoutError, Gone):
            _log.warning("an upload was not cleaned up", extra={"source": self._opened.source.id})

    def close(self) -> None:
        """Once, however often it is called."""
        if not self._done:
            self._done = True
            self._breaker.gave_up()
            self._calls.returned(self._opened, self.process, healthy=self._at_end)

    def fail(self, problem: BaseException) -> NoReturn:
        """Close and raise `problem` as one of ours."""
        name = self._opened.source.name
        if isinstance(problem, Gone):
            problem = Unavailable(f"the process that read the source {name!r} ended (memory?); try again with less")
        elif isinstance(problem, TimeoutError):
            problem = Unavailable(f"the source {name!r} sent nothing for {self._calls.stall_s:.0f} s; it was given up")
        if isinstance(problem, Unavailable) and not self._done:
            self._breaker.failed(time.monotonic(), problem.message)
        elif isinstance(problem, HubernateError):
            self._breaker.succeeded()
        self.close()
        raise problem

    def _error(self, told: dict[str, str]) -> HubernateError:
        name, message = self._opened.source.name, told["message"]
        match told["kind"]:
            case "not_found":
                return NotFound(f"{name}: {message}")
            case "refused":
                return NotAllowed(f"{name}: {message}")
            case "changed":
                return Conflict(f"{name}: {message}")
            case "invalid" | "large" | "range":
                return InvalidInput(name, message)
        return Unavailable(f"{name}: {message}", retry_after_s=5)


class _Watch:
    """Kills a process when its reader has not come back in time."""

    def __init__(self, process: Process, after_s: float) -> None:
        self._process, self._after_s = process, after_s
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._after_s, self._process.kill)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
