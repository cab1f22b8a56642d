"""What is kept of a job that ended: files below its folder, copied byte by byte. A link is never followed."""

import os
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from docker import APIClient

from hubernate_core.errors import InvalidInput, NotFound, shorten
from hubernate_core.job_request import check_job_path
from hubernate_core.job_view import Output
from hubernate_core.manifests.docker_job import FOLDER
from hubernate_core.quantity import show_bytes

from .engine import is_link

FILES_MAX = 1000
_LEFT_OUT_MAX = 50
_PIECE = 1024 * 1024


@dataclass
class Kept:
    """What was kept, and one sentence for each thing that was not."""

    outputs: list[Output] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def leave_out(self, path: str, why: str) -> None:
        """Say that something was not kept."""
        if len(self.left_out) < _LEFT_OUT_MAX:
            self.left_out.append(f"{shorten(path, 200)}: {why}")


def collect(client: APIClient, container: str, paths: Iterable[str], target: Path, max_bytes: int) -> Kept:
    """Copy `paths` of an ended container into `target`, an empty folder.

    Args:
        paths: below the job's folder, checked when the job was submitted.
        max_bytes: of all together; the file that goes over it and those after it are left out.
    """
    kept = Kept()
    room = max_bytes
    for path in dict.fromkeys(paths):
        try:
            link = next((each for each in _way(path) if is_link(client, container, f"{FOLDER}/{each}")), None)
            if link is not None:
                kept.leave_out(path, f"{link} is a symbolic link; write the file itself below the job's folder")
                continue
            stream, _ = client.get_archive(container, f"{FOLDER}/{path}", chunk_size=_PIECE)
        except NotFound:
            kept.leave_out(path, "the job did not write it")
            continue
        room = _copy(_Pieces(stream), path, target, room, kept)
    return kept


def _way(path: str) -> list[str]:
    """Every folder on the way to `path`, and it itself: ``a/b/c`` is a, a/b, a/b/c."""
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts) + 1)]


def _copy(source: "_Pieces", path: str, target: Path, room: int, kept: Kept) -> int:
    above = path.rpartition("/")[0]
    with tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|") as tar:
        for member in tar:
            name = f"{above}/{member.name}".strip("/")
            if member.isdir():
                continue
            if not member.isreg():
                kept.leave_out(name, "it is a link or no plain file")
                continue
            try:
                check_job_path(name, "outputs")
            except InvalidInput as problem:
                kept.leave_out(name, problem.reason)
                continue
            if len(kept.outputs) >= FILES_MAX:
                kept.leave_out(name, f"over {FILES_MAX} files")
                continue
            if member.size > room:
                kept.leave_out(name, f"with its {show_bytes(member.size)} the outputs are larger than what is kept")
                continue
            content = tar.extractfile(member)
            assert content is not None, "a regular file has content"
            _write(content, target / name)
            room -= member.size
            kept.outputs.append(Output(path=name, size=member.size))
    return room


def _write(content: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Never through something that is there: two outputs may name one file.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        while piece := content.read(_PIECE):
            file.write(piece)


class _Pieces:
    """The engine's pieces as a file to be read in order."""

    def __init__(self, pieces: Any) -> None:
        self._pieces = iter(pieces)
        self._rest = bytearray()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer at the end only."""
        while len(self._rest) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._rest += piece
        given = bytes(self._rest[:size])
        del self._rest[:size]
        return given
