"""Hadoop's and Hive's own programs, out of the jars that come with Spark: a client of WebHDFS, a real metastore."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TMessageType, TType
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport

NAMESPACE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "-Urn"]


def jars() -> Path | None:
    """The folder of Spark's jars: of SPARK_HOME, or of an installed pyspark."""
    found = find_spec("pyspark")
    places = [os.environ.get("SPARK_HOME", ""), str(Path(found.origin).parent) if found and found.origin else ""]
    return next((Path(each) / "jars" for each in places if each and (Path(each) / "jars").is_dir()), None)


def missing() -> str:
    """Why neither can be run here; empty when they can."""
    if shutil.which("java") is None:
        return "no Java is installed (apt-get install openjdk-17-jre-headless)"
    if subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode:
        return "no network namespace can be made here (unshare --net)"
    return "" if jars() else "no Spark is here: set SPARK_HOME, or pip install pyspark"


def site(values: dict[str, str]) -> str:
    """A ``…-site.xml``."""
    properties = "".join(
        f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>"
        for name, value in values.items()
    )
    return f"<configuration>{properties}</configuration>"


def fs_shell(conf: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """``hadoop fs WORDS`` as the user ``team``; `conf` is a folder for its configuration."""
    folder = jars()
    assert folder is not None, missing()
    (conf / "core-site.xml").write_text(site({}))
    command = ["java", "-Xmx256m", "-cp", f"{conf}:{folder}/*", "org.apache.hadoop.fs.FsShell", *words]
    environment = os.environ | {"HADOOP_USER_NAME": "team"}
    return subprocess.run(command, capture_output=True, timeout=180, check=False, env=environment)


@contextmanager
def metastore(folder: Path, folders: dict[str, Path]) -> Iterator[int]:
    """A Hive metastore 2.3 on Derby, as Spark brings it; the port on the loopback where it is reached.

    It listens on every interface, so it is in a network of its own.

    Args:
        folders: ``s3a://data`` and the like → the local folder that the metastore takes for it.
    """
    found, conf = jars(), folder / "conf"
    assert found is not None, missing()
    conf.mkdir(parents=True)
    (conf / "core-site.xml").write_text(site(_mounts(folders)))
    hive = {
        "javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder}/derby;create=true",
        "javax.jdo.option.ConnectionDriverName": "org.apache.derby.jdbc.EmbeddedDriver",
        "datanucleus.schema.autoCreateAll": "true",
        "hive.metastore.schema.verification": "false",
        "hive.async.log.enabled": "false",
        "hive.metastore.warehouse.dir": f"file://{folder}/warehouse",
    }
    (conf / "hive-site.xml").write_text(site(hive))
    command = ["java", "-Xmx384m", f"-Dderby.stream.error.file={folder}/derby.log", "-cp", f"{conf}:{found}/*"]
    command += ["org.apache.hadoop.hive.metastore.HiveMetaStore", "-p", "9083"]
    with socket.create_server(("127.0.0.1", 0)) as listener, (folder / "log").open("wb") as out:
        alone = [*NAMESPACE, sys.executable, str(Path(__file__).with_name("alone.py")), str(listener.fileno()), "9083"]
        server = subprocess.Popen([*alone, *command], stdout=out, stderr=out, cwd=folder, pass_fds=(listener.fileno(),))
        port = int(listener.getsockname()[1])
        try:
            _wait(port, server, folder / "log")
            yield port
        finally:
            server.kill()
            server.wait(20)


def _mounts(folders: dict[str, Path]) -> dict[str, str]:
    """Hadoop's own way to take one file system for another."""
    values = {"fs.viewfs.overload.scheme.target.file.impl": "org.apache.hadoop.fs.LocalFileSystem"}
    for root, folder in folders.items():
        scheme, _, authority = root.partition("://")
        values[f"fs.{scheme}.impl"] = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
        values[f"fs.viewfs.mounttable.{authority}.linkFallback"] = f"file://{folder}"
    return values


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 150
    while True:
        # Nobody answers inside yet: the connection is closed at once.
        with contextlib.suppress(Exception), Writer(port) as writer:
            writer.call("getStatus")
            return
        assert server.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.5)


