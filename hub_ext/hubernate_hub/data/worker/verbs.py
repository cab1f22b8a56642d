"""Which call goes to which code. Every verb answers a head (JSON) and a body (chunks of bytes, often none)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter

from hubernate_core.source_path import split_path
from hubernate_core.source_place import DatabasePlace, FilesPlace, HttpPlace, Place, S3Place
from hubernate_core.source_view import Check, Entry

from .faults import Fault

Answer = tuple[dict[str, Any], Iterator[bytes]]
_PLACE: TypeAdapter[Place] = TypeAdapter(Place)


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


def open_tree(place: Place, call: Call) -> Tree:
    """The place's files.

    Raises:
        Fault: it is a database.
    """
    if isinstance(place, S3Place):
        from .s3 import Bucket

        return Bucket(place, call.credential, call.ca_file)
    if isinstance(place, HttpPlace):
        from .web import Web

        return Web(place, call.credential, call.ca_file)
    if isinstance(place, FilesPlace):
        from .folder import Folder

        return Folder(place, call.folders)
    raise Fault("invalid", "this source is a database; ask for a table or send SQL")


def answer(call: Call, upload: Iterator[bytes]) -> Answer:
    """What the call asks for.

    Raises:
        Fault: it cannot be had.
    """
    place: Place = _PLACE.validate_python(call.place)
    if isinstance(place, DatabasePlace):
        from . import database

        return database.answer(place, call)
    tree = open_tree(place, call)
    path = split_path(call.arguments.get("path", ""))
    return _VERBS[call.verb](tree, path, call.arguments, upload)


def _test(tree: Tree, _path: tuple[str, ...], arguments: dict[str, Any], _upload: Iterator[bytes]) -> Answer:
    return {"checks": [each.model_dump() for each in tree.test(arguments["writable"])]}, iter(())


def _info(tree: Tree, path: tuple[str, ...], _arguments: dict[str, Any], _upload: Iterator[bytes]) -> Answer:
    return tree.info(path).model_dump(mode="json"), iter(())


def _list(tree: Tree, path: tuple[str, ...], arguments: dict[str, Any], _upload: Iterator[bytes]) -> Answer:
    entries, following = tree.listing(path, arguments["after"], arguments["limit"])
    return {"entries": [each.model_dump(mode="json") for each in entries], "next": following}, iter(())


def _read(tree: Tree, path: tuple[str, ...], arguments: dict[str, Any], _upload: Iterator[bytes]) -> Answer:
    piece = tree.read(path, arguments["start"], arguments["end"], arguments["etag"])
    head = {"size": piece.size, "etag": piece.etag, "start": piece.start, "length": piece.length}
    return head, piece.chunks


def _write(tree: Tree, path: tuple[str, ...], arguments: dict[str, Any], upload: Iterator[bytes]) -> Answer:
    return tree.write(path, upload, arguments["only_new"]).model_dump(mode="json"), iter(())


def _look(tree: Tree, path: tuple[str, ...], arguments: dict[str, Any], _upload: Iterator[bytes]) -> Answer:
    from .preview import look

    return look(tree, path, arguments["rows"])


_VERBS = {"test": _test, "info": _info, "list": _list, "read": _read, "write": _write, "look": _look}
