"""Logging in through the hub: OAuth 2 authorization code with PKCE (RFC 6749, RFC 7636). Nothing is kept on the way:
state, verifier and where to go next travel in a signed cookie of the browser that started the login.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import secrets
import time
from urllib.parse import parse_qs, urlencode

from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response
from multidict import CIMultiDict

from hubernate_core.errors import InvalidInput, NotAllowed

from . import headers, xsrf
from .auth import HUB_SESSION_COOKIE, Auth
from .config import Gate, GateSettings
from .hub import Hub
from .sessions import Session, Sessions, new_key
from .target import Target, safe_next

log = logging.getLogger(__name__)
_COOKIE = "hubernate-login-"
_COOKIES_MAX = 4
_NEXT_MAX = 1500


class Login:
    """The way in (`start`, `finish`) and out (`leave`)."""

    def __init__(self, settings: GateSettings, gate: Gate, hub: Hub, auth: Auth, sessions: Sessions) -> None:
        self._settings = settings
        self._gate = gate
        self._hub = hub
        self._auth = auth
        self._sessions = sessions
        options = {name.lower(): value for name, value in settings.cookie_options.items()}
        self._options = {
            "secure": bool(options.get("secure")) or settings.public_url.startswith("https:"),
            "samesite": str(options.get("samesite", "Lax")),
        }

    def start(self, request: BaseRequest, target: Target) -> Response:
        """Send the browser to the hub; it comes back to `finish` and then to `target`."""
        state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        question = {
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.callback_path,
            "response_type": "code",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        after = target.full if len(target.full) <= _NEXT_MAX else self._settings.prefix
        expires = time.time() + self._gate.login_s
        value = self._sign(json.dumps([state, verifier, after, expires]))
        response = self._redirect(f"{self._hub_url()}api/oauth2/authorize?{urlencode(question)}")
        waiting = [
            name for name, _ in headers.read_cookies(request.headers.getall("Cookie", ())) if name.startswith(_COOKIE)
        ]
        if len(waiting) >= _COOKIES_MAX:  # many tabs at once must not outgrow what a proxy takes as headers
            self._expire(response.headers, *waiting)
        self._set(response.headers, _COOKIE + state[:8], value, max_age=int(self._gate.login_s), httponly=True)
        return response

    async def finish(self, request: BaseRequest, target: Target) -> Response:
        """The hub sent the browser back with a code: make it a session and go on to where it wanted.

        Raises:
            InvalidInput: this browser did not start that login, or it took too long.
            NotAllowed: the hub refused, or the person has no access.
            Unavailable: the hub does not answer.
        """
        answer = parse_qs(target.query)
        state, code = answer.get("state", [""])[0], answer.get("code", [""])[0]
        cookie = _COOKIE + state[:8]
        cookies = list(headers.read_cookies(request.headers.getall("Cookie", ())))
        started = next((opened for name, value in cookies if name == cookie and (opened := self._open(value))), None)
        if started is None or not hmac.compare_digest(started[0].encode(), state.encode()):
            raise InvalidInput("login", "it was not started in this browser, or took too long; open the notebook again")
        if not code:
            raise NotAllowed("the hub did not let you in; ask the notebook's owner or an admin for access")
        _, verifier, after = started
        token = await self._hub.exchange(code, verifier)
        visitor = await self._hub.who(token)
        if visitor is None:
            raise NotAllowed("the hub took this login back; open the notebook again to log in anew")
        self._auth.check_access(visitor)
        hub_session = next((value for name, value in cookies if name == HUB_SESSION_COOKIE), "")
        now = asyncio.get_running_loop().time()
        session = Session(new_key(), token, visitor, now, hub_session=hub_session)
        self._replace(cookies, session)
        log.info("logged in", extra={"user": visitor.name})
        response = self._redirect(safe_next(after, self._settings.prefix))
        self._expire(response.headers, cookie)
        self._set(response.headers, self._auth.cookie, session.key, httponly=True)
        self._set(response.headers, xsrf.COOKIE, self._auth.xsrf_token(session))
        return response

    def leave(self, request: BaseRequest) -> Response:
        """End this browser's session here and go on to the hub's logout."""
        response = self._redirect(f"{self._hub_url()}logout")
        for name, value in headers.read_cookies(request.headers.getall("Cookie", ())):
            if name == self._auth.cookie and (session := self._sessions.get(value)) and not session.by_token:
                self._sessions.end(session)
        self._expire(response.headers, self._auth.cookie, xsrf.COOKIE)
        return response

    def renew_xsrf(self, request: BaseRequest, session: Session, answer: CIMultiDict[str]) -> None:
        """On a navigation: give the page's scripts the token of their login, unless they have it, in the `answer`."""
        given = headers.read_cookies(request.headers.getall("Cookie", ()))
        held = next((value for name, value in given if name == xsrf.COOKIE), "")
        if not session.by_token and held != self._auth.xsrf_token(session):
            self._set(answer, xsrf.COOKIE, self._auth.xsrf_token(session))

    def _replace(self, cookies: list[tuple[str, str]], session: Session) -> None:
        for name, value in cookies:
            if name == self._auth.cookie and (old := self._sessions.get(value)) and not old.by_token:
                self._sessions.end(old)
        self._sessions.add(session)

    def _set(self, answer: CIMultiDict[str], name: str, value: str, **options: object) -> None:
        answer.add("Set-Cookie", headers.set_cookie(name, value, self._settings.prefix, self._options | options))

    def _expire(self, answer: CIMultiDict[str], *names: str) -> None:
        for name in names:
            self._set(answer, name, "", max_age=0)

    def _hub_url(self) -> str:
        return self._settings.hub_public_url.rstrip("/") + self._settings.hub_base_path

    def _redirect(self, location: str) -> Response:
        return Response(
            status=302, headers={"Location": location, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        )

    def _sign(self, payload: str) -> str:
        body = base64.urlsafe_b64encode(payload.encode()).rstrip(b"=")
        return f"{body.decode()}.{self._mac(body)}"

    def _open(self, value: str) -> tuple[str, str, str] | None:
        body, _, mac = value.partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(body.encode()).encode()):
            return None
        state, verifier, after, expires = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return (state, verifier, after) if time.time() < expires else None

    def _mac(self, body: bytes) -> str:
        return hmac.new(self._sessions.secret, b"login:" + body, hashlib.sha256).hexdigest()