class Writer:
    """Says to a metastore what Hive would: databases, tables, partitions. Values are pairs of kind and value."""

    def __init__(self, port: int) -> None:
        self._transport = TBufferedTransport(TSocket("127.0.0.1", port))
        self._out = TBinaryProtocol(self._transport)

    def __enter__(self) -> "Writer":
        self._transport.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def call(self, method: str, **fields: Any) -> None:
        """A call with fields ``_1=…``; asserts that it succeeds."""
        out = self._out
        out.writeMessageBegin(method, TMessageType.CALL, 1)
        write_value(out, {int(name[1:]): value for name, value in fields.items()})
        out.writeMessageEnd()
        out.trans.flush()
        _, kind, _ = out.readMessageBegin()
        assert kind == TMessageType.REPLY, f"{method} failed"
        while (field := out.readFieldBegin())[1] != TType.STOP:
            assert field[2] == 0, f"{method}: exception {field[2]}"
            out.skip(field[1])
        out.readMessageEnd()

    def database(self, name: str, location: str) -> None:
        """A database whose own folder is at `location`."""
        self.call("create_database", _1={1: name, 2: "", 3: location})

    def table(self, database: str, name: str, columns: dict[str, str], where: "Where", **more: Any) -> None:
        """An external table. `more`: ``keys`` (partition columns), ``parameters``, ``kind``."""
        keys, parameters = more.get("keys", {}), {"EXTERNAL": "TRUE"} | more.get("parameters", {})
        facts = {1: name, 2: database, 3: "team", 7: where.descriptor(columns), 8: _fields(keys), 9: parameters}
        kind = more.get("kind", "EXTERNAL_TABLE")
        text = {10: "select 1", 11: "select 1"} if "VIEW" in kind else {}
        self.call("create_table", _1=facts | text | {12: kind})

    def partition(self, database: str, table: str, values: list[str], columns: dict[str, str], where: "Where") -> None:
        """One partition at its own place."""
        self.call("add_partition", _1={1: values, 2: database, 3: table, 6: where.descriptor(columns), 7: {"x": "y"}})


def write_value(out: TBinaryProtocol, value: Any) -> None:
    """A struct (by field number), a map or list of strings or structs, or a string."""
    kind = _kind(value)
    if kind == TType.STRUCT:
        for number, each in value.items():
            out.writeFieldBegin("", _kind(each), number)
            write_value(out, each)
            out.writeFieldEnd()
        out.writeFieldStop()
    elif kind == TType.MAP:
        out.writeMapBegin(TType.STRING, TType.STRING, len(value))
        for word in (word for pair in value.items() for word in pair):
            out.writeString(word)
    elif kind == TType.LIST:
        out.writeListBegin(_kind(value[0]) if value else TType.STRUCT, len(value))
        for each in value:
            write_value(out, each)
    else:
        out.writeString(value)


@dataclass(frozen=True)
class Where:
    """Where rows lie, and in which format."""

    location: str
    format: str = "parquet"
    serde: dict[str, str] = field(default_factory=dict)

    def descriptor(self, columns: dict[str, str]) -> dict[int, Any]:
        """``StorageDescriptor``."""
        input_format, library = _FORMATS[self.format]
        serde = {1: "", 2: library, 3: self.serde or {"serialization.format": "1"}}
        return {1: _fields(columns), 2: self.location, 3: input_format, 4: "x", 7: serde, 10: {"x": "y"}}


_FORMATS = {
    "parquet": (
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    ),
    "orc": ("org.apache.hadoop.hive.ql.io.orc.OrcInputFormat", "org.apache.hadoop.hive.ql.io.orc.OrcSerde"),
    "text": ("org.apache.hadoop.mapred.TextInputFormat", "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"),
    "avro": (
        "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
        "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
    ),
}


def _fields(columns: dict[str, str]) -> list[dict[int, str]]:
    return [{1: name, 2: kind, 3: ""} for name, kind in columns.items()]


def _kind(value: Any) -> int:
    if isinstance(value, dict):
        return TType.MAP if value and isinstance(next(iter(value)), str) else TType.STRUCT
    return TType.LIST if isinstance(value, list) else TType.STRING
