"""``{base}hubernate/api/activity``: what the gate asks once a minute to know whether the person's work goes on."""

import asyncio

from jupyter_server.base.handlers import APIHandler
from tornado import web

from .terminals import count_busy


class ActivityHandler(APIHandler):  # type: ignore[misc]
    """``GET`` → ``{"terminals_busy": n}``."""

    def update_api_activity(self) -> None:
        """Leave the server's own ``last_activity`` as it is (jupyter_server/base/handlers.py, 2.18)."""

    @web.authenticated
    async def get(self) -> None:
        """Count the terminals with a child process."""
        manager = self.settings.get("terminal_manager")
        terminals = manager.terminals.values() if manager is not None else ()
        shells = [terminal.ptyproc.pid for terminal in terminals]
        self.finish({"terminals_busy": await asyncio.to_thread(count_busy, shells)})
