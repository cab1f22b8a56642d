"""What is never user state and so never enters a layer. Paths are relative to the root, without a leading slash.

SQLite's ``-wal`` and ``-shm`` files are kept on purpose: committed rows live in them.
"""

_PATHS = frozenset({"etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", ".dockerenv", "root/.cache"})
_CONTENTS = frozenset({"tmp", "var/tmp", "run", "dev", "proc", "sys", "etc/hubernate", "var/cache/apt/archives"})
_CONTENT_TAILS = ("/.cache/pip", "/.local/share/jupyter/runtime")
_NAMES = frozenset({"jupyter_cookie_secret"})


def is_excluded(path: str, name: str) -> bool:
    """Whether the entry at `path` (its last part is `name`) is left out with everything under it."""
    return name in _NAMES or path in _PATHS


def is_emptied(path: str) -> bool:
    """Whether the directory at `path` is kept but nothing in it (``/tmp``, the pip cache, Jupyter's runtime files)."""
    return path in _CONTENTS or path.endswith(_CONTENT_TAILS) or path == ".cache/pip"
