"""Moving large blobs: an upload that follows a growing spool and goes on where it broke off, and reading back by
digest."""

import hashlib
import time
from collections.abc import Callable, Iterator

import httpx

from hubernate_core.checkpoint import Layer
from hubernate_core.errors import Broken, HubernateError, NotFound, Unavailable

from .channel import Channel
from .patience import Patience
from .registry import Registry, check, digest_of
from .spool import Spool

_READ_SIZE = 1024 * 1024
_RESTARTS = 3


class Upload:
    """One spooled blob on its way into one repository.

    Args:
        moved: called with the number of bytes sent so far.
        deadline: `time.monotonic()` moment after which a slow registry has had its time.
    """

    def __init__(
        self, registry: Registry, repository: str, spool: Spool | Channel, moved: Callable[[int], None], deadline: float
    ) -> None:
        self._registry = registry
        self._repository = repository
        self._spool = spool
        self._moved = moved
        self._deadline = deadline
        self._location = ""

    def run(self, patience: Patience, *, look: bool = True) -> None:
        """Send everything and commit it; with `look`, not what the registry says it has already.

        Raises:
            Unavailable, Full, NotAllowed: as the registry answers, after `patience`.
            Broken: the registry keeps getting other bytes than we send.
            OSError: the spool failed.
        """
        restarts = 0
        while True:
            try:
                self._attempt(patience, look)
                return
            except NotFound:  # the registry forgot the upload: from the start
                self._location = ""
            except _Mixed as problem:
                self._location = ""
                if restarts >= _RESTARTS:
                    raise Broken(str(problem), repository=self._repository) from problem
            except Unavailable as problem:
                if type(problem) is not Unavailable:
                    raise
                patience.endure(problem)
                continue
            restarts += 1
            if restarts > _RESTARTS:
                patience.endure(Unavailable("the registry keeps forgetting uploads", repository=self._repository))

    def once(self) -> None:
        """Send and commit what can be read only once. Raises as `run` does, after the first trouble."""
        try:
            self._commit(self._patch(self._start()))
        except _Mixed as problem:
            raise Unavailable(str(problem), repository=self._repository) from problem

    def _attempt(self, patience: Patience, look: bool) -> None:
        if (
            look
            and self._spool.digest
            and self._registry.blob_size(self._repository, self._spool.digest) == self._spool.size
        ):
            self._moved(self._spool.size)
            return
        at = self._resume() if self._location else self._start()
        self._commit(self._patch(at))
        patience.progress()

    def _commit(self, reached: int) -> None:
        digest = self._spool.wait()
        if reached != self._spool.size:
            raise Unavailable(f"the registry kept {reached} of {self._spool.size} bytes", repository=self._repository)
        separator = "&" if "?" in self._location else "?"
        try:
            self._registry.send("PUT", self._repository, f"{self._location}{separator}digest={digest}", content=b"")
        except Broken as problem:
            raise _Mixed(problem.message) from problem

    def _start(self) -> int:
        answer = self._registry.send("POST", self._repository, "blobs/uploads/", content=b"")
        self._location = answer.headers["Location"]
        return 0

    def _resume(self) -> int:
        answer = self._registry.send("GET", self._repository, self._location)
        self._location = answer.headers.get("Location", self._location)
        last = int(answer.headers.get("Range", "0-0").rpartition("-")[2])
        at = last + 1 if last else 0  # "0-0" is how an empty upload is reported
        if self._spool.digest and at > self._spool.size:
            raise _Mixed("the registry has more of the upload than we sent")
        return at

    def _patch(self, at: int) -> int:
        """Stream from byte `at`; how far the registry says it is."""
        url = self._registry.locate(self._repository, self._location)
        headers = {"Content-Type": "application/octet-stream", **self._registry.authorisation(self._repository)}
        try:
            answer = self._registry.client.patch(url, headers=headers, content=self._chunks(at))
        except httpx.TransportError as problem:
            raise Unavailable(
                f"upload: {str(problem)[:120] or type(problem).__name__}", repository=self._repository
            ) from problem
        check(answer, "PATCH of an upload", self._repository)
        self._location = answer.headers.get("Location", self._location)
        return int(answer.headers.get("Range", "0-0").rpartition("-")[2]) + 1

    def _chunks(self, at: int) -> Iterator[bytes]:
        for data in self._spool.follow(at):
            if time.monotonic() > self._deadline:
                raise TooSlow("the registry took too long for the upload", repository=self._repository)
            yield data
            at += len(data)
            self._moved(at)


class _Mixed(Exception):
    """The registry holds other bytes than we sent, as after a connection that broke in the middle."""


class TooSlow(Unavailable):
    """It works, but so slowly that the time for the whole operation is over."""


def read_back(registry: Registry, repository: str, layer: Layer) -> None:
    """Read a whole blob from the registry and compare it with its digest.

    Raises:
        Lost: it is not there, or is not what was sent.
        Unavailable, NotAllowed: as the registry answers.
    """
    hashed, size = hashlib.sha256(), 0
    try:
        for data in registry.download(repository, layer.digest):
            hashed.update(data)
            size += len(data)
    except NotFound as problem:
        raise Lost(f"the registry lost blob {layer.digest}", repository=repository) from problem
    if size != layer.size or f"sha256:{hashed.hexdigest()}" != layer.digest:
        raise Lost(f"the registry returns other bytes for blob {layer.digest}", repository=repository)


def put_small(registry: Registry, repository: str, body: bytes) -> str:
    """Store a small blob; its digest."""
    digest = digest_of(body)
    if registry.blob_size(repository, digest) == len(body):
        return digest
    location = registry.send("POST", repository, "blobs/uploads/", content=b"").headers["Location"]
    separator = "&" if "?" in location else "?"
    headers = {"Content-Type": "application/octet-stream"}
    registry.send("PUT", repository, f"{location}{separator}digest={digest}", content=body, headers=headers)
    return digest


class Lost(HubernateError):
    """Something that was pushed is not there any more; pushing it again may help."""
