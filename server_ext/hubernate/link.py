"""The SDK's way to the platform: the gate's relay inside a notebook, the service with a Hub token outside.

Inside there is no credential at all: the relay on loopback adds a narrow token that this process never sees.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.response import BaseHTTPResponse

from hubernate_core.errors import Broken, Conflict, HubernateError, InvalidInput, NotAllowed, NotFound, Unavailable

RELAY = "http://127.0.0.1:8890"
CHUNK = 1024 * 1024
_REST = 64 * 1024
_TRIES = urllib3.Retry(
    total=3,
    connect=3,
    read=0,
    redirect=0,
    status=2,
    backoff_factor=0.3,
    status_forcelist=(503,),
    allowed_methods=frozenset({"GET", "HEAD"}),
    raise_on_status=False,
    respect_retry_after_header=False,
)


@dataclass(frozen=True)
class Place:
    """Where the API is, and what is sent along. `prefix` is the path of the sources, or of the jobs."""

    url: str
    prefix: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Place({self.url!r}, {self.prefix!r})"


def find_place(what: str = "sources") -> Place:
    """Where `what` (``sources``, ``jobs``) is: the relay in a notebook; ``HUBERNATE_URL``, ``HUBERNATE_TOKEN`` and
    ``HUBERNATE_TENANT`` elsewhere.

    Raises:
        InvalidInput: outside, and not all of the three are set.
    """
    url = os.environ.get("HUBERNATE_URL", "")
    if not url:
        return Place(os.environ.get("HUBERNATE_RELAY", RELAY), f"/api/v1/relay/{what}")
    token, tenant = os.environ.get("HUBERNATE_TOKEN", ""), os.environ.get("HUBERNATE_TENANT", "")
    if not token or not tenant:
        raise InvalidInput("HUBERNATE_TOKEN", "outside of a notebook set HUBERNATE_TOKEN and HUBERNATE_TENANT too")
    return Place(url.rstrip("/") + "/services/hubernate", f"/api/v1/tenants/{tenant}/{what}", token)


class Link:
    """Calls of the data API. May be used by many threads; connections are kept and reused."""

    def __init__(self, place: Place | None = None) -> None:
        self.place = place or find_place()
        self._pool = urllib3.PoolManager(maxsize=16, retries=_TRIES, timeout=urllib3.Timeout(connect=5, read=120))

    def get(self, path: str, /, **query: Any) -> Any:
        """JSON.

        Raises:
            HubernateError: one of the tree, by what the platform answered.
        """
        return json.loads(self._ask("GET", path, query).data)

    def read(self, path: str, headers: dict[str, str], /, **query: Any) -> bytes:
        """All bytes of an answer; an answer that breaks off is an error. Raises as `get`."""
        answer = self._ask("GET", path, query, headers=headers)
        return b"" if answer.status == 416 else answer.data

    def head(self, path: str, /, **query: Any) -> dict[str, str]:
        """Headers. Raises as `get`."""
        return dict(self._ask("HEAD", path, query).headers)

    def put(self, path: str, body: Any, headers: dict[str, str], /, **query: Any) -> Any:
        """Send bytes or a readable file; JSON comes back. Raises as `get`; then nothing was changed."""
        return json.loads(self._ask("PUT", path, query, body=body, headers=headers).data)

    def call(self, method: str, path: str, body: Any = None, /, **query: Any) -> Any:
        """JSON for JSON. Raises as `get`; then nothing was changed."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body).encode()
        return json.loads(self._ask(method, path, query, headers=headers, body=sent).data or b"null")

    def part(self, path: str, /, **query: Any) -> tuple[bytes, Mapping[str, str]]:
        """Bytes, and the answer's headers. Raises as `get`."""
        answer = self._ask("GET", path, query)
        return answer.data, answer.headers

    def send(self, path: str, body: Any, /) -> None:
        """Put bytes. Raises as `get`; then nothing was changed."""
        self._ask("PUT", path, {}, headers={"Content-Type": "application/octet-stream"}, body=body)

    def stream(self, method: str, path: str, /, *, body: Any = None, **query: Any) -> "Answer":
        """An answer to be read piece by piece. Raises as `get`."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        sent = None if body is None else json.dumps(body).encode()
        return Answer(self._ask(method, path, query, body=sent, headers=headers, preload_content=False))

    def _ask(
        self, method: str, path: str, query: dict[str, Any], *, headers: dict[str, str] | None = None, **options: Any
    ) -> BaseHTTPResponse:
        given = {key: value for key, value in query.items() if value is not None}
        url = f"{self.place.url}{self.place.prefix}{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")
        sent = {"Accept-Encoding": "identity"} | (headers or {})
        if self.place.token:
            sent["Authorization"] = f"token {self.place.token}"
        try:
            answer = self._pool.request(method, url, headers=sent, **options)
        except urllib3.exceptions.HTTPError as problem:
            raise Unavailable(
                f"the platform does not answer at {self.place.url} ({type(problem).__name__}); nothing was changed."
                " In a notebook: wait a moment and repeat. Elsewhere: set HUBERNATE_URL"
            ) from problem
        if answer.status >= 400 and answer.status != 416:
            raise _error(answer)
        return answer


class Answer:
    """An answer as a readable, non-seekable file."""

    def __init__(self, answer: BaseHTTPResponse) -> None:
        self._answer = answer
        self.closed = False

    def read(self, size: int | None = None) -> bytes:
        """Bytes.

        Raises:
            Unavailable: it broke off.
        """
        try:
            return self._answer.read(size if size is None or size >= 0 else None)
        except urllib3.exceptions.HTTPError as problem:
            raise Unavailable("the source broke off in the middle of the answer; read it again") from problem

    def __iter__(self) -> Iterator[bytes]:
        while part := self.read(CHUNK):
            yield part

    def close(self) -> None:
        """Give the connection back, or end it where something is left."""
        if self.closed:
            return
        self.closed = True
        try:
            ended = len(self._answer.read(_REST)) < _REST
        except urllib3.exceptions.HTTPError:
            ended = False
        # A connection with something left on it would answer the next question wrongly.
        if ended:
            self._answer.release_conn()
        else:
            self._answer.close()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_links = threading.local()
# Two processes on one connection would get each other's answers.
os.register_at_fork(after_in_child=_links.__dict__.clear)


def link() -> Link:
    """The thread's link, made anew when the environment says another place."""
    place = find_place()
    known: Link | None = getattr(_links, "link", None)
    if known is None or known.place != place:
        known = _links.link = Link(place)
    return known


def _error(answer: BaseHTTPResponse) -> HubernateError:
    try:
        told = json.loads(answer.data or b"{}")
    except (ValueError, urllib3.exceptions.HTTPError):
        told = {}
    detail = str(told.get("detail") or told.get("message") or f"the platform answered {answer.status}")
    kinds: dict[int, type[HubernateError]] = {401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: Conflict}
    if answer.status in (422, 413):
        field, _, reason = detail.partition(": ")
        return InvalidInput(field, reason or detail)
    if answer.status in kinds:
        return kinds[answer.status](detail)
    return Unavailable(detail) if answer.status in (502, 503, 504) else Broken(detail)
