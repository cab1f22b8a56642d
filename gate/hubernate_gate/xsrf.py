"""Cross-site request forgery: the gate owns the ``_xsrf`` cookie, the notebook's own check is off. Pure.

The cookie's value is a keyed hash of the login, so a page that can plant cookies cannot plant a good one. JupyterLab
sends it back as ``X-XSRFToken`` with every request.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

COOKIE = "_xsrf"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def make_token(key: bytes, session_id: str) -> str:
    """The token of one login: 43 characters that a cookie and a header can carry."""
    digest = hmac.new(key, f"xsrf:{session_id}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_safe(method: str) -> bool:
    """Whether `method` only reads, by RFC 9110."""
    return method in _SAFE


def why_not(headers: Mapping[str, str], query: str, token: str, *, same_origin_will_do: bool = False) -> str | None:
    """Why an unsafe request that a cookie vouches for is refused, or None.

    Args:
        query: raw query string; ``_xsrf`` there counts like the header. A form's body is not read: it is streamed.
        token: `make_token` of the login.
        same_origin_will_do: accept the browser's own word for same-origin instead of the token.
    """
    if headers.get("Sec-Fetch-Mode") == "no-cors":
        return "a no-cors request cannot change anything"
    if headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        return "the request comes from another site"
    if "Origin" in headers and not same_origin(headers):
        return "the request comes from another origin"
    given = headers.get("X-XSRFToken") or headers.get("X-CSRFToken") or _from_query(query)
    if given:
        return None if hmac.compare_digest(given.encode(), token.encode()) else "the _xsrf token is not this login's"
    if same_origin_will_do and headers.get("Sec-Fetch-Site") == "same-origin":
        return None
    return "the _xsrf token is missing"


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether ``Origin`` names the ``Host`` the request was sent to; false when there is none."""
    try:
        origin = urlsplit(headers.get("Origin", ""))
        host = urlsplit(f"{origin.scheme}://{headers.get('Host', '')}")
        default = _DEFAULT_PORTS.get(origin.scheme)
        return bool(origin.hostname) and (origin.hostname, str(origin.port or default)) == (
            host.hostname,
            str(host.port or default),
        )
    except ValueError:  # a port that is none
        return False


def _from_query(query: str) -> str:
    return parse_qs(query).get(COOKIE, [""])[-1] if COOKIE in query else ""
