"""The directories below an upper one: whether any of them shows a path."""

import os
import stat
from collections.abc import Sequence

from .tree import OPEN_DIRECTORY


class Below:
    """Overlay directories, topmost first, asked for single paths. No symbolic link is ever followed."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._roots = [os.open(path, OPEN_DIRECTORY) for path in paths]

    def close(self) -> None:
        """Close them."""
        while self._roots:
            os.close(self._roots.pop())

    def __enter__(self) -> "Below":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def shows(self, path: str) -> bool:
        """Whether something may be at `path`; True where that is not certain (a whiteout too many does no harm)."""
        return any(_exists(root, path.split("/")) for root in self._roots)


def _exists(root: int, parts: list[str]) -> bool:
    fd = root
    try:
        for part in parts[:-1]:
            deeper = os.open(part, OPEN_DIRECTORY, dir_fd=fd)
            if fd != root:
                os.close(fd)
            fd = deeper
        mode = os.stat(parts[-1], dir_fd=fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    finally:
        if fd != root:
            os.close(fd)
    return not (stat.S_ISCHR(mode.st_mode) and mode.st_rdev == 0)
