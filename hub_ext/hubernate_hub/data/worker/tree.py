"""The words in which the worker's parts talk: what is called, what is answered, and files in folders."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from hubernate_core.source_view import Check, Entry

from .faults import Fault

Answer = tuple[dict[str, Any], Iterator[bytes]]


@dataclass(frozen=True)
class Call:
    """One call as the service sends it."""

    verb: str
    place: dict[str, Any]
    credential: dict[str, str]
    folders: dict[str, str]
    arguments: dict[str, Any]
    ca_file: str


@dataclass(frozen=True)
class Piece:
    """A part of a file, from `start`; `size` is the whole file's."""

    size: int
    etag: str
    start: int
    length: int
    chunks: Iterator[bytes]


def offset_of(after: str) -> int:
    """Where a page of tables begins, by what the page before gave as `next`.

    Raises:
        Fault: it is none.
    """
    if not re.fullmatch(r"[0-9]{0,9}", after or ""):
        raise Fault("invalid", "after: this is not what the page before gave as 'next'; ask from the beginning")
    return int(after or 0)


class Tree(Protocol):
    """Files in folders: what S3, HTTP and folders have in common. Paths are components below the source's root."""

    def info(self, path: tuple[str, ...]) -> Entry:
        """What is at `path`. Raises Fault ``not_found``."""
        ...

    def listing(self, path: tuple[str, ...], after: str, limit: int) -> tuple[list[Entry], str]:
        """Up to `limit` entries of a folder and where the next page begins."""
        ...

    def read(self, path: tuple[str, ...], start: int, end: int | None, etag: str) -> Piece:
        """Bytes `start` to `end`, exclusive; only of the version `etag` where that is given. Negative: from the end."""
        ...

    def write(self, path: tuple[str, ...], content: Iterator[bytes], only_new: bool) -> Entry:
        """Put a whole file in place at once; half of it is never seen."""
        ...

    def test(self, writable: bool) -> list[Check]:
        """Reachable? There? Allowed?"""
        ...
