"""Signing in with the hub: OAuth 2 with state and PKCE (RFC 7636); both stay in a signed cookie on the way."""

import base64
import hashlib
import hmac
import json
import secrets
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from hubernate_core.errors import NotAllowed

from ..config import HubernateService
from .auth import SESSION_COOKIE, XSRF_COOKIE, ContextOf, hub_session, people_of

router = APIRouter()
_STATE_COOKIE = "hubernate-login-"
_STATE_AGE_S = 600


@router.get("/oauth_login")
async def begin(request: Request, context: ContextOf, next: str = "") -> Response:
    """Send the browser to the hub."""
    return to_hub(request, context.settings, next)


def to_hub(request: Request, settings: HubernateService, where: str) -> Response:
    """A redirect to the hub's authorization page; `where` is the path to come back to."""
    state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": settings.client_id,
        "redirect_uri": f"{settings.prefix}oauth_callback",
        "response_type": "code",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    answer = RedirectResponse(f"{settings.hub_path}api/oauth2/authorize?{urlencode(query)}", 302)
    kept = json.dumps({"state": state, "verifier": verifier, "next": _own_path(settings, where)})
    value = base64.urlsafe_b64encode(kept.encode()).decode()
    answer.set_cookie(
        _STATE_COOKIE + state[:8],
        f"{value}.{_seal(request, value)}",
        max_age=_STATE_AGE_S,
        path=settings.prefix,
        httponly=True,
        samesite="lax",
        secure=_secure(request),
    )
    return answer


@router.get("/oauth_callback")
async def finish(
    request: Request,
    context: ContextOf,
    code: Annotated[str, Query(max_length=500)] = "",
    state: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The hub sends the browser back with a code."""
    kept = _kept(request, state)
    token = await context.hub.token_for(
        code,
        client_id=context.settings.client_id,
        redirect_uri=f"{context.settings.prefix}oauth_callback",
        verifier=kept["verifier"],
    )
    if token is None:
        raise NotAllowed("the hub did not confirm the sign-in; try again from the page of your servers")
    cookie, session = await people_of(request).open_session(token, hub_session(request))
    answer = RedirectResponse(kept["next"], 302)
    path, secure = context.settings.prefix, _secure(request)
    answer.delete_cookie(_STATE_COOKIE + state[:8], path=path)
    answer.set_cookie(SESSION_COOKIE, cookie, path=path, httponly=True, samesite="lax", secure=secure)
    answer.set_cookie(XSRF_COOKIE, session.xsrf, path=path, samesite="lax", secure=secure)
    return answer


def _kept(request: Request, state: str) -> dict[str, str]:
    value, _, seal = request.cookies.get(_STATE_COOKIE + state[:8], "").partition(".")
    if state and value and hmac.compare_digest(seal.encode(), _seal(request, value).encode()):
        kept: dict[str, str] = json.loads(base64.urlsafe_b64decode(value))
        if hmac.compare_digest(kept["state"].encode(), state.encode()):
            return kept
    raise NotAllowed("this sign-in was not begun in this browser, or too long ago; open the page of your servers again")


def _seal(request: Request, value: str) -> str:
    key: bytes = request.app.state.login_key
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()


def _own_path(settings: HubernateService, where: str) -> str:
    """`where` if it is a path of ours: nobody is sent elsewhere by a link to us."""
    path = where.partition("?")[0].lower()
    # A browser resolves dot segments, also written as %2e, and takes a backslash for a slash.
    plain = where.isprintable() and not any(each in path for each in ("//", "/.", "%2e", "%5c")) and "\\" not in where
    return where if plain and where.startswith(settings.prefix) else settings.prefix


def _secure(request: Request) -> bool:
    return request.headers.get("x-forwarded-proto", request.url.scheme).split(",")[0].strip() == "https"
