"""Which call goes to which code. Every verb answers a head (JSON) and a body (chunks of bytes, often none)."""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from hubernate_core.source_hadoop import HdfsPlace, HivePlace
from hubernate_core.source_path import split_path
from hubernate_core.source_place import DatabasePlace, FilesPlace, HttpPlace, Place, S3Place

from .faults import Fault
from .tree import Answer, Call, Tree

_PLACE: TypeAdapter[Place] = TypeAdapter(Place)


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
    if isinstance(place, HdfsPlace):
        from .hdfs import open_hdfs

        return open_hdfs(place, call.credential.get("token", ""), call.ca_file)
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
    if isinstance(place, HivePlace):
        from . import hive

        return hive.answer(place, call)
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

    return look(tree, path, arguments["rows"], arguments["source"])


def _scan(tree: Tree, _path: tuple[str, ...], arguments: dict[str, Any], _upload: Iterator[bytes]) -> Answer:
    from .scan import scan

    return scan(tree, arguments)


def _glance(tree: Tree, _path: tuple[str, ...], arguments: dict[str, Any], _upload: Iterator[bytes]) -> Answer:
    from .scan import glance

    return glance(tree, arguments)


_VERBS = {"test": _test, "info": _info, "list": _list, "read": _read, "write": _write, "look": _look}
_VERBS |= {"scan": _scan, "glance": _glance}
