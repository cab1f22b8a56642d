"""HDFS by WebHDFS: the name node is asked for names, and sends to a data node for bytes, which the guard judges anew.

A client of our own because the known ones (fsspec, requests) follow redirects by themselves, whatever they lead to,
and list a whole folder at once. Source: the WebHDFS REST API of Hadoop 3.4.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import urllib3

from hubernate_core.source_hadoop import HdfsPlace
from hubernate_core.source_path import join_path, split_path
from hubernate_core.source_view import Check, Entry

from .faults import Fault, not_found
from .guard import GUARD
from .http_pool import check_encryption, chunks, kind_of, open_pool
from .tree import Piece

_HOPS = 2
_ANSWER_MAX = 64 * 1024**2
_ABSENT = {"FileNotFoundException", "UnresolvedPathException"}
_STANDBY = {"StandbyException", "RetriableException", "SafeModeException"}
_DENIED = (401, 403)


class Hdfs:
    """`verbs.Tree` on a folder of HDFS."""

    def __init__(self, place: HdfsPlace, token: str, ca_file: str) -> None:
        self._name_nodes = [url for url in (place.url, place.standby_url) if url]
        self._prefix = split_path(place.prefix)
        self._who = {"delegation": token} if token else {"user.name": place.user} if place.user else {}
        self._pool = open_pool(ca_file)

    def info(self, path: tuple[str, ...]) -> Entry:
        """What is at `path`."""
        status = self._ask(path, "GETFILESTATUS")["FileStatus"]
        if status.get("type") not in ("FILE", "DIRECTORY"):
            raise not_found(join_path(path))
        return _entry(path, status)

    def listing(self, path: tuple[str, ...], after: str, limit: int) -> tuple[list[Entry], str]:
        """One page by name, as many as the name node gives at once; links are not there."""
        try:
            page = self._ask(path, "LISTSTATUS_BATCH", **({"startAfter": after} if after else {}))["DirectoryListing"]
            statuses, left = page["partialListing"]["FileStatuses"]["FileStatus"], page["remainingEntries"]
        except _Unknown:  # before Hadoop 2.8
            statuses, left = self._ask(path, "LISTSTATUS")["FileStatuses"]["FileStatus"], 0
            statuses = sorted((each for each in statuses if each["pathSuffix"] > after), key=_name)
        if len(statuses) == 1 and not statuses[0]["pathSuffix"] and not after:
            raise not_found(join_path(path))  # a file, which HDFS lists as itself
        page, more = statuses[:limit], left or len(statuses) > limit
        found = [
            _entry((*path, each["pathSuffix"]), each)
            for each in page
            if each.get("type") in ("FILE", "DIRECTORY") and _is_name(each["pathSuffix"])
        ]
        return found, page[-1]["pathSuffix"] if more and page else ""

    def read(self, path: tuple[str, ...], start: int, end: int | None, etag: str) -> Piece:
        """A range, asked for by offset and length."""
        entry = self.info(path)
        if entry.type != "file":
            raise Fault("invalid", f"{join_path(path)!r} is a folder")
        if etag and entry.etag != etag:
            raise Fault("changed", "the file has changed since; open it again")
        size = entry.size or 0
        start = max(0, size + start) if start < 0 else min(start, size)
        length = max(0, (size if end is None else min(end, size)) - start)
        if not length:
            return Piece(size, entry.etag, start, 0, iter(()))
        answer = self._send(path, "OPEN", {"offset": str(start), "length": str(length)})
        return Piece(size, entry.etag, start, length, chunks(answer, length, "the data node"))

    def write(self, path: tuple[str, ...], content: Iterator[bytes], only_new: bool) -> Entry:
        """Not possible."""
        raise Fault("invalid", "an HDFS source is read only")

    def test(self, writable: bool) -> list[Check]:
        """Lists the folder, and reads a byte of a file in it: the name node may be open and the data nodes not."""
        try:
            entries, _ = self.listing((), "", 50)
        except Fault as fault:
            return _failed_listing(fault)
        checks = [Check(question="reachable", ok=True), Check(question="exists", ok=True)]
        file = next((each for each in entries if each.type == "file" and each.size), None)
        if file is None:
            told = "it may be listed; there is no file at the top by which to try the data nodes"
            return [*checks, Check(question="readable", ok=None, answer=told)]
        try:
            for _part in self.read(split_path(file.path), 0, 1, "").chunks:
                pass
        except Fault as fault:
            advice = "let the user read the files, and open the data nodes' addresses (c.DataGateway.open_networks)"
            return [*checks, Check(question="readable", ok=False, answer=fault.message, advice=advice)]
        return [*checks, Check(question="readable", ok=True)]

    def _ask(self, path: tuple[str, ...], operation: str, **values: str) -> dict[str, Any]:
        """What the name node answers in JSON."""
        answer = self._send(path, operation, values)
        content = answer.read(_ANSWER_MAX + 1)
        answer.close() if len(content) > _ANSWER_MAX else answer.release_conn()
        if len(content) > _ANSWER_MAX:
            raise Fault("large", f"the folder {join_path(path)!r} has too many entries to list; name one further down")
        try:
            found: dict[str, Any] = json.loads(content)
        except ValueError as problem:
            raise Fault("unavailable", "what answers at the source's URL does not speak WebHDFS") from problem
        return found

    def _send(self, path: tuple[str, ...], operation: str, values: dict[str, str]) -> Any:
        where = "/".join(quote(part, safe="") for part in (*self._prefix, *path))
        asked = f"/webhdfs/v1/{where}?" + urlencode({"op": operation} | values | self._who)
        problem: Fault = _Standby()
        for name_node in tuple(self._name_nodes):
            try:
                return self._follow(name_node + asked, path)
            except _Standby as standby:
                problem = standby
            # The one that answers is asked first from now on.
            self._name_nodes.append(self._name_nodes.pop(0))
        raise problem

    def _follow(self, url: str, path: tuple[str, ...]) -> Any:
        """The answer, of the name node or of the data node that it sends to; every hop passes the guard."""
        told_by = "the name node"
        for _ in range(_HOPS + 1):
            check_encryption(url)
            try:
                answer = self._pool.request("GET", url, redirect=False, preload_content=False)
            except urllib3.exceptions.HTTPError as problem:
                fault = Fault("unavailable", f"{told_by} does not answer ({type(problem).__name__})")
                raise (_Standby(fault.message) if told_by == "the name node" else fault) from problem
            if answer.status == 200:
                return answer
            if answer.status not in (301, 302, 303, 307, 308):
                raise _fault(answer, path, told_by)
            answer.close()
            url, told_by = urljoin(url, answer.headers.get("Location", "")), "the data node"
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or "@" in parts.netloc:
                raise Fault("refused", "the name node sends elsewhere than to a data node; nothing was sent there")
        raise Fault("unavailable", "the name node sends in circles")


class _Standby(Fault):
    """Not this name node; perhaps the other."""

    def __init__(self, message: str = "the name node is on standby; add the other one as standby_url") -> None:
        super().__init__("unavailable", message)


class _Unknown(Fault):
    """An operation that an older server does not know."""


@lru_cache(1)
def open_hdfs(place: HdfsPlace, token: str, ca_file: str) -> Hdfs:
    """Kept for the next call with its connections: a process serves one source."""
    return Hdfs(place, token, ca_file)


def _fault(answer: Any, path: tuple[str, ...], told_by: str) -> Fault:
    name = _exception(answer.read(65536))
    answer.close()
    if name in _STANDBY:
        return _Standby()
    if name in _ABSENT:
        return not_found(join_path(path))
    if answer.status in _DENIED:
        why = name or ("no credential, or one that ended" if answer.status == 401 else "its own rules")
        return Fault("refused", f"{told_by} refused this ({why}): the source's user or token does not allow it")
    if answer.status == 400 and name == "IllegalArgumentException":
        return _Unknown("invalid", f"{told_by} does not know this request; it may be too old")
    if answer.status == 404:
        return Fault("invalid", "there is no WebHDFS at the source's URL")
    return Fault(kind_of(answer.status), f"{told_by} answered {answer.status} {name}".rstrip())


def _exception(content: bytes) -> str:
    """The name of the error, which is all that is told of it: its message has paths above the source's root."""
    try:
        name = json.loads(content)["RemoteException"]["exception"]
    except (ValueError, KeyError, TypeError):
        return ""
    return name if isinstance(name, str) and re.fullmatch(r"[A-Za-z]{1,60}", name) else ""


