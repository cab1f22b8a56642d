"""A tiny JupyterHub over HTTP: people, tokens, OAuth with PKCE, servers that are flags. Every call is kept."""

import asyncio
import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

SERVICE_TOKEN = "service-token-of-the-tests"
ACCESS = "access:services!service=hubernate"


@dataclass
class FakeHub:
    """Change the public fields to script what it believes."""

    people: dict[str, bool] = field(default_factory=dict)
    """Name → admin."""
    groups: dict[str, list[str]] = field(default_factory=dict)
    """Name → groups."""
    servers: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """Name → server name → model; absent: stopped."""
    tokens: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    """Token → (name, scopes)."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    """Name → what the person's newest start was asked with; None: nothing."""
    broken: bool = False
    holds_starts: bool = False
    """Answer no start until this is false, as a hub does for ten seconds."""
    authenticator: str = "hubernate_spawner.accounts.EmbeddedAuthenticator"
    browser: str = ""
    """Who is logged in at the hub in the browser that comes to authorize."""
    _codes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def token(self, name: str, scopes: tuple[str, ...] = (ACCESS,)) -> str:
        """A new API token of `name`."""
        self.people.setdefault(name, False)
        token = secrets.token_hex(16)
        self.tokens[token] = (name, list(scopes))
        return token

    def runs(self, user: str, name: str = "", *, ready: bool = True, pending: str | None = None) -> None:
        """Believe that a server runs."""
        self.people.setdefault(user, False)
        self.servers.setdefault(user, {})[name] = {"ready": ready, "pending": pending, "stopped": False}

    def forgets(self, user: str, name: str = "") -> None:
        """Believe that it does not."""
        self.servers.get(user, {}).pop(name, None)

    def asked(self, method: str, path: str) -> int:
        """How often this was called."""
        return self.calls.count((method, path))

    def app(self) -> Starlette:
        """The hub as an ASGI application, below ``/hub``."""
        server = "/hub/api/users/{name}/server"
        return Starlette(
            routes=[
                Route("/hub/api/info", self._info),
                Route("/hub/api/user", self._user),
                Route("/hub/api/users", self._users),
                Route("/hub/api/users/{name}", self._one),
                Route(server, self._server, methods=["POST", "DELETE"]),
                Route(server + "s/{server}", self._server, methods=["POST", "DELETE"]),
                Route("/hub/api/oauth2/authorize", self._authorize),
                Route("/hub/api/oauth2/token", self._token, methods=["POST"]),
            ]
        )

    def _enter(self, request: Request) -> Response | None:
        self.calls.append((request.method, request.url.path.removeprefix("/hub/api/")))
        return Response("down", 503) if self.broken else None

    def _is_service(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"token {SERVICE_TOKEN}"

    async def _info(self, request: Request) -> Response:
        refused = self._enter(request)
        if refused or not self._is_service(request):
            return refused or Response("no", 403)
        return JSONResponse({"authenticator": {"class": self.authenticator, "version": "1"}})

    async def _user(self, request: Request) -> Response:
        refused = self._enter(request)
        token = request.headers.get("authorization", "").removeprefix("token ")
        if refused or token not in self.tokens:
            return refused or Response("no", 403)
        name, scopes = self.tokens[token]
        return JSONResponse({"kind": "user", "name": name, "scopes": scopes, "groups": []})

    async def _users(self, request: Request) -> Response:
        refused = self._enter(request)
        if refused or not self._is_service(request):
            return refused or Response("no", 403)
        offset, limit = int(request.query_params["offset"]), int(request.query_params["limit"])
        models = [
            {"name": name, "servers": running, "groups": list(self.groups.get(name, ()))}
            for name, running in sorted(self.servers.items())
            if running
        ]
        return JSONResponse(models[offset : offset + limit])

    async def _one(self, request: Request) -> Response:
        refused = self._enter(request)
        name = request.path_params["name"]
        if refused or not self._is_service(request) or name not in self.people:
            return refused or Response("no", 404)
        return JSONResponse(
            {"kind": "user", "name": name, "admin": self.people[name], "groups": self.groups.get(name, [])}
        )

    async def _server(self, request: Request) -> Response:
        refused = self._enter(request)
        name, server = request.path_params["name"], request.path_params.get("server", "")
        if refused or not self._is_service(request) or name not in self.people:
            return refused or Response("no", 404)
        if request.method == "POST":
            body = await request.body()
            self.options[name] = json.loads(body) if body else None
            self.runs(name, server)
            while self.holds_starts:  # noqa: ASYNC110 - the test's thread ends it
                await asyncio.sleep(0.02)
            return Response(status_code=201)
        self.forgets(name, server)
        return Response(status_code=204)

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        code = secrets.token_hex(8)
        self._codes[code] = (self.browser, query["code_challenge"])
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}", 302)

    async def _token(self, request: Request) -> Response:
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
        name, challenge = self._codes.pop(form.get("code", ""), ("", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proven = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        if not name or not proven or form.get("client_secret") != SERVICE_TOKEN:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse({"access_token": self.token(name)})
