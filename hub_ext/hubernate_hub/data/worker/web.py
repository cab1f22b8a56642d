"""Files below one http(s) URL, read only. A redirect is followed at most thrice; every hop is judged, and encrypted."""

import hashlib
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import urllib3

from hubernate_core.source_path import join_path
from hubernate_core.source_place import HttpPlace
from hubernate_core.source_view import Check, Entry

from .faults import Fault, not_found
from .guard import GUARD
from .http_pool import check_encryption, chunks, kind_of, open_pool
from .tree import Piece

_HOPS = 3


class Web:
    """`verbs.Tree` on a web server, which cannot list."""

    def __init__(self, place: HttpPlace, credential: dict[str, str], ca_file: str) -> None:
        self._base, token = place.url, credential.get("token", "")
        self._secret = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = open_pool(ca_file)

    def info(self, path: tuple[str, ...]) -> Entry:
        """By HEAD."""
        if not path:
            return Entry(path="", type="folder")
        return _entry(path, self._ask("HEAD", path, {}))

    def listing(self, path: tuple[str, ...], after: str, limit: int) -> tuple[list[Entry], str]:
        """Not possible."""
        raise Fault("invalid", "a web server cannot be listed; name the file")

    def read(self, path: tuple[str, ...], start: int, end: int | None, etag: str) -> Piece:
        """By a range, where the server knows ranges; else only from the start."""
        headers: dict[str, str] = {}
        whole = start == 0 and end is None
        if not whole:
            headers["Range"] = f"bytes={start}" if start < 0 else f"bytes={start}-{'' if end is None else end - 1}"
        answer = self._ask("GET", path, headers, preload_content=False)
        told = answer.headers.get("Content-Length", "")
        if not told.isdecimal():
            answer.close()
            raise Fault(
                "invalid", "the web server does not say how long this file is, so no one could tell a part of it"
            )
        length = int(told)
        size, first = length, 0
        if answer.status == 206:
            span, _, total = answer.headers["Content-Range"].removeprefix("bytes ").partition("/")
            first, size = int(span.partition("-")[0]), int(total)
        elif not whole:
            answer.close()
            raise Fault("invalid", "this web server cannot give parts of a file; read it whole")
        version = _version(answer, size)
        # Compared here: a server may know no ETag, or only a weak one, which If-Match never matches (RFC 9110, 13.1.1).
        if etag and version != etag:
            answer.close()
            raise Fault("changed", "the file is not the version that was asked for")
        return Piece(size, version, first, length, chunks(answer, length, "the web server"))

    def write(self, path: tuple[str, ...], content: Iterator[bytes], only_new: bool) -> Entry:
        """Not possible."""
        raise Fault("invalid", "a web source is read-only")

    def test(self, writable: bool) -> list[Check]:
        """Asks for the folder itself: any answer proves the way; only 401 and 403 say that it is closed."""
        try:
            self._ask("HEAD", (), {})
        except Fault as fault:
            if fault.kind == "refused" and GUARD.refused is None:
                advice = "check the token"
                return [
                    Check(question="reachable", ok=True),
                    Check(question="readable", ok=False, answer=fault.message, advice=advice),
                ]
            if fault.kind not in ("not_found", "invalid"):
                advice = "check the URL and the platform's open networks"
                return [Check(question="reachable", ok=False, answer=fault.message, advice=advice)]
        told = "a web server has no folders to look into; a sample of a file tells"
        return [Check(question="reachable", ok=True), Check(question="exists", ok=None, answer=told)]

    def _ask(self, method: str, path: tuple[str, ...], headers: dict[str, str], **options: Any) -> Any:
        answer = self._follow(method, self._base + "/".join(quote(part, safe="") for part in path), headers, options)
        status = answer.status
        if status < 300:
            return answer
        answer.close()
        if status in (404, 410):
            raise not_found(join_path(path))
        if status in (401, 403):
            raise Fault("refused", f"the web server refused this ({status})")
        raise Fault(kind_of(status), f"the web server answered {status}")

    def _follow(self, method: str, url: str, headers: dict[str, str], options: dict[str, Any]) -> Any:
        """The last answer of a chain; every hop is judged, and the token goes to the source's own server only."""
        home = _server(url)
        for _ in range(_HOPS + 1):
            check_encryption(url)
            sent = {"Accept-Encoding": "identity"} | headers | (self._secret if _server(url) == home else {})
            try:
                answer = self._pool.request(method, url, headers=sent, redirect=False, **options)
            except urllib3.exceptions.HTTPError as problem:
                raise Fault("unavailable", f"the web server does not answer ({type(problem).__name__})") from problem
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            answer.close()
            url = urljoin(url, answer.headers.get("Location", ""))
            if _server(url) is None:
                raise Fault("refused", "the web server sends elsewhere than to a web address; nothing was sent there")
        raise Fault("unavailable", f"the web server sends on more than {_HOPS} times")


def _server(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a URL; None: it is no plain one of a web server."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname and "@" not in parts.netloc else None


def _entry(path: tuple[str, ...], answer: Any) -> Entry:
    length, modified = answer.headers.get("Content-Length"), answer.headers.get("Last-Modified")
    size = int(length) if length else None
    return Entry(
        path=join_path(path),
        type="file",
        size=size,
        etag=_version(answer, size),
        modified_at=parsedate_to_datetime(modified) if modified else None,
    )


def _version(answer: Any, size: int | None) -> str:
    """The file's ETag, or what else changes with it; empty where the server tells nothing of the kind."""
    tag = str(answer.headers.get("ETag", "")).removeprefix("W/").strip('"')
    modified = answer.headers.get("Last-Modified")
    return tag or (hashlib.sha256(f"{modified} {size}".encode()).hexdigest()[:16] if modified else "")
