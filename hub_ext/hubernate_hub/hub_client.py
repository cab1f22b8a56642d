"""The hub's REST API, called nowhere else. Every call has a deadline; a dead hub costs its caller and nobody else."""

import logging
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import httpx

from hubernate_core.errors import NotAllowed, NotFound, Unavailable, shorten

_PAGE = 200
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HubUser:
    """Who a token belongs to, and whether they may come in here."""

    name: str
    admin: bool
    scopes: frozenset[str]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class HubServer:
    """One server as the hub sees it. `pending` is ``spawn``, ``stop``, ``check`` or None."""

    ready: bool
    pending: str | None


@dataclass(frozen=True)
class Active:
    """A person with servers at the hub. `groups` is None where the hub does not tell them."""

    servers: dict[str, HubServer]
    groups: tuple[str, ...] | None


class NotReached(Unavailable):
    """The hub did not get the request, or died over it."""


class Hub:
    """Calls with the service's own token unless said otherwise.

    Args:
        url: the REST API, ``http://172.17.0.1:8081/hub/api``.
    """

    def __init__(
        self, url: str, token: str, *, timeout_s: float = 5, transport: httpx.AsyncBaseTransport | None = None
    ):
        self._token = token
        limits = httpx.Limits(max_connections=20)
        # trust_env off: a proxy of this machine's environment is no way to the hub.
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/") + "/", timeout=timeout_s, limits=limits, transport=transport, trust_env=False
        )

    async def who(self, token: str) -> HubUser | None:
        """The person of a Hub API or OAuth token; None when the hub does not know it or it is a service's."""
        answer = await self._call("GET", "user", token=token)
        if answer.status_code in (401, 403):
            return None
        model = self._model(answer)
        if model.get("kind") != "user":
            return None
        scopes = frozenset(str(each) for each in model.get("scopes", ()))
        name = str(model["name"])
        # A person's token only identifies them; whether they are an admin and their groups are asked with our own.
        known = await self.person(name)
        return HubUser(name, False, scopes) if known is None else replace(known, scopes=scopes)

    async def person(self, name: str) -> HubUser | None:
        """Somebody by name; None when the hub has no such person."""
        answer = await self._call("GET", f"users/{quote(name, safe='')}")
        if answer.status_code == 404:
            return None
        known = self._model(answer)
        groups = tuple(str(each) for each in known.get("groups") or ())
        return HubUser(name, bool(known.get("admin")), frozenset(), groups)

    async def token_for(self, code: str, *, client_id: str, redirect_uri: str, verifier: str) -> str | None:
        """The access token for an OAuth code; None when the hub refuses the code."""
        form = {
            "client_id": client_id,
            "client_secret": self._token,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        answer = await self._send("POST", "oauth2/token", data=form)
        if answer.status_code in (400, 401, 403):
            _log.warning("the hub refused an OAuth code", extra={"status": answer.status_code})
            return None
        token = self._model(answer).get("access_token")
        return token if isinstance(token, str) else None

    async def active(self) -> dict[str, Active]:
        """Everyone with an active server, by name."""
        found: dict[str, Active] = {}
        offset = 0
        while True:
            answer = await self._call("GET", "users", params={"state": "active", "offset": offset, "limit": _PAGE})
            users = self._model(answer, list)
            for user in users:
                mine = {
                    name: HubServer(bool(each.get("ready")), each.get("pending"))
                    for name, each in (user.get("servers") or {}).items()
                    if not each.get("stopped")
                }
                groups = user.get("groups")
                found[user["name"]] = Active(mine, None if groups is None else tuple(map(str, groups)))
            if len(users) < _PAGE:
                return found
            offset += _PAGE

    async def authenticator(self) -> str:
        """Class of what people log in with, such as ``hubernate_spawner.oauth.TenantOAuthenticator``."""
        found = self._model(await self._call("GET", "info")).get("authenticator") or {}
        return str(found.get("class", ""))

    async def start_server(self, user: str, server: str, options: dict[str, str] | None = None) -> None:
        """Start (for us: adopt) a server, with the options it had unless others are given.

        Raises:
            NotFound: the hub has no such user.  NotReached: it was not asked.
            Unavailable: it was, and did not answer in time (it may have begun), or is busy with the server.
        """
        self._check(await self._call("POST", _server_path(user, server), json=options), "start", user)

    async def stop_server(self, user: str, server: str) -> None:
        """Stop a server; returns as soon as the hub has begun. Stopping a stopped one is fine."""
        answer = await self._call("DELETE", _server_path(user, server))
        if answer.status_code != 404:
            self._check(answer, "stop", user)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _check(self, answer: httpx.Response, verb: str, user: str) -> None:
        if answer.status_code == 404:
            raise NotFound(f"the hub has no user {shorten(user, 60)!r}")
        if answer.status_code == 403:
            raise NotAllowed(f"the hub does not let this service {verb} servers; check the service's role")
        if answer.status_code >= 400:
            raise Unavailable(f"the hub answered {answer.status_code} when asked to {verb} a server: {_words(answer)}")

    async def _call(self, method: str, path: str, *, token: str = "", **options: Any) -> httpx.Response:
        return await self._send(method, path, headers={"Authorization": f"token {token or self._token}"}, **options)

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **options)
        except httpx.HTTPError as problem:
            kind = Unavailable if isinstance(problem, httpx.ReadTimeout) else NotReached
            raise kind(f"the hub did not answer ({type(problem).__name__}); running servers go on") from problem

    @staticmethod
    def _model(answer: httpx.Response, kind: type = dict) -> Any:
        if answer.status_code >= 400:
            raise Unavailable(f"the hub answered {answer.status_code}: {_words(answer)}")
        try:
            model = answer.json()
        except ValueError as problem:
            raise Unavailable("the hub answered something that is not JSON") from problem
        if not isinstance(model, kind):
            raise Unavailable("the hub answered in a shape this service does not know")
        return model


def _server_path(user: str, server: str) -> str:
    name = quote(user, safe="")
    return f"users/{name}/servers/{quote(server, safe='')}" if server else f"users/{name}/server"


def _words(answer: httpx.Response) -> str:
    return shorten(answer.text, 200)
