"""Reading a large body: the standard library's client costs a quarter of httpx's processor time for it."""

import http.client
import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import urljoin, urlsplit

from hubernate_core.errors import Broken, NotAllowed, NotFound, Unavailable, shorten

_SIZE = 1024 * 1024
_HOPS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})


def read_url(url: str, headers: Mapping[str, str], timeout_s: float, trusted: ssl.SSLContext) -> Iterator[memoryview]:
    """The body at `url` in pieces, each valid until the next. A redirect to another host goes without `headers`.

    Args:
        trusted: whose certificates are believed, by https.

    Raises:
        NotFound, NotAllowed, Unavailable, Broken: what the answer means; Unavailable also for a body cut short.
    """
    for _ in range(_HOPS):
        parts = urlsplit(url)
        try:
            connection = _connect(parts.scheme, parts.netloc, timeout_s, trusted)
            connection.request(
                "GET", f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=dict(headers)
            )
            answer = connection.getresponse()
            if answer.status not in _MOVED:
                yield from _body(answer)
                return
            target = urljoin(url, answer.headers.get("Location", ""))
            headers = headers if urlsplit(target).netloc == parts.netloc else {}
            url = target
        except (OSError, http.client.HTTPException) as problem:
            raise Unavailable(f"reading back: {shorten(str(problem) or type(problem).__name__, 120)}") from problem
        finally:
            connection.close()
    raise Broken("the registry redirects in circles")


def _connect(scheme: str, netloc: str, timeout_s: float, trusted: ssl.SSLContext) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(netloc, timeout=timeout_s, context=trusted)
    return http.client.HTTPConnection(netloc, timeout=timeout_s)


def _body(answer: http.client.HTTPResponse) -> Iterator[memoryview]:
    if answer.status == http.HTTPStatus.NOT_FOUND:
        raise NotFound("registry answered 404 to GET of a blob")
    if answer.status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        raise NotAllowed(f"the registry refuses our login (registry answered {answer.status} to GET of a blob)")
    if answer.status != http.HTTPStatus.OK:
        raise Unavailable(f"registry answered {answer.status} to GET of a blob")
    expected, got = answer.length, 0
    buffer = memoryview(bytearray(_SIZE))
    while count := answer.readinto(buffer):
        got += count
        yield buffer[:count]
    if expected is not None and got != expected:
        raise Unavailable(f"reading back: the connection ended after {got} of {expected} bytes")
