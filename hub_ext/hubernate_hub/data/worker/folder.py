"""A folder of the platform's machine. Each component is opened below the one before and no link is ever followed, so
that no path, however it changes meanwhile, leaves the folder (B19).
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from hubernate_core.source_path import join_path, split_path
from hubernate_core.source_place import FilesPlace
from hubernate_core.source_view import Check, Entry

from ..frames import CHUNK
from .faults import Fault, not_found
from .tree import Piece

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_DRAFT = ".hubernate-upload-"


class Folder:
    """`verbs.Tree` on a folder."""

    def __init__(self, place: FilesPlace, folders: dict[str, str]) -> None:
        root = folders.get(place.folder)
        if root is None:
            raise Fault("not_found", f"the platform has no folder {place.folder!r}; see c.DataGateway.folders")
        self._root, self._prefix = root, split_path(place.prefix)

    def info(self, path: tuple[str, ...]) -> Entry:
        """What is at `path`."""
        if not path:
            return Entry(path="", type="folder")
        with self._inside(path[:-1]) as parent:
            return _entry(path, self._status(parent, path))

    def listing(self, path: tuple[str, ...], after: str, limit: int) -> tuple[list[Entry], str]:
        """Entries by name; links and special files are not there."""
        with self._inside(path) as folder:
            held = os.listdir(folder)  # noqa: PTH208  a descriptor, not a path
            names = sorted(name for name in held if name > after and not name.startswith(_DRAFT))
            found: list[Entry] = []
            for name in names:
                if len(found) == limit:
                    return found, found[-1].path.rpartition("/")[2]
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                    found.append(_entry((*path, name), status))
        return found, ""

    def read(self, path: tuple[str, ...], start: int, end: int | None, etag: str) -> Piece:
        """Bytes of a regular file."""
        file = self._open(path)
        status = os.fstat(file)
        if etag and etag != _etag(status):
            os.close(file)
            raise Fault("changed", "the file has changed since; open it again")
        start = max(0, status.st_size + start) if start < 0 else min(start, status.st_size)
        stop = status.st_size if end is None else min(end, status.st_size)
        return Piece(status.st_size, _etag(status), start, max(0, stop - start), _chunks(file, start, stop))

    def write(self, path: tuple[str, ...], content: Iterator[bytes], only_new: bool) -> Entry:
        """Beside it, then renamed; missing folders are made."""
        if not path:
            raise Fault("invalid", "a file needs a name")
        with self._inside(path[:-1], make=True) as folder:
            draft = f"{_DRAFT}{secrets.token_hex(8)}"
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o664, dir_fd=folder)
            try:
                with os.fdopen(file, "wb") as out:
                    for part in content:
                        out.write(part)
                    out.flush()
                    os.fsync(out.fileno())
                if only_new:
                    os.link(draft, path[-1], src_dir_fd=folder, dst_dir_fd=folder)
                    os.unlink(draft, dir_fd=folder)
                else:
                    os.rename(draft, path[-1], src_dir_fd=folder, dst_dir_fd=folder)
            except FileExistsError as problem:
                os.unlink(draft, dir_fd=folder)
                raise Fault("changed", "there is a file of that name already; it was left as it is") from problem
            except BaseException:
                os.unlink(draft, dir_fd=folder)
                raise
            return _entry(path, self._status(folder, path))

    def test(self, writable: bool) -> list[Check]:
        """Whether the folder is there, and what the service may do in it."""
        try:
            with self._inside(()) as folder:
                readable = os.access(".", os.R_OK | os.X_OK, dir_fd=folder, effective_ids=True)
                may_write = os.access(".", os.W_OK, dir_fd=folder, effective_ids=True)
        except Fault as fault:
            advice = "make the folder, or correct folder and prefix"
            return [Check(question="reachable", ok=True), _check("exists", False, fault.message, advice)]
        advice = f"give uid {os.geteuid()} the right on the folder"
        checks = [
            Check(question="reachable", ok=True),
            Check(question="exists", ok=True),
            _check("readable", readable, "the service may not read there", advice),
        ]
        return (
            [*checks, _check("writable", may_write, "the service may not write there", advice)] if writable else checks
        )

    @contextmanager
    def _inside(self, path: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        whole = (*self._prefix, *path)
        try:
            here = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as problem:
            raise Fault("unavailable", f"the platform's folder cannot be opened ({problem.strerror})") from problem
        try:
            for name in whole:
                if make:
                    _make(name, here)
                below = os.open(name, _FOLDER, dir_fd=here)
                os.close(here)
                here = below
            yield here
        except (FileNotFoundError, NotADirectoryError) as problem:
            raise not_found(join_path(path)) from problem
        except PermissionError as problem:
            raise Fault("refused", "the platform may not go there; ask an admin") from problem
        except OSError as problem:
            if problem.errno == 40:  # ELOOP: a link where a folder should be
                raise not_found(join_path(path)) from problem
            raise
        finally:
            os.close(here)

    def _status(self, parent: int, path: tuple[str, ...]) -> os.stat_result:
        status = os.stat(path[-1], dir_fd=parent, follow_symlinks=False)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise not_found(join_path(path))
        return status

    def _open(self, path: tuple[str, ...]) -> int:
        if not path:
            raise Fault("invalid", "this is a folder")
        with self._inside(path[:-1]) as parent:
            file = os.open(path[-1], _FILE, dir_fd=parent)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise Fault("invalid", f"{join_path(path)!r} is not a file")
        return file


def _make(name: str, parent: int) -> None:
    try:
        os.mkdir(name, 0o775, dir_fd=parent)
    except FileExistsError:
        return


def _chunks(file: int, start: int, stop: int) -> Iterator[bytes]:
    try:
        while start < stop:
            part = os.pread(file, min(CHUNK, stop - start), start)
            if not part:
                raise Fault("changed", "the file became shorter while it was read")
            start += len(part)
            yield part
    finally:
        os.close(file)


def _entry(path: tuple[str, ...], status: os.stat_result) -> Entry:
    folder = stat.S_ISDIR(status.st_mode)
    return Entry(
        path=join_path(path),
        type="folder" if folder else "file",
        size=None if folder else status.st_size,
        etag="" if folder else _etag(status),
        modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
    )


def _etag(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def _check(question: str, ok: bool, answer: str, advice: str) -> Check:
    return Check(question=question, ok=ok, answer="" if ok else answer, advice="" if ok else advice)
