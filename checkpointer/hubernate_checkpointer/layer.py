"""Writing changes as a layer's tar: whiteouts, opaque directories, hard links, holes, odd names; what cannot be kept
is noted.

Everything is opened relative to its directory and never through a symbolic link. While the container runs a file may
shrink, grow or vanish under us; the tar stays valid, and the layer written while it stands still has the truth.
"""

import errno
import os
import stat
from collections import defaultdict
from collections.abc import Mapping, Sequence

from hubernate_core.errors import Broken, shorten

from . import tar
from .blocks import Blocks
from .capture.index import DIRECTORY, DROPPED, FIFO, FILE, SYMLINK, UNNAMEABLE, Change, Node
from .capture.tree import OPEN_DIRECTORY, kind_of, refuse_tricks

OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_KEPT_XATTRS = ("user.", "system.posix_acl_")
_VANISHED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE})
_SHOWN = 3


class Notes:
    """What a layer could not keep, gathered by reason."""

    def __init__(self) -> None:
        self._paths: dict[str, list[str]] = defaultdict(list)
        self._counts: dict[str, int] = defaultdict(int)

    def add(self, reason: str, path: str) -> None:
        """One more path for `reason`."""
        shown = "/" + shorten(path, 80)
        if shown in self._paths[reason]:
            return
        self._counts[reason] += 1
        if len(self._paths[reason]) < _SHOWN:
            self._paths[reason].append(shown)

    def add_all(self, nodes: Mapping[str, Node]) -> None:
        """Everything in an index that no layer holds."""
        for path, node in nodes.items():
            if node.kind == DROPPED:
                self.add("Sockets and device files were left out", path)
            elif node.kind == UNNAMEABLE:
                self.add("Names that start with .wh. mean something else in an image and were left out", path)

    def sentences(self) -> tuple[str, ...]:
        """One sentence a reason."""
        return tuple(
            f"{reason}: {', '.join(self._paths[reason])}{f' and {count - _SHOWN} more' if count > _SHOWN else ''}"
            for reason, count in sorted(self._counts.items())
        )


