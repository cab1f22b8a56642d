"""What the notebook's server answers below ``{base}hubernate/api/``: to the gate what is at work, to JupyterLab what
the platform says of this server."""

import asyncio

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from .gpu import read_use
from .relay import ask
from .terminals import count_busy

_ASK_S = 10.0


class ActivityHandler(APIHandler):  # type: ignore[misc]
    """``GET`` → ``{"terminals_busy": n, "gpu": share or null}``: what the gate asks once a minute to know whether the
    person's work goes on."""

    auth_resource = "hubernate"

    def update_api_activity(self) -> None:
        """Leave the server's own ``last_activity`` as it is (jupyter_server/base/handlers.py, 2.18)."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Count the terminals with a child process, and look at the GPUs."""
        manager = self.settings.get("terminal_manager")
        terminals = manager.terminals.values() if manager is not None else ()
        shells = [terminal.ptyproc.pid for terminal in terminals]
        busy, gpu = await asyncio.gather(asyncio.to_thread(count_busy, shells), asyncio.to_thread(read_use))
        self.finish({"terminals_busy": busy, "gpu": gpu})


class RelayHandler(APIHandler):  # type: ignore[misc]
    """Passes one question of JupyterLab's on to the platform: by the gate's relay, which adds the narrow token."""

    auth_resource = "hubernate"

    def initialize(self, path: str) -> None:
        """`path`: below the relay's ``/api/v1/relay/``."""
        self._path = path

    def update_api_activity(self) -> None:
        """As above: a tab that asks is nobody at work."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """The platform's answer."""
        await self._pass_on("GET", None)

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def post(self) -> None:
        """The platform's answer to the body."""
        await self._pass_on("POST", self.request.body)

    async def _pass_on(self, method: str, body: bytes | None) -> None:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        answer = await ask(method, self._path, body=body, headers=headers, request_timeout=_ASK_S)
        self.set_status(answer.code)
        self.finish(answer.body or b"{}")
