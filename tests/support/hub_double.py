"""A stand-in for the hub and the platform service, for the gate's tests: OAuth with PKCE as strict as the real one's.

What it claims about JupyterHub is checked against the real one in tests/gate/test_with_jupyterhub.py.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

VERSION = "6.1.1"
CLIENT_ID = "jupyterhub-user-ada"
HUB_TOKEN = "canary-hub-token-0123456789abcdef"
RELAY_TOKEN = "canary-relay-token-0123456789abcdef"
ACCESS = "access:servers!server=ada/"


@dataclass
class HubDouble:
    """`people` may log in, with the scopes their tokens get; `tokens` are good now; the lists: what gates told it."""

    people: dict[str, list[str]] = field(default_factory=lambda: {"ada": [ACCESS], "eve": ["access:servers!user=eve"]})
    tokens: dict[str, str] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    activity: list[dict[str, Any]] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    visits: list[dict[str, Any]] = field(default_factory=list)
    takes_visits: bool = True
    relayed: list[dict[str, Any]] = field(default_factory=list)
    lookups: int = 0
    broken: bool = False
    callback_path: str = "/user/ada/oauth_callback"
    url: str = ""

    def make_token(self, name: str) -> str:
        """A token of that person's, good until `revoke`."""
        token = f"canary-user-token-{secrets.token_hex(8)}"
        self.tokens[token] = name
        return token

    def revoke(self) -> None:
        """Take back every token."""
        self.tokens.clear()

    def authorize(self, name: str, query: dict[str, str]) -> str:
        """What the authorize page redirects `name`'s browser to.

        Raises:
            PermissionError: the hub shows 403 instead.
        """
        assert query["client_id"] == CLIENT_ID and query["response_type"] == "code", query
        assert query["redirect_uri"] == self.callback_path and query["code_challenge_method"] == "S256", query
        if ACCESS not in self.people[name]:
            raise PermissionError(name)
        code = f"canary-code-{secrets.token_hex(8)}"
        self.codes[code] = (name, query["code_challenge"])
        return f"{self.callback_path}?{urlencode({'code': code, 'state': query['state']})}"

    def app(self) -> web.Application:
        """The HTTP side: hub under /hub/api, platform service under /services/hubernate."""
        app = web.Application(middlewares=[self._stamp])
        app.router.add_post("/hub/api/oauth2/token", self._exchange)
        app.router.add_get("/hub/api/user", self._user)
        app.router.add_post("/hub/api/users/{name}/activity", self._activity)
        app.router.add_get("/hub/api/", self._version)
        app.router.add_post("/services/hubernate/api/v1/gate/activity", self._report)
        app.router.add_post("/services/hubernate/api/v1/gate/visits", self._visit)
        app.router.add_route("*", "/services/hubernate/api/v1/relay/{rest:.*}", self._relay)
        app.router.add_route("*", "/services/hubernate/{rest:.*}", self._outside)
        return app

    @web.middleware
    async def _stamp(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.broken and request.path.startswith("/hub/"):
            return web.json_response({"message": "down"}, status=503)
        response: web.StreamResponse = await handler(request)
        response.headers["X-JupyterHub-Version"] = VERSION
        return response

    async def _exchange(self, request: web.Request) -> web.Response:
        form = await request.post()
        name, challenge = self.codes.pop(str(form.get("code")), ("", ""))
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        good = (
            name
            and form["client_id"] == CLIENT_ID
            and form["client_secret"] == HUB_TOKEN
            and form["grant_type"] == "authorization_code"
            and form["redirect_uri"] == self.callback_path
            and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        )
        if not good:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": self.make_token(name), "token_type": "Bearer"})

    async def _user(self, request: web.Request) -> web.Response:
        self.lookups += 1
        name = self.tokens.get(request.headers.get("Authorization", "").removeprefix("token "))
        if name is None:
            return web.json_response({"status": 403, "message": "Forbidden"}, status=403)
        return web.json_response({"kind": "user", "name": name, "scopes": self.people[name]})

    async def _activity(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"token {HUB_TOKEN}" and request.match_info["name"] == "ada"
        self.activity.append(await request.json())
        return web.Response(status=200)

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": VERSION})

    async def _report(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {RELAY_TOKEN}"
        self.reports.append(await request.json())
        return web.Response(status=204)

    async def _visit(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {RELAY_TOKEN}"
        if not self.takes_visits:
            return web.Response(status=503)
        self.visits.append(await request.json())
        return web.Response(status=204)

    async def _relay(self, request: web.Request) -> web.Response:
        seen = {"method": request.method, "path": request.raw_path, "headers": dict(request.headers)}
        self.relayed.append(seen | {"body": (await request.read()).decode()})
        return web.json_response({"seen": True})

    async def _outside(self, request: web.Request) -> web.Response:
        self.relayed.append({"path": request.raw_path, "outside": True})
        return web.json_response({})
