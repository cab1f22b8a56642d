"""Who a request comes from and whether it may pass: the one decision for HTTP and WebSocket."""

import asyncio
import contextlib
import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping

from aiohttp.web_request import BaseRequest

from hubernate_core.errors import HubernateError, NotAllowed, Unavailable

from . import xsrf
from .config import Gate, GateSettings
from .headers import is_websocket, read_cookies
from .hub import TOKEN_MAX, Hub
from .sessions import Session, Sessions, Visitor
from .target import Target
from .visits import Visits

log = logging.getLogger(__name__)

HUB_SESSION_COOKIE = "jupyterhub-session-id"
_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)", re.IGNORECASE)
_REFUSED_MAX = 1000
_REFUSED_S = 10.0
_LOOKUPS = 8
_PATIENCE_S = 2.0
_RETRY_S = 15.0


class LoginNeeded(NotAllowed):
    """Nobody the hub knows (any more) sent this request."""


def may_enter(required: frozenset[str], held: frozenset[str]) -> bool:
    """Whether a token with the scopes `held` may use a server that requires one of `required`.

    A held scope without filter covers every filter of it (JupyterHub's rule); other containment the hub has expanded.
    """
    return any(scope in held or scope.partition("!")[0] in held for scope in required)


class Auth:
    """The gate's logins, checked with the hub again and again."""

    def __init__(self, settings: GateSettings, gate: Gate, hub: Hub, sessions: Sessions, visits: Visits) -> None:
        self._required = frozenset(settings.access_scopes)
        self._gate = gate
        self._hub = hub
        self._sessions = sessions
        self._visits = visits
        self.cookie = f"hubernate-{hashlib.sha256(settings.prefix.encode()).hexdigest()[:10]}"
        """Name of the session cookie: one per server, since a person's servers share the beginning of their path."""
        self._refused: OrderedDict[str, float] = OrderedDict()
        self._lookups = asyncio.Semaphore(_LOOKUPS)

    async def admit(self, request: BaseRequest, target: Target) -> Session:
        """The login in whose name `request` may reach `target`.

        Raises:
            LoginNeeded: no valid login; the hub may have revoked it.
            NotAllowed: not this person, not from that page, or a token in the URL.
            Unavailable: the hub must be asked and does not answer; or a visit cannot be written down.
        """
        session = await self.identify(request)
        if session is None:
            if "token=" in target.query:
                raise NotAllowed("a token in the URL is refused, it would be logged; send 'Authorization: token …'")
            raise LoginNeeded("log in to reach this notebook")
        self.check_access(session.visitor)
        if not session.by_token:
            self._check_origin(request, target, session)
        await self._visits.note(session, request)
        return session

    def check_access(self, visitor: Visitor) -> None:
        """Raises NotAllowed unless the visitor holds one of the server's access scopes."""
        if not may_enter(self._required, visitor.scopes):
            raise NotAllowed("you have no access to this notebook; its owner or an admin can share it")

    async def identify(self, request: BaseRequest) -> Session | None:
        """The session of the request's API token, or of its cookie; None when there is neither, or it is void."""
        match = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", "").strip())
        if match:
            return await self._by_token(match[1])
        cookies = list(read_cookies(request.headers.getall("Cookie", ())))
        for name, value in cookies:
            if name == self.cookie and (session := self._sessions.get(value)) and not session.by_token:
                hub_session = next((value for name, value in cookies if name == HUB_SESSION_COOKIE), "")
                return session if await self.confirm(session, hub_session) else None
        return None

    async def confirm(self, session: Session, hub_session: str | None = None) -> bool:
        """Whether `session` still stands, asking the hub when it is time.

        Args:
            hub_session: the browser's hub session, where the request brought it; another one than before is a reason
                to ask.

        Raises:
            Unavailable: the hub has not answered for longer than `Gate.hub_outage_s`.
        """
        now = asyncio.get_running_loop().time()
        if hub_session is not None and hub_session != session.hub_session:
            session.hub_session = hub_session
            session.doubted = True
        age = now - session.checked_at
        if session.doubted or age >= self._gate.revalidate_s:
            if now >= session.retry_at or session.checking is not None:
                await self._ask_again(session)
            if not session.ended.is_set() and age >= self._gate.revalidate_s + self._gate.hub_outage_s:
                raise Unavailable("the hub cannot confirm your login; your notebook goes on running, try again soon")
        return not session.ended.is_set()

    async def until_void(self, session: Session) -> None:
        """Return when `session` has ended; an open connection uses no request by which it would be checked."""
        while not session.ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(session.ended.wait(), self._gate.revalidate_s)
            try:
                await self.confirm(session)
            except Unavailable:
                return

    def xsrf_token(self, session: Session) -> str:
        """The XSRF token of that login."""
        return xsrf.make_token(self._sessions.secret, session.key)

    async def _ask_again(self, session: Session) -> None:
        """One question at a time; a slow hub delays nobody for long: until it answers, its last word counts (P7)."""
        if session.checking is None:
            session.checking = asyncio.create_task(self._check(session))
        await asyncio.wait({session.checking}, timeout=_PATIENCE_S)

    async def _check(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        try:
            visitor = await self._hub.who(session.token)
        except HubernateError as error:
            session.retry_at = loop.time() + _RETRY_S
            log.warning(
                "a login could not be checked again", extra={"user": session.visitor.name, "error": error.message}
            )
        else:
            session.visitor, session.checked_at = visitor or session.visitor, asked_at
            session.doubted, session.retry_at = False, 0.0
            if visitor is None:
                self._sessions.end(session)
                log.info("a login ended: the hub does not know it any more", extra={"user": session.visitor.name})
        finally:
            session.checking = None

    async def _by_token(self, token: str) -> Session | None:
        if len(token) > TOKEN_MAX:
            return None
        key = f"token:{hashlib.sha256(token.encode()).hexdigest()}"
        if session := self._sessions.get(key):
            return session if await self.confirm(session) else None
        now = asyncio.get_running_loop().time()
        if now - self._refused.get(key, -_REFUSED_S) < _REFUSED_S:
            return None
        async with self._lookups:
            visitor = await self._hub.who(token)
        if visitor is None:
            self._refused[key] = now
            while len(self._refused) > _REFUSED_MAX:
                self._refused.popitem(last=False)
            return None
        session = Session(key, token, visitor, now, by_token=True)
        self._sessions.add(session)
        return session

    def _check_origin(self, request: BaseRequest, target: Target, session: Session) -> None:
        headers: Mapping[str, str] = request.headers
        if is_websocket(headers):
            if not xsrf.same_origin(headers):
                raise NotAllowed("a WebSocket must be opened from this notebook's own pages")
        elif not xsrf.is_safe(request.method):
            own_word = any(target.tail.startswith(path) for path in self._gate.same_origin_paths)
            reason = xsrf.why_not(headers, target.query, self.xsrf_token(session), same_origin_will_do=own_word)
            if reason:
                raise NotAllowed(f"{reason}; reload the page and try again")
