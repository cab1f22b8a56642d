"""The gate's process: its two listeners and its signals. `main` is the command.

SIGHUP reads the file again and exchanges everything that hangs on it, at once, for all requests from then on; logins
and open connections stay, and every login is checked with the hub anew. On Kubernetes, where nobody sends signals into
a pod, the file is a link into a Secret's volume: leading elsewhere does the same. SIGTERM stops within seconds.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

from hubernate_core.errors import HubernateError, NotFound, Unavailable

from .activity import Activity
from .config import GATE_FILE, Gate, GateSettings, address, load_settings, tuning
from .door import Door
from .forward import Upstream
from .log import set_up
from .pages import say
from .relay import Relay
from .report import Reporter
from .sessions import Sessions
from .target import Refused

log = logging.getLogger(__name__)
FIELD_MAX = 32768
"""Bytes of one request header: browsers send all cookies of a host name in one."""
_SHUTDOWN_S = 3.0
_LOOK_EVERY_S = 1.0


class App:
    """One gate, from `start` to `stop`."""

    def __init__(self, settings: GateSettings, gate: Gate) -> None:
        self._settings = settings
        self._gate = gate
        self._sessions = Sessions(gate.sessions)
        self._activity = Activity()
        self._listeners: list[tuple[Server, asyncio.Server]] = []
        self._reports: asyncio.Task[None] | None = None
        self.ports: list[int] = []
        """The ports listened on: the gate's, then the relay's."""

    async def start(self) -> None:
        """Listen. The gate comes first and the notebook after it, so that nobody can take its port."""
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        self._wire(self._settings, self._gate)
        await self._listen(self._settings.listen, self._at_door)
        if self._settings.relay_listen:
            await self._listen(self._settings.relay_listen, self._at_relay)
        log.info("listening", extra={"ports": self.ports})

    async def stop(self) -> None:
        """Close what is open, within seconds."""
        if self._reports is not None:
            self._reports.cancel()
        for server, listener in self._listeners:
            listener.close()
            server.pre_shutdown()
        await asyncio.gather(*(server.shutdown(_SHUTDOWN_S) for server, _ in self._listeners))
        await self._client.close()

    def reload(self, path: Path) -> None:
        """Read the file again; a bad one changes nothing."""
        try:
            settings = load_settings(path)
            gate = tuning(settings)
        except HubernateError as error:
            log.error("the new settings are refused, the old ones stay", extra={"error": error.message})
            return
        if (settings.listen, settings.relay_listen) != (self._settings.listen, self._settings.relay_listen):
            log.warning("other listening addresses need a new gate; the old ones stay")
        self._wire(settings, gate)
        self._sessions.doubt_all()
        log.info("settings read again", extra={"generation": settings.generation})

    def _wire(self, settings: GateSettings, gate: Gate) -> None:
        self._settings, self._gate = settings, gate
        self._sessions.limit = gate.sessions
        self._activity.follow(gate)
        self._door = Door(settings, gate, self._client, self._sessions, self._activity)
        service = Upstream(self._client, settings.service_url, "platform service", gate.connect_s)
        self._relay = Relay(service, settings.relay_token)
        if self._reports is not None:
            self._reports.cancel()
        reporter = Reporter(self._client, settings, gate, self._door.hub, self._activity)
        self._reports = asyncio.create_task(reporter.run())

    async def _at_door(self, request: BaseRequest) -> StreamResponse:
        return await self._door.handle(request)

    async def _at_relay(self, request: BaseRequest) -> StreamResponse:
        try:
            return await self._relay.handle(request)
        except Refused as error:
            return say(request, 404, error.reason)
        except HubernateError as error:
            return say(request, 404 if isinstance(error, NotFound) else 503, error.message)

    async def _listen(self, where: str, handler: Any) -> None:
        server = Server(
            handler,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            max_line_size=FIELD_MAX,
            max_field_size=FIELD_MAX,
        )
        try:
            listener = await asyncio.get_running_loop().create_server(server, *address(where, "listen"))
        except OSError as error:
            raise Unavailable(f"cannot listen on {where} ({type(error).__name__}); is another gate there?") from error
        self._listeners.append((server, listener))
        self.ports.append(listener.sockets[0].getsockname()[1])


async def _run(path: Path) -> None:
    settings = load_settings(path)
    gate = tuning(settings)
    set_up(gate.log_level, server=settings.server_id, generation=settings.generation)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_report_stray)
    app = App(settings, gate)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, app.reload, path)
    await app.start()
    following = asyncio.create_task(_follow(path, app.reload)) if _leads_to(path) else None
    await stop.wait()
    if following is not None:
        following.cancel()
    await app.stop()


async def _follow(path: Path, changed: Callable[[Path], None]) -> None:
    """Call `changed` whenever the link leads to another file. The kubelet exchanges a volume's content in one step."""
    led = _leads_to(path)
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        leads = _leads_to(path)
        if leads and leads != led:
            led = leads
            changed(path)


def _leads_to(path: Path) -> str:
    """Where a link ends; empty if it is no link, or nothing is there."""
    return str(path.resolve()) if path.is_symlink() and path.exists() else ""


def _report_stray(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """asyncio's own report quotes the exception's text, in which a client's bytes may stand."""
    log.error("an error nobody waited for", exc_info=context.get("exception"))


def main() -> None:
    """Run the gate that the file named by ``HUBERNATE_GATE_CONFIG`` describes. Exit status 2: the file is wrong."""
    set_up("INFO")
    try:
        asyncio.run(_run(Path(os.environ.get("HUBERNATE_GATE_CONFIG", GATE_FILE))))
    except HubernateError as error:
        log.error("the gate does not start", extra={"error": error.message})
        sys.exit(2)


if __name__ == "__main__":
    main()
