"""A scripted platform service for the many people of a benchmark: it gives tickets at once and believes what it hears.

It answers in the event loop of the fake API server, so that neither waits for the other's turn of the interpreter.
"""

import secrets
from typing import Any

from aiohttp import web

from hubernate_core import names
from hubernate_core.kubernetes import Placement
from hubernate_core.profile import read_profile
from hubernate_core.server import Server, ServerState, Ticket
from support.fake_kube.server import FakeKube
from support.kube_tenant import IMAGE
from support.tickets import ticket

_SMALL = read_profile({"name": "base", "title": "Base", "image": IMAGE, "resources": {"cpu": "50m", "memory": "64Mi"}})
"""So small that the two nodes hold more than 500 of them."""


class Teams:
    """Serves from its creation to `close`. Each person has one server, in the team before the ``-`` of the name."""

    def __init__(self, kube: FakeKube, instance: str, teams: dict[str, str]) -> None:
        self._kube, self._instance, self._teams = kube, instance, teams
        self._tickets: dict[str, Ticket] = {}
        self.token, self.url = secrets.token_hex(16), ""
        self._runner: web.AppRunner | None = None
        kube.run(self._open())

    def close(self) -> None:
        """Serve no more."""
        if self._runner is not None:
            self._kube.run(self._runner.cleanup())

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_post("/api/v1/hub/servers/start", self._start)
        app.router.add_post("/api/v1/hub/servers/{server}/{verb}", self._heard)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        listener: Any = site._server
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"

    async def _start(self, request: web.Request) -> web.Response:
        team = (await request.json())["user"].partition("-")[0]
        tenant = names.TenantId(self._teams[team])
        given = ticket(
            server_id=names.new_id(),
            generation=1,
            owner_id=names.new_id(),
            tenant_id=tenant,
            image=IMAGE,
            profile=_SMALL,
            service_url=self.url,
            placement=Placement(namespace=names.tenant_namespace(self._instance, tenant), home_size=1024**3),
        )
        self._tickets[given.server_id] = given
        return web.Response(text=given.model_dump_json(), content_type="application/json")

    async def _heard(self, request: web.Request) -> web.Response:
        of = self._tickets[request.match_info["server"]]
        state = ServerState.RUNNING if request.match_info["verb"] == "ready" else ServerState.STARTING
        server = Server(
            id=of.server_id, owner_id=of.owner_id, user="", name="", tenant_id=of.tenant_id, tenant="", profile="base",
            state=state, generation=of.generation,
        )  # fmt: skip
        return web.Response(text=server.model_dump_json(), content_type="application/json")
