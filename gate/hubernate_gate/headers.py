"""What of a request's headers reaches the notebook, and what of its answer reaches the browser. Pure.

Toward the notebook go no credential of the platform and no statement about the visitor but the gate's own; toward the
browser goes nothing that speaks for the whole host name, which every notebook and the hub share.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote

from multidict import CIMultiDict, CIMultiDictProxy

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110 §7.6.1 and what older clients send."""
_CLAIMS = frozenset(
    {
        "authorization",
        "cookie",
        "expect",
        "forwarded",
        "remote-user",
        "x-client-ip",
        "x-csrftoken",
        "x-forwarded",
        "x-real-ip",
        "x-scheme",
        "x-user",
        "x-webauth-user",
        "x-xsrftoken",
    }
)
_CLAIM_PREFIXES = ("x-auth-request-", "x-forwarded-", "x-hubernate-", "x-original-", "x-proxy-", "x-remote-")
_FOR_ALL_OF_THE_HOST = frozenset(
    {"alt-svc", "clear-site-data", "service-worker-allowed", "strict-transport-security", "public-key-pins"}
)
_NOT_THE_NOTEBOOKS = HOP_BY_HOP | _FOR_ALL_OF_THE_HOST
OUR_COOKIES = tuple(
    f"{secure}{owner}" for secure in ("", "__host-", "__secure-") for owner in ("jupyterhub", "hubernate")
)
"""Lower-case beginnings of cookie names that are the platform's."""


def is_ours(cookie: str) -> bool:
    """Whether the cookie of this name belongs to the hub or to a gate."""
    name = cookie.strip().lower()
    return name == "_xsrf" or name.startswith(OUR_COOKIES)


def read_cookies(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names and raw values of the ``Cookie`` headers `lines`, in order; a name may come more than once."""
    for line in lines:
        for part in line.split(";"):
            name, equals, value = part.partition("=")
            if equals:
                yield name.strip(), value.strip().strip('"')


def toward_notebook(headers: CIMultiDictProxy[str], user: str, scheme: str) -> CIMultiDict[str]:
    """The client's `headers` as the notebook may see them, with the gate's word on who, how and where.

    Args:
        user: the visitor's name; sent percent-encoded as UTF-8 where it is not plain ASCII.
        scheme: ``http`` or ``https`` as the browser sees it.
    """
    kept = without_claims(headers)
    cookies = "; ".join(
        part.strip()
        for line in headers.getall("Cookie", ())
        for part in line.split(";")
        if part.strip() and not is_ours(part.partition("=")[0])
    )
    if cookies:
        kept["Cookie"] = cookies
    kept["X-Forwarded-User"] = quote(user, safe="@+~!$'*,: ")
    kept["X-Forwarded-Proto"] = scheme
    kept["X-Forwarded-Host"] = headers.get("Host", "")
    return kept


def without_claims(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """`headers` without hop-by-hop ones, credentials, cookies and every header by which proxies vouch for a client."""
    dropped = _named_in_connection(headers)
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if not _is_claim(name) and name.lower() not in dropped:
            kept.add(name, value)
    return kept


def toward_browser(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The notebook's answer headers without hop-by-hop ones, our cookies and what speaks for the whole host name."""
    dropped = _named_in_connection(headers)
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lower = name.lower()
        if lower in _NOT_THE_NOTEBOOKS or lower in dropped:
            continue
        if lower == "set-cookie" and is_ours(value.partition("=")[0]):
            continue
        kept.add(name, value if value.isascii() else _printable(value))
    return kept


def set_cookie(name: str, value: str, path: str, options: Mapping[str, object]) -> str:
    """A ``Set-Cookie`` value. `options`: ``max_age`` (seconds), ``samesite``, and ``secure``, ``httponly`` if true."""
    parts = [f"{name}={value}", f"Path={path}", f"SameSite={options.get('samesite', 'Lax')}"]
    if "max_age" in options:
        parts.append(f"Max-Age={options['max_age']}")
    parts += [word for word, key in (("Secure", "secure"), ("HttpOnly", "httponly")) if options.get(key)]
    return "; ".join(parts)


def is_navigation(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a person's browser asks for a page. Over plain http browsers send no ``Sec-Fetch-Mode``."""
    if method not in ("GET", "HEAD"):
        return False
    mode = headers.get("Sec-Fetch-Mode")
    return mode == "navigate" if mode is not None else "text/html" in headers.get("Accept", "")


def is_websocket(headers: Mapping[str, str]) -> bool:
    """Whether the request asks to become a WebSocket."""
    return headers.get("Upgrade", "").strip().lower() == "websocket"


@lru_cache(maxsize=512)
def _is_claim(name: str) -> bool:
    # WSGI and CGI applications cannot tell a hyphen from an underscore.
    plain = name.lower().replace("_", "-")
    return plain in HOP_BY_HOP or plain in _CLAIMS or plain.startswith(_CLAIM_PREFIXES)


def _named_in_connection(headers: CIMultiDictProxy[str]) -> frozenset[str]:
    values = headers.getall("Connection", ())
    return frozenset(word.strip().lower() for value in values for word in value.split(",")) if values else frozenset()


def _printable(value: str) -> str:
    """A header with bytes that are not UTF-8 arrives with surrogates, which cannot be written: read it as Latin-1."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value
