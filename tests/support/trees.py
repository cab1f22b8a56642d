"""What a container's file system holds, as a reader inside sees it, for comparing before and after."""

import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from docker.models.containers import Container

from hubernate_checkpointer.capture.exclude import is_emptied, is_excluded

from .engine import merged


class Seen(NamedTuple):
    """One path. `links` are the paths that share its inode."""

    kind: str
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    content: str
    xattrs: tuple[tuple[str, bytes], ...]
    links: tuple[str, ...]


def snapshot(container: Container, below: str = "") -> dict[str, Seen]:
    """Everything in the running container that a save keeps, by path; devices and sockets left out."""
    root = os.fsencode(merged(container))
    found: dict[str, tuple[os.stat_result, bytes]] = {}
    groups: dict[tuple[int, int], list[str]] = {}
    todo = [below.strip("/")]
    while todo:
        folder = todo.pop()
        full = os.path.join(root, os.fsencode(folder))
        for name in os.listdir(full):
            path = f"{folder}/{os.fsdecode(name)}" if folder else os.fsdecode(name)
            if is_excluded(path, os.fsdecode(name)) or os.fsdecode(name).startswith(".wh."):
                continue
            place = os.path.join(full, name)
            state = os.lstat(place)
            if stat.S_ISSOCK(state.st_mode) or stat.S_ISCHR(state.st_mode) or stat.S_ISBLK(state.st_mode):
                continue
            found[path] = state, place
            if stat.S_ISREG(state.st_mode):
                groups.setdefault((state.st_dev, state.st_ino), []).append(path)
            if stat.S_ISDIR(state.st_mode) and not is_emptied(path):
                todo.append(path)
    seen = {path: _seen(state, place, groups) for path, (state, place) in sorted(found.items())}
    # The engine itself writes to these folders whenever it makes a container.
    return {
        path: each._replace(mtime_ns=0) if is_emptied(path) or path == "etc" else each for path, each in seen.items()
    }


def _seen(state: os.stat_result, place: bytes, groups: dict[tuple[int, int], list[str]]) -> Seen:
    content, xattrs, links = "", (), ()
    mode = stat.S_IMODE(state.st_mode)
    if stat.S_ISREG(state.st_mode):
        content = hashlib.sha256(Path(os.fsdecode(place)).read_bytes()).hexdigest()
        links = tuple(sorted(groups[state.st_dev, state.st_ino]))
        mode &= ~(stat.S_ISUID | stat.S_ISGID)  # left out on purpose, with a note
    if stat.S_ISLNK(state.st_mode):
        content = os.fsdecode(os.readlink(place))
    else:
        names = sorted(name for name in os.listxattr(place) if name.startswith("user."))
        xattrs = tuple((name, os.getxattr(place, name)) for name in names)
    return Seen(
        stat.filemode(state.st_mode)[0], mode, (state.st_uid, state.st_gid), state.st_mtime_ns, content, xattrs, links
    )


def differences(before: dict[str, Seen], after: dict[str, Seen]) -> list[str]:
    """One line for each path that is not the same; empty when all is equal."""
    lines = []
    for path in sorted(before.keys() | after.keys()):
        one, two = before.get(path), after.get(path)
        if one is None or two is None:
            lines.append(f"{path!r}: {'only after' if one is None else 'only before'}")
        elif one != two:
            parts = [f"{name}: {a!r} → {b!r}" for name, a, b in zip(Seen._fields, one, two, strict=True) if a != b]
            lines.append(f"{path!r}: {'; '.join(parts)}")
    return lines
