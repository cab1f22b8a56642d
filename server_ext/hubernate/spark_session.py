"""Spark in the notebook's own container: one server of Spark Connect for all kernels, started when the first one asks.

It reads the team's sources through the SDK, as a data source named ``hub``, so that Spark holds no credential either.
Everything is within the container's memory: the server's heap is a share of the limit, not of the machine.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hubernate_core.errors import InvalidInput, NotFound

from .limits import cpus, memory_bytes

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_GIB = 1024**3
_LEAST = 3 * _GIB // 2
"""Of memory: JupyterLab and two kernels take half a GiB, Spark's own server without its heap another half."""
_HEAP_SHARE = 0.4
_SESSION = {"spark.local.connect.reuse": "true", "spark.sql.python.filterPushdown.enabled": "true"}
_NEEDS = ("pyspark", "grpc", "grpc_status", "google.rpc", "pandas", "pyarrow")


def spark(**settings: str) -> "SparkSession":
    """A session of this container's Spark; the first one starts its server, which takes some 15 s.

    ``hubernate.spark().read.format("hub").load("lake/sales")`` reads whatever `hubernate.table` does.

    Args:
        settings: Spark's own, with ``_`` for each dot: ``spark_sql_shuffle_partitions="8"``. Those of the server itself
            count when it starts.

    Raises:
        NotFound: this environment has no Spark.
        InvalidInput: this server has too little memory for it.
    """
    _check()
    from pyspark.sql import SparkSession

    from .spark_source import HubDataSource

    builder = SparkSession.builder.remote(f"local[{cpus()}]")
    for name, value in (_SESSION | _named(settings)).items():
        builder = builder.config(name, value)
    with _starting(_server(memory_bytes())):
        session = builder.getOrCreate()
    session.dataSource.register(HubDataSource)
    return session


def _check() -> None:
    missing = [name for name in _NEEDS if not _is_there(name)] + ([] if shutil.which("java") else ["java"])
    if missing:
        raise NotFound(
            f"this environment has no Spark (missing: {', '.join(missing)}). Start a server with the profile 'spark',"
            " or install 'pyspark[connect]' here, beside a Java 17. Without Spark: hubernate.table(…).to_duckdb()"
        )
    limit = memory_bytes()
    if limit < _LEAST:
        raise InvalidInput(
            "memory",
            f"Spark needs a server with {_LEAST / _GIB} GiB; this one has {limit / _GIB:.1f}. Choose more when you"
            " start one; hubernate.table(…).to_duckdb() needs less",
        )


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False


def _server(limit: int) -> dict[str, str]:
    """Settings of a server in so many bytes: loopback alone, and its scratch where nothing is saved."""
    scratch = Path(tempfile.gettempdir()) / f"hubernate-spark-{os.getuid()}"
    return {
        "spark.driver.memory": f"{int(limit * _HEAP_SHARE) // 1024**2}m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.local.dir": str(scratch),
        "spark.pyspark.python": sys.executable,
    }


@contextlib.contextmanager
def _starting(settings: dict[str, str]) -> Iterator[None]:
    """A server that is started has these, which no session may name (pyspark/sql/connect/local_server.py, 4.3)."""
    given = {"PYSPARK_REMOTE_INIT_CONF_LEN": "1", "PYSPARK_REMOTE_INIT_CONF_0": json.dumps(settings)}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _named(settings: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "."): str(value) for name, value in settings.items()}