class Directories:
    """The open directories on the way to the present path, for one root. Paths must come in tar order."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._open: list[tuple[str, int]] = []

    def fd(self, path: str) -> int:
        """A descriptor of the directory at `path` (empty: the root); valid until the next call."""
        while self._open and path != self._open[-1][0] and not path.startswith(self._open[-1][0] + "/"):
            os.close(self._open.pop()[1])
        at, fd = self._open[-1] if self._open else ("", self._root)
        for part in path[len(at) :].strip("/").split("/") if path != at else ():
            fd = os.open(part, OPEN_DIRECTORY, dir_fd=fd)
            at = f"{at}/{part}" if at else part
            self._open.append((at, fd))
        return fd

    def close(self) -> None:
        """Close them all."""
        while self._open:
            os.close(self._open.pop()[1])


class LayerWriter:
    """Writes one layer.

    Args:
        roots: open overlay directories that `Change.root` counts.
        out: where the tar goes.
        still: the container does not run, so anything that moves under us is an error.
    """

    def __init__(self, roots: Sequence[int], out: Blocks, notes: Notes, *, still: bool) -> None:
        self._directories = [Directories(root) for root in roots]
        self._out = out
        self._notes = notes
        self._still = still
        self._links: dict[tuple[int, int], bytes] = {}

    def write(self, changes: Sequence[Change]) -> None:
        """All of `changes`, in their order, and the end of the tar.

        Raises:
            Broken: the tree moved although it should stand still, or uses overlay features that cannot be saved.
            OSError: the disk failed.
        """
        try:
            for change in changes:
                self._entry(change)
        finally:
            for each in self._directories:
                each.close()
        self._out.write(tar.END)

    def _entry(self, change: Change) -> None:
        above, _, name = change.path.rpartition("/")
        if change.node is None:
            prefix = above + "/" if above else ""
            self._marker(f"{prefix}.wh.{name}")
            return
        if change.node.kind == UNNAMEABLE:
            return
        try:
            parent = self._directories[change.root].fd(above)
            if change.node.kind == DIRECTORY:
                self._directory(change)
            elif change.node.kind == FILE:
                self._file(parent, name, change.path)
            else:
                self._special(parent, name, change)
        except OSError as problem:
            if problem.errno not in _VANISHED:
                raise
            self._moved(change.path)

    def _moved(self, path: str) -> None:
        if self._still:
            raise Broken(
                f"/{shorten(path, 120)} changed while the container stood still; somebody else writes to its storage"
            )

    def _marker(self, path: str) -> None:
        self._out.write(tar.header(os.fsencode(path), tar.FILE, mode=0))

    def _directory(self, change: Change) -> None:
        fd = self._directories[change.root].fd(change.path)
        state = os.fstat(fd)
        self._out.write(
            tar.header(
                os.fsencode(change.path) + b"/",
                tar.DIRECTORY,
                mode=stat.S_IMODE(state.st_mode) & ~stat.S_ISUID,
                uid=state.st_uid,
                gid=state.st_gid,
                mtime_ns=state.st_mtime_ns,
                xattrs=self._xattrs(fd, change.path),
            )
        )
        if change.opaque:
            self._marker(change.path + "/.wh..wh..opq")

    def _file(self, parent: int, name: str, path: str) -> None:
        fd = os.open(name, OPEN_FILE, dir_fd=parent)
        try:
            state = os.fstat(fd)
            if not stat.S_ISREG(state.st_mode):
                self._moved(path)
                return
            encoded = os.fsencode(path)
            key = (state.st_dev, state.st_ino)
            link = self._links.get(key) if state.st_nlink > 1 else None
            mode = stat.S_IMODE(state.st_mode)
            if mode & (stat.S_ISUID | stat.S_ISGID):
                self._notes.add("The setuid or setgid bit of programs was left out", path)
                mode &= ~(stat.S_ISUID | stat.S_ISGID)
            self._out.write(
                tar.header(
                    encoded,
                    tar.FILE if link is None else tar.LINK,
                    mode=mode,
                    uid=state.st_uid,
                    gid=state.st_gid,
                    size=state.st_size if link is None else 0,
                    mtime_ns=state.st_mtime_ns,
                    link=link or b"",
                    xattrs=self._xattrs(fd, path) if link is None else None,
                )
            )
            if link is None:
                if state.st_nlink > 1:
                    self._links[key] = encoded
                self._content(fd, state, path)
        finally:
            os.close(fd)

    def _content(self, fd: int, state: os.stat_result, path: str) -> None:
        got = self._out.read_file(fd, state) if state.st_size else 0
        if got < state.st_size:
            self._moved(path)
        self._out.zeros(state.st_size - got + tar.padding(state.st_size))

    def _special(self, parent: int, name: str, change: Change) -> None:
        state = os.stat(name, dir_fd=parent, follow_symlinks=False)
        kind = kind_of(state)
        if kind not in (SYMLINK, FIFO):
            self._moved(change.path)
            return
        self._out.write(
            tar.header(
                os.fsencode(change.path),
                tar.SYMLINK if kind == SYMLINK else tar.FIFO,
                mode=stat.S_IMODE(state.st_mode),
                uid=state.st_uid,
                gid=state.st_gid,
                mtime_ns=state.st_mtime_ns,
                link=os.fsencode(os.readlink(name, dir_fd=parent)) if kind == SYMLINK else b"",
            )
        )

    def _xattrs(self, fd: int, path: str) -> dict[str, bytes] | None:
        names = os.listxattr(fd)
        if not names:
            return None
        refuse_tricks(names, path)
        if "security.capability" in names:
            self._notes.add("File capabilities of programs were left out", path)
        return {name: os.getxattr(fd, name) for name in names if name.startswith(_KEPT_XATTRS)}
