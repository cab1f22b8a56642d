"""A double of WebHDFS, made here: a name node that redirects to a data node, on a local folder. It is no HDFS.

What it says is held to by two clients that are not ours: fsspec's, and Hadoop's own where its jars can be had.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

_PREFIX = "/webhdfs/v1"


@dataclass
class WebHdfs:
    """Where it listens, who may read, how it behaves, and what was asked of either node."""

    folder: Path
    port: int = 0
    data_port: int = 0
    user: str = "team"
    token: str = "delegation-canary"
    data_node: str = ""
    standby: bool = False
    batch: int = 1000
    knows_batches: bool = True
    names_types: bool = True  # Hadoop's client out of Spark's jars lacks the class that reads a Content-Type
    asked: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What an admin writes."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def webhdfs(folder: Path) -> Iterator[WebHdfs]:
    """Both nodes on the loopback, showing `folder` as ``/``; names in it that begin with ``closed`` are denied."""
    double = WebHdfs(folder)

    class Node(_Handler): ...

    Node.double = double

    class NameNode(Node):
        def do_GET(self) -> None:
            double.asked.append(self.path)
            path, values = _parsed(self.path)
            if double.standby:
                return self.fail(403, "StandbyException")
            if values.get("user.name") != double.user and values.get("delegation") != double.token:
                known = "delegation" in values
                return self.fail(403 if known else 401, "InvalidToken" if known else "SecurityException")
            return self.answer(path, values)

    class DataNode(Node):
        def do_GET(self) -> None:
            double.read.append(self.path)
            path, values = _parsed(self.path)
            content = (double.folder / path).read_bytes()
            start = int(values.get("offset", 0))
            stop = start + int(values["length"]) if "length" in values else len(content)
            self.send(content[start:stop], "application/octet-stream")

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), kind) for kind in (NameNode, DataNode)]
    double.port, double.data_port = (int(server.server_address[1]) for server in servers)
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield double
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: WebHdfs

    def answer(self, path: str, values: dict[str, str]) -> None:
        """What the name node says of an operation; Hadoop calls them in either case."""
        double = self.double
        operation, file = values.get("op", "").upper(), double.folder / path
        if any(part.startswith("closed") for part in Path(path).parts):
            return self.fail(403, "AccessControlException")
        if not file.exists():
            return self.fail(404, "FileNotFoundException")
        if operation == "GETFILESTATUS":
            return self.tell({"FileStatus": _status(file, "")})
        if operation == "LISTSTATUS":
            return self.tell({"FileStatuses": {"FileStatus": _listed(file)}})
        if operation == "LISTSTATUS_BATCH" and double.knows_batches:
            after = values.get("startAfter", values.get("startafter", "")).encode()
            rest = [each for each in _listed(file) if each["pathSuffix"].encode() > after or file.is_file()]
            page = {"FileStatuses": {"FileStatus": rest[: double.batch]}}
            left = max(0, len(rest) - double.batch)
            return self.tell({"DirectoryListing": {"partialListing": page, "remainingEntries": left}})
        if operation == "OPEN" and file.is_file():
            host = double.data_node or f"http://127.0.0.1:{double.data_port}"
            where = urlsplit(self.path).path + "?" + urlencode(values | {"namenoderpcaddress": "cluster"})
            self.send_response(307)
            self.send_header("Location", host + where)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        return self.fail(400, "IllegalArgumentException")

    def tell(self, found: dict[str, Any]) -> None:
        self.send(json.dumps(found).encode(), "application/json")

    def send(self, content: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        if self.double.names_types:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def fail(self, status: int, name: str) -> None:
        told = {"exception": name, "javaClassName": f"org.apache.hadoop.{name}", "message": "not for /secret/above"}
        self.send(json.dumps({"RemoteException": told}).encode(), "application/json", status)

    def log_message(self, *_: object) -> None: ...


def _parsed(target: str) -> tuple[str, dict[str, str]]:
    url = urlsplit(target)
    return unquote(url.path.removeprefix(_PREFIX)).strip("/"), dict(parse_qsl(url.query))


def _listed(file: Path) -> list[dict[str, Any]]:
    if file.is_file():
        return [_status(file, "")]
    return [_status(each, each.name) for each in sorted(file.iterdir(), key=lambda each: each.name.encode())]


def _status(file: Path, suffix: str) -> dict[str, Any]:
    found, folder = file.lstat(), file.is_dir() and not file.is_symlink()
    changed = found.st_mtime_ns // 1_000_000
    kind = "DIRECTORY" if folder else "SYMLINK" if file.is_symlink() else "FILE"
    return {
        "accessTime": changed, "blockSize": 134217728, "childrenNum": 0, "fileId": found.st_ino, "group": "team",
        "length": 0 if folder else found.st_size, "modificationTime": changed, "owner": "team", "pathSuffix": suffix,
        "permission": "755" if folder else "644", "replication": 1, "storagePolicy": 0, "type": kind,
    }  # fmt: skip
