"""A job's log on disk: every byte as it was written, in chunks of 1 MiB named by their number.

Of a log that grows over its limit the beginning and the newest part are kept; in the place of what is between them a
reader is given a line that says so. An offset is a number of bytes from the beginning, whatever is kept.
"""

import ctypes
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from hubernate_core.errors import Conflict
from hubernate_core.quantity import show_bytes

CHUNK = 1024 * 1024
RAW_MAX = 1024**3
"""Bytes of a raw log that may be on disk, or not moved yet: more comes faster than it can be kept, or is a hole."""
_MOVED_AT_ONCE = 8 * CHUNK
_PUNCH_HOLE_KEEP_SIZE = 0x03
"""fallocate(2), linux/falloc.h"""
_libc = ctypes.CDLL(None, use_errno=True)
_CUT = b"\n[the job emptied its log file here; what it wrote just before may be missing]\n"
_SEEN = 64
"""Bytes before the place where a raw log is read on, by which one that was emptied and grew again is known."""


@dataclass(frozen=True)
class Part:
    """A piece of a log. `next` is the offset after it; `content` is empty at the end."""

    content: bytes
    next: int


class LogWriter:
    """Appends to the log in `folder`; goes on where an earlier one was killed.

    Args:
        keep_bytes: how much is kept; a quarter of it from the beginning.
    """

    def __init__(self, folder: Path, keep_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        chunks = max(4, keep_bytes // CHUNK)
        self._head, self._tail = chunks // 4, chunks - chunks // 4
        self.size = size_of(folder)
        self._file = self._chunk(self.size // CHUNK).open("ab", buffering=0)

    def write(self, content: bytes) -> None:
        """Append `content`."""
        view = memoryview(content)
        while view:
            room = CHUNK - self.size % CHUNK
            written = self._file.write(view[:room]) or 0
            self.size += written
            view = view[written:]
            if self.size % CHUNK == 0 and written:
                self._turn()

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _turn(self) -> None:
        number = self.size // CHUNK
        self._file.close()
        self._file = self._chunk(number).open("ab", buffering=0)
        dropped = number - self._tail
        if dropped >= self._head:
            self._chunk(dropped).unlink(missing_ok=True)

    def _chunk(self, number: int) -> Path:
        return self._folder / f"{number:08}"


class RawLog:
    """The file that a job's container writes to. What was moved away is given back to the disk, so that it stays small
    however much is written; its length stays. The program may empty it, by opening ``/dev/stderr`` anew: beside it is
    then kept at which size of the log (its base) it begins.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._base_file = path, path.with_name(f"{path.name}.base")
        self._seen = b""

    def make(self) -> None:
        """An empty one, for the container's user to write."""
        self.remove()
        make_raw(self._path)

    def remove(self) -> None:
        """Delete it. A container that still has it open goes on writing into nothing."""
        self._seen = b""
        self._path.unlink(missing_ok=True)
        self._base_file.unlink(missing_ok=True)

    def move(self, writer: LogWriter) -> bool:
        """Append what `writer` does not have yet, up to 8 MiB of it; whether there was anything.

        Raises:
            Conflict: it is over `RAW_MAX`; it was emptied, and the job is to be stopped.
        """
        with self._path.open("r+b", buffering=0) as file:
            found, at = os.fstat(file.fileno()), writer.size - self._base()
            if found.st_size < at or self._was_emptied(file.fileno(), at):
                at, self._seen = -len(_CUT), b""
                self._rebase(writer.size - at)
            if at < 0:  # written after the base, so that a service killed in between writes the rest
                writer.write(_CUT[at:])
                return True
            if max(found.st_size - at, found.st_blocks * 512) > RAW_MAX:
                file.truncate(0)
                raise Conflict(
                    f"its log file held more than {show_bytes(RAW_MAX)} that could not be kept in time, so it was"
                    " stopped. Write less to stdout and stderr, and what is large into a file among the outputs"
                )
            content = os.pread(file.fileno(), _MOVED_AT_ONCE, at)
            if not content:
                return False
            writer.write(content)
            self._seen = (self._seen + content)[-_SEEN:]
            give_back(file.fileno(), max(0, at + len(content) - _SEEN) // CHUNK * CHUNK)
        return True

    def _was_emptied(self, file: int, at: int) -> bool:
        return bool(self._seen) and os.pread(file, len(self._seen), at - len(self._seen)) != self._seen

    def _base(self) -> int:
        return int(self._base_file.read_text()) if self._base_file.exists() else 0

    def _rebase(self, base: int) -> None:
        new = self._base_file.with_suffix(".new")
        new.write_text(str(base))
        new.replace(self._base_file)


def make_raw(path: Path) -> None:
    """An empty file for a container's user to write: nobody else gets into the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(0o666)
    path.chmod(0o666)


def give_back(file: int, length: int) -> None:
    """Let go of the first `length` bytes on disk. A file system that cannot keeps them until the job is over."""
    if length:
        _libc.fallocate(file, _PUNCH_HOLE_KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(length))


def size_of(folder: Path) -> int:
    """Bytes that were written to a log, also of those that are not kept."""
    numbers = _numbers(folder)
    return numbers[-1] * CHUNK + (folder / f"{numbers[-1]:08}").stat().st_size if numbers else 0


def read(folder: Path, offset: int, limit: int = CHUNK) -> Part:
    """At most `limit` bytes from `offset` on; what is not kept is told in a line of its own."""
    numbers = _numbers(folder)
    here = [each for each in numbers if each >= offset // CHUNK]
    if not here:
        return Part(b"", offset)
    if here[0] > offset // CHUNK:
        return _gap(offset, here[0] * CHUNK)
    try:
        with (folder / f"{here[0]:08}").open("rb") as file:
            file.seek(offset % CHUNK)
            content = file.read(min(limit, CHUNK))
    except FileNotFoundError:  # dropped just now
        return _gap(offset, (here[0] + 1) * CHUNK)
    return Part(content, offset + len(content))


def _gap(offset: int, next: int) -> Part:
    return Part(f"\n[{next - offset} bytes of the log were not kept here]\n".encode(), next)


def tail(folder: Path, limit: int) -> bytes:
    """The last `limit` bytes of what is kept."""
    size, content = size_of(folder), bytearray()
    offset = max(0, size - limit)
    while offset < size:
        part = read(folder, offset)
        if not part.content:
            break
        content += part.content
        offset = part.next
    return bytes(content)


def drop(folder: Path) -> None:
    """Delete a log, or anything else that is kept of a job."""
    shutil.rmtree(folder, ignore_errors=True)


def _numbers(folder: Path) -> list[int]:
    return sorted(int(each.name) for each in folder.iterdir()) if folder.is_dir() else []
