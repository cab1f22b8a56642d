"""Letting a held pod go: the file ``released`` in its hold, for which the notebook's preStop hook waits.

The user owns that folder and may put anything there, so no name in it is ever followed.
"""

import errno
import logging
import os
import stat
from pathlib import Path

from .tree import OPEN_DIRECTORY

_log = logging.getLogger(__name__)
_TRIES = 5
_FILE = "released"


def release_hold(kubelet: Path, uid: str) -> bool:
    """Write the file for the pod with `uid`; False when there is no such pod, or no hold, any more.

    Args:
        kubelet: the kubelet's folder, as this process sees it.

    Raises:
        OSError: the folder cannot be written to.
    """
    fd = os.open(kubelet, OPEN_DIRECTORY)
    try:
        for part in ("pods", uid, "volumes", "kubernetes.io~empty-dir", "hold"):
            above = os.fstat(fd).st_dev
            deeper = os.open(part, OPEN_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = deeper
        if os.fstat(fd).st_dev == above:
            # It is a tmpfs of its own on the node: seen from here it would be too, were mounts passed on.
            _log.warning("the hold is not a mount here; does the agent's pod have HostToContainer?", extra={"pod": uid})
        _write(fd)
    except OSError as problem:
        if problem.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise
    finally:
        os.close(fd)
    return True


def _write(folder: int) -> None:
    """Make the file. Whatever has its name already releases as well, but for a symbolic link, which goes first."""
    for _ in range(_TRIES):
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(_FILE, flags, 0o644, dir_fd=folder))
            return
        except FileExistsError:
            try:
                if not stat.S_ISLNK(os.stat(_FILE, dir_fd=folder, follow_symlinks=False).st_mode):
                    return
                os.unlink(_FILE, dir_fd=folder)
            except FileNotFoundError:
                continue
    _log.warning("the hold's file is replaced as fast as it is written; the pod waits for its grace period")
