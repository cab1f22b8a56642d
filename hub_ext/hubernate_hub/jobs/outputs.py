"""What is kept of a job that ended: files below its folder, copied byte by byte. A link is never followed.

What the job wrote decides what is here: a path that cannot be read or written is left out with its reason, and what
the engine sends has an end. Only where the engine itself is away is there an error, and all is copied anew.
"""

import contextlib
import os
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import requests
from docker import APIClient

from hubernate_core.errors import Conflict, InvalidInput, NotFound, shorten
from hubernate_core.job_request import check_job_path
from hubernate_core.job_view import Output
from hubernate_core.manifests.docker_job import FOLDER
from hubernate_core.quantity import show_bytes

from .archive import is_link, read_archive

FILES_MAX = 1000
_LEFT_OUT_MAX = 50
_PIECE = 1024 * 1024
_WITHOUT_FILES_MAX = 64 * 1024**2
"""Bytes that the engine may send beside what is kept: headers of folders, links, and files that are left out."""
DEADLINE_S = 900.0
"""For all outputs of one attempt."""


@dataclass
class Kept:
    """What was kept, and one sentence for each thing that was not."""

    outputs: list[Output] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def leave_out(self, path: str, why: str) -> None:
        """Say that something was not kept."""
        if len(self.left_out) < _LEFT_OUT_MAX:
            self.left_out.append(f"{shorten(path, 200)}: {why}")


def kept_in(folder: Path) -> list[Output]:
    """The files that are kept in a folder; none where there is no folder."""
    files = sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink())
    return [Output(path=each.relative_to(folder).as_posix(), size=each.stat().st_size) for each in files]


class _Enough(Exception):
    """Nothing more is to be kept of this job; the text says why."""


def collect(
    client: APIClient,
    container: str,
    paths: Iterable[str],
    target: Path,
    max_bytes: int,
    deadline_s: float = DEADLINE_S,
) -> Kept:
    """Copy `paths` of an ended container into `target`, an empty folder.

    Args:
        paths: below the job's folder, checked when the job was submitted.
        max_bytes: of all together; the file that goes over it and those after it are left out.
        deadline_s: for all together.
    """
    copy = _Copy(client, container, target, max_bytes, time.monotonic() + deadline_s)
    wanted = list(dict.fromkeys(paths))
    for number, path in enumerate(wanted):
        try:
            copy.path(path)
        except _Enough as enough:
            for each in wanted[number:]:
                copy.kept.leave_out(each, str(enough) if each == path else "it comes after what was too much")
            break
        except NotFound:
            copy.kept.leave_out(path, "the job did not write it")
        except Conflict as problem:
            copy.kept.leave_out(path, problem.message)
    return copy.kept


def _way(path: str) -> list[str]:
    """Every folder on the way to `path`, and it itself: ``a/b/c`` is a, a/b, a/b/c."""
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts) + 1)]


@dataclass
class _Copy:
    client: APIClient
    container: str
    target: Path
    room: int
    deadline: float
    kept: Kept = field(default_factory=Kept)

    def path(self, path: str) -> None:
        link = next((each for each in _way(path) if is_link(self.client, self.container, f"{FOLDER}/{each}")), None)
        if link is not None:
            self.kept.leave_out(path, f"{link} is a symbolic link; write the file itself below the job's folder")
            return
        with read_archive(self.client, self.container, f"{FOLDER}/{path}", _PIECE) as pieces:
            source = _Pieces(pieces, self.room + _WITHOUT_FILES_MAX, self.deadline)
            try:
                self._members(source, path.rpartition("/")[0])
            except tarfile.TarError as problem:
                self.kept.leave_out(path, f"what the engine sent of it could not be read: {shorten(str(problem), 100)}")

    def _members(self, source: "_Pieces", above: str) -> None:
        with tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|") as tar:
            for member in tar:
                name = f"{above}/{member.name}".strip("/")
                if member.isdir():
                    continue
                if not member.isreg():
                    self.kept.leave_out(name, "it is a link or no plain file")
                    continue
                try:
                    check_job_path(name, "outputs")
                except InvalidInput as problem:
                    self.kept.leave_out(name, problem.reason)
                    continue
                if len(self.kept.outputs) >= FILES_MAX:
                    raise _Enough(f"over {FILES_MAX} files; what comes after them was left out")
                if member.size > self.room:
                    size = show_bytes(member.size)
                    raise _Enough(f"with {shorten(name, 200)} and its {size} the outputs are larger than what is kept")
                content = tar.extractfile(member)
                assert content is not None, "a regular file has content"
                self._keep(content, name, member.size)

    def _keep(self, content: IO[bytes], name: str, size: int) -> None:
        path = self.target / name
        try:
            _write(content, path)
        except requests.RequestException:  # an OSError too, and the engine's
            raise
        except OSError as problem:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            self.kept.leave_out(name, f"it could not be kept: {problem.strerror}")
            return
        self.room -= size
        self.kept.outputs.append(Output(path=name, size=size))


def _write(content: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Never through something that is there: two outputs may name one file.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        while piece := content.read(_PIECE):
            file.write(piece)


class _Pieces:
    """The engine's pieces as a file to be read in order, up to an end and a deadline of ours."""

    def __init__(self, pieces: Any, most: int, deadline: float) -> None:
        self._pieces = iter(pieces)
        self._rest = bytearray()
        self._most, self._deadline = most, deadline

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer at the end only."""
        while len(self._rest) < size:
            if time.monotonic() > self._deadline:
                raise _Enough("the outputs took too long to copy; the rest was left out")
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._most -= len(piece)
            if self._most < 0:
                raise _Enough("there is too much beside plain files; the rest was left out")
            self._rest += piece
        given = bytes(self._rest[:size])
        del self._rest[:size]
        return given
