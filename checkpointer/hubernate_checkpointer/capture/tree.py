"""Scanning one overlay directory. Never follows a symbolic link: every step is relative to an open directory."""

import errno
import os
import stat
from collections.abc import Iterator, Set
from contextlib import contextmanager

from hubernate_core.errors import Broken, InvalidInput, shorten

from .exclude import is_emptied, is_excluded
from .index import DIRECTORY, DROPPED, FIFO, FILE, SYMLINK, UNNAMEABLE, WHITEOUT, Index, Node

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_RACED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_OPAQUE = "trusted.overlay.opaque"
_REFUSED = ("trusted.overlay.redirect", "trusted.overlay.metacopy")


@contextmanager
def opened(path: str) -> Iterator[int]:
    """The directory at `path`, open for reading."""
    fd = os.open(path, OPEN_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


class _Scan:
    def __init__(self, previous: Index, settled_ns: int | None, unsettled: Set[str], limit: int) -> None:
        self.old = previous.nodes
        self.seq = previous.seq + 1
        self.settled_ns = settled_ns
        self.unsettled = unsettled
        self.limit = limit
        self.nodes: dict[str, Node] = {}
        self.consistent = previous.consistent

    def directory(self, fd: int, prefix: str, forced: bool) -> None:
        for name, kind, state in _entries(fd):
            path = prefix + name
            if is_excluded(path, name):
                continue
            if name.startswith(".wh."):
                kind = UNNAMEABLE
            if kind == DIRECTORY:
                self._enter(fd, name, path, state, forced)
            else:
                self._put(path, kind, state, 0, forced)

    def _enter(self, parent: int, name: str, path: str, state: os.stat_result, forced: bool) -> None:
        try:
            fd = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
        except OSError as problem:
            if problem.errno not in _RACED:
                raise
            return  # it changed between listing and opening: the next scan sees what became of it
        try:
            old = self.old.get(path)
            was_opaque = old.opaque if old is not None and old.kind == DIRECTORY else 0
            opaque = 0
            if is_opaque(fd, path):
                opaque = was_opaque or self.seq
                forced = forced or not was_opaque
            elif was_opaque:
                self.consistent = False
            self._put(path, DIRECTORY, state, opaque, forced)
            if not is_emptied(path):
                self.directory(fd, path + "/", forced)
        finally:
            os.close(fd)

    def _put(self, path: str, kind: str, state: os.stat_result, opaque: int, forced: bool) -> None:
        if len(self.nodes) >= self.limit:
            raise InvalidInput(
                "change", f"more than {self.limit} files and directories changed; delete some and save again"
            )
        plain = kind == FILE
        mtime, ctime = state.st_mtime_ns, state.st_ctime_ns
        if kind == DIRECTORY and is_emptied(path):
            # Its times tell of what comes and goes in it, which is not kept; what is kept is who may do what in it.
            mtime, ctime = 0, 1 + (state.st_mode | state.st_uid << 16 | state.st_gid << 48)
        elif self.settled_ns is not None and (max(ctime, mtime) >= self.settled_ns or path in self.unsettled):
            ctime = 0
        node = Node(
            kind,
            state.st_ino,
            state.st_size if plain else 0,
            mtime,
            ctime,
            plain and state.st_nlink > 1,
            opaque,
            self.seq,
            0,
        )
        old = self.old.get(path)
        if node.visible:
            node = node._replace(born=old.born if old is not None and old.born else self.seq)
        if old is not None and not forced and ctime and old[:7] == node[:7]:
            node = old
        self.nodes[path] = node


def _entries(fd: int) -> list[tuple[str, str, os.stat_result]]:
    """Name, kind and state of everything in the directory; what vanishes meanwhile is left out."""
    found = []
    with os.scandir(fd) as entries:
        for entry in entries:
            try:
                state = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            found.append((entry.name, kind_of(state), state))
    return found


def kind_of(state: os.stat_result) -> str:
    """The kind of node a state describes; a character device 0:0 is overlayfs' whiteout."""
    mode = state.st_mode
    if stat.S_ISREG(mode):
        return FILE
    if stat.S_ISDIR(mode):
        return DIRECTORY
    if stat.S_ISLNK(mode):
        return SYMLINK
    if stat.S_ISFIFO(mode):
        return FIFO
    return WHITEOUT if stat.S_ISCHR(mode) and state.st_rdev == 0 else DROPPED


def is_opaque(fd: int, path: str) -> bool:
    """Whether the open directory hides what lower layers hold at its path.

    Raises:
        Broken: overlayfs features are in use (redirect_dir, metacopy) whose directories cannot be read by themselves.
    """
    names = os.listxattr(fd)
    if not names:
        return False
    refuse_tricks(names, path)
    return _OPAQUE in names and os.getxattr(fd, _OPAQUE) == b"y"


def refuse_tricks(names: list[str], path: str) -> None:
    """Raise Broken when extended attribute `names` say that the entry's content lies elsewhere."""
    for name in names:
        if name in _REFUSED:
            raise Broken(
                f"/{shorten(path, 120)} carries {name}: the engine mounts containers with "
                f"redirect_dir or metacopy, which "
                "cannot be saved; turn both off for the engine's storage and start the server anew"
            )


def scan(
    root: int,
    previous: Index,
    *,
    settled_ns: int | None = None,
    unsettled: Set[str] = frozenset(),
    limit: int = 1_000_000,
) -> Index:
    """The index of the open directory `root`, compared with `previous`.

    Args:
        settled_ns: while the container runs, the moment (ns) before which a file's times are trusted: a file touched
            later may change again within one clock tick, unseen, and is copied again by the next scan. None when the
            container stands still.
        unsettled: paths that may change without a trace in their times (shared writable mappings).
        limit: most entries.

    Raises:
        Broken: see `is_opaque`.
        InvalidInput: more than `limit` entries.
    """
    run = _Scan(previous, settled_ns, unsettled, limit)
    run.directory(root, "", False)
    past = dict(previous.past)
    for path, node in previous.nodes.items():
        if node.born and (path not in run.nodes or not run.nodes[path].born):
            past[path] = (*past.get(path, ()), (node.born, run.seq))
    return Index(run.seq, run.nodes, past, run.consistent)
