"""What the notebook's server answers below ``{base}hubernate/api/``: to the gate what is at work, to JupyterLab what
the platform says of this server."""

import asyncio
import os

from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from hubernate_core.gate_file import RELAY_PORT

from .gpu import read_use
from .terminals import count_busy

_ASK_S = 10.0


class ActivityHandler(APIHandler):  # type: ignore[misc]
    """``GET`` → ``{"terminals_busy": n, "gpu": share or null}``: what the gate asks once a minute to know whether the
    person's work goes on."""

    def update_api_activity(self) -> None:
        """Leave the server's own ``last_activity`` as it is (jupyter_server/base/handlers.py, 2.18)."""

    @web.authenticated
    async def get(self) -> None:
        """Count the terminals with a child process, and look at the GPUs."""
        manager = self.settings.get("terminal_manager")
        terminals = manager.terminals.values() if manager is not None else ()
        shells = [terminal.ptyproc.pid for terminal in terminals]
        busy, gpu = await asyncio.gather(asyncio.to_thread(count_busy, shells), asyncio.to_thread(read_use))
        self.finish({"terminals_busy": busy, "gpu": gpu})


class RelayHandler(APIHandler):  # type: ignore[misc]
    """Passes one question of JupyterLab's on to the platform: by the gate's relay, which adds the narrow token."""

    def initialize(self, path: str) -> None:
        """`path`: below the relay's ``/api/v1/relay/``."""
        relay = os.environ.get("HUBERNATE_RELAY", f"http://127.0.0.1:{RELAY_PORT}")
        self._url = f"{relay}/api/v1/relay/{path}"

    def update_api_activity(self) -> None:
        """As above: a tab that asks is nobody at work."""

    @web.authenticated
    async def get(self) -> None:
        """The platform's answer."""
        await self._pass_on("GET", None)

    @web.authenticated
    async def post(self) -> None:
        """The platform's answer to the body."""
        await self._pass_on("POST", self.request.body)

    async def _pass_on(self, method: str, body: bytes | None) -> None:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            answer = await AsyncHTTPClient().fetch(
                self._url, method=method, body=body, headers=headers, request_timeout=_ASK_S, raise_error=False
            )
        except (HTTPClientError, OSError) as problem:
            raise web.HTTPError(503, "the platform does not answer; your work goes on") from problem
        self.set_status(answer.code)
        self.finish(answer.body or b"{}")