def _entry(path: tuple[str, ...], status: dict[str, Any]) -> Entry:
    folder, changed = status["type"] == "DIRECTORY", int(status.get("modificationTime", 0))
    version = f"{int(status.get('fileId', 0)):x}-{changed:x}-{int(status['length']):x}"
    return Entry(
        path=join_path(path),
        type="folder" if folder else "file",
        size=None if folder else int(status["length"]),
        etag="" if folder else version,
        modified_at=datetime.fromtimestamp(changed / 1000, UTC) if changed else None,
    )


def _name(status: dict[str, Any]) -> bytes:
    return str(status["pathSuffix"]).encode()


def _is_name(text: str) -> bool:
    return bool(text) and text not in (".", "..") and "/" not in text


def _failed_listing(fault: Fault) -> list[Check]:
    refused = fault.kind == "refused" and GUARD.refused is None
    if refused or fault.kind == "not_found":
        question, advice = ("readable", "check user or token, and let it read the folder") if refused else (
            "exists", "correct the prefix, or make the folder")  # fmt: skip
        before = [Check(question="reachable", ok=True)] + ([Check(question="exists", ok=None)] if refused else [])
        return [*before, Check(question=question, ok=False, answer=fault.message, advice=advice)]
    advice = "check URL, standby_url and the platform's open networks"
    return [Check(question="reachable", ok=False, answer=fault.message, advice=advice)]
