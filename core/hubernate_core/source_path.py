"""Paths inside a source: split into components once, compared component by component, never as text (B19). Pure."""

from .errors import InvalidInput, shorten

_BYTES_MAX = 1024  # of an object's key in S3, the shortest limit of what we reach
_DEPTH_MAX = 64


def split_path(text: str, field: str = "path") -> tuple[str, ...]:
    """The components of a path relative to a source's root; empty for the root itself. One slash at the end is fine.

    Raises:
        InvalidInput: absolute, ``.`` or ``..`` or nothing between slashes, a control character, too long or too deep.
    """
    shown = shorten(text, 80)
    if not text:
        return ()
    if text.startswith("/"):
        raise InvalidInput(field, f"{shown!r} is absolute; paths begin at the source's root, without a slash")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as problem:
        raise InvalidInput(field, f"{shown!r} is not text that UTF-8 can write") from problem
    parts = tuple(text.removesuffix("/").split("/"))
    if size > _BYTES_MAX or len(parts) > _DEPTH_MAX:
        raise InvalidInput(field, f"{shown!r} is longer than {_BYTES_MAX} bytes or deeper than {_DEPTH_MAX} folders")
    if any(part in ("", ".", "..") for part in parts):
        raise InvalidInput(field, f"{shown!r} has an empty, '.' or '..' component")
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise InvalidInput(field, f"{shown!r} has a control character")
    return parts


def join_path(*parts: tuple[str, ...]) -> str:
    """Components as one relative path."""
    return "/".join(component for part in parts for component in part)


def contains(outer: tuple[str, ...], inner: tuple[str, ...]) -> bool:
    """Whether `inner` is `outer` or below it: ``data`` contains ``data/x``, not ``data-secret``."""
    return inner[: len(outer)] == outer


def overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one of them contains the other."""
    return contains(one, other) or contains(other, one)
