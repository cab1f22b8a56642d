"""Is a change worth compressing? Looks at a few places of it before the layer is written."""

import os
from collections.abc import Sequence

from .capture.index import FILE, Change
from .compress import shrinks
from .layer import OPEN_FILE, Directories

_FROM = 64 * 1024 * 1024
_PLACES = 48
_SIZE = 32 * 1024
_NOISE_SHARE = 0.95


def is_noise(roots: Sequence[int], changes: Sequence[Change]) -> bool:
    """Whether nearly all bytes of a large change do not shrink, as with media, archives and keys.

    Such a layer is stored as it is: its content is hashed once instead of twice, and nobody unpacks it in vain.
    """
    total = sum(change.node.size for change in changes if change.node is not None)
    if total < _FROM:
        return False
    step, at, due, seen, noise = total // _PLACES, 0, 0, 0, 0
    folders = [Directories(root) for root in roots]
    try:
        for change in changes:
            if change.node is None or change.node.kind != FILE:
                continue
            while due < at + change.node.size:
                seen += 1
                noise += not shrinks(_read(folders[change.root], change.path, due - at))
                due += step
            at += change.node.size
    finally:
        for each in folders:
            each.close()
    return noise >= _NOISE_SHARE * seen


def _read(folders: Directories, path: str, at: int) -> memoryview:
    """A little of a file; nothing when it vanished meanwhile."""
    above, _, name = path.rpartition("/")
    try:
        fd = os.open(name, OPEN_FILE, dir_fd=folders.fd(above))
    except OSError:
        return memoryview(b"")
    try:
        return memoryview(os.pread(fd, _SIZE, at))
    finally:
        os.close(fd)
