"""Which request targets the gate passes on, and as what. One decision for HTTP, WebSocket and the relay; pure.

A path goes on byte for byte as it came, or not at all: nothing is normalised, because the notebook, which decodes once
more, must see what was judged here.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes

TARGET_MAX = 16384
_VISIBLE = re.compile(r"[!-~]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_SEPARATOR = re.compile(rb"[/\\]")
_ROUNDS = 3
"""How often a path is decoded in search of dot segments: once more than any known upstream does."""


class Refused(Exception):
    """A target that goes nowhere.

    Args:
        status: 400 for a malformed one, 404 for one outside the prefix.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """An accepted request target: ``prefix + tail`` is the path to ask for; `query` is without its question mark."""

    prefix: str
    tail: str
    query: str
    missing_slash: bool = False

    @property
    def path(self) -> str:
        """The path as it goes upstream."""
        return self.prefix + self.tail

    @property
    def full(self) -> str:
        """Path and query as they go upstream."""
        return f"{self.path}?{self.query}" if self.query else self.path


def read_target(raw: str, prefix: str) -> Target:
    """Judge the request target `raw`, as it stood in the request line, for a server at `prefix` (both slashes).

    Raises:
        Refused: 400 for an absolute URI, ``..`` or ``.`` in any encoding, ``//``, a backslash, a control character or a
            broken escape; 404 for a path outside `prefix` (its own escaped slashes do not count as slashes).
    """
    path, _, query = raw.partition("?")
    if len(raw) > TARGET_MAX or not path.startswith("/") or not _VISIBLE.fullmatch(raw):
        raise Refused(400, "the request target is not a path")
    if "//" in path or "\\" in path or "#" in raw:
        raise Refused(400, "the path holds '//', a backslash or a fragment")
    if "/." in path or "%" in path:
        _check_segments(path)
    if path.startswith(prefix):
        return Target(prefix, path[len(prefix) :], query)
    return _match(path, prefix, query)


def safe_next(raw: str, prefix: str) -> str:
    """`raw` if it is a path under `prefix` to which a browser may be sent after login, otherwise `prefix`."""
    try:
        return read_target(raw, prefix).full
    except Refused:
        return prefix


def _check_segments(path: str) -> None:
    if _BAD_ESCAPE.search(path):
        raise Refused(400, "the path holds a broken percent escape")
    decoded = unquote_to_bytes(path)
    if _CONTROL.search(decoded):
        raise Refused(400, "the path holds a control character")
    for _ in range(_ROUNDS):
        if any(segment in (b".", b"..") for segment in _SEPARATOR.split(decoded)):
            raise Refused(400, "the path holds a dot segment")
        decoded = unquote_to_bytes(decoded)


def _match(path: str, prefix: str, query: str) -> Target:
    """Compare segment by segment, decoded: a browser may write ``@`` where the hub writes ``%40``."""
    wanted = prefix.split("/")[1:-1]
    given = path.split("/")[1:]
    if len(given) < len(wanted) or any(unquote(a) != unquote(b) for a, b in zip(wanted, given, strict=False)):
        raise Refused(404, "no such path on this server")
    if len(given) == len(wanted):
        return Target(prefix, "", query, missing_slash=True)
    return Target(prefix, "/".join(given[len(wanted) :]), query)
