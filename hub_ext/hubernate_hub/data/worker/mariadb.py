"""MariaDB and MySQL by PyMySQL, whose sockets are Python's: the guard sees them."""

import re
import ssl
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.cursors import SSCursor

from hubernate_core.source_place import DatabasePlace

from .faults import Fault
from .guard import GUARD

_INTO = re.compile(r"\binto\s+(outfile|dumpfile)\b|\bload_file\s*\(", re.I)
_TYPES = {
    FIELD_TYPE.TINY: pa.int16(),
    FIELD_TYPE.SHORT: pa.int32(),
    FIELD_TYPE.INT24: pa.int32(),
    FIELD_TYPE.LONG: pa.int64(),
    FIELD_TYPE.YEAR: pa.int16(),
    FIELD_TYPE.FLOAT: pa.float32(),
    FIELD_TYPE.DOUBLE: pa.float64(),
    FIELD_TYPE.DATE: pa.date32(),
    FIELD_TYPE.DATETIME: pa.timestamp("us"),
    FIELD_TYPE.TIMESTAMP: pa.timestamp("us"),
}
_BINARY_CHARSET = 63
_BLOBS = (FIELD_TYPE.TINY_BLOB, FIELD_TYPE.BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB, FIELD_TYPE.STRING)


class MariaDb:
    """One connection, one read-only transaction."""

    def __init__(self, place: DatabasePlace, password: str, ca_file: str, timeout_s: int) -> None:
        self._place, self._password, self._ca_file, self._timeout_s = place, password, ca_file, timeout_s
        self._connection: Any = None

    def open(self) -> None:
        """Connect. Raises Fault."""
        place = self._place
        if place.tls == "off":
            GUARD.resolve(place.host, place.port_or_default, encrypted=False)
        try:
            self._connection = pymysql.connect(
                host=place.host,
                port=place.port_or_default,
                user=place.user,
                password=self._password,
                database=place.database,
                connect_timeout=5,
                read_timeout=self._timeout_s + 5,
                local_infile=False,
                read_default_file=None,
                ssl=self._tls(),
                ssl_disabled=place.tls == "off",
                charset=place.parameters.get("charset", "utf8mb4"),
                autocommit=True,
            )
            with self._connection.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION READ ONLY")
                self._limit_time(cursor)
                cursor.execute("START TRANSACTION READ ONLY")
        except pymysql.MySQLError as problem:
            raise _fault(problem) from problem

    def _tls(self) -> ssl.SSLContext | None:
        if self._place.tls == "off":
            return None
        context = ssl.create_default_context(cafile=self._ca_file or None)
        if self._place.tls == "require":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def _limit_time(self, cursor: Any) -> None:
        if "mariadb" in self._connection.get_server_info().lower():
            cursor.execute("SET SESSION max_statement_time = %s", (self._timeout_s,))
        else:
            cursor.execute("SET SESSION max_execution_time = %s", (self._timeout_s * 1000,))

    def close(self) -> None:
        """Drop the connection, with whatever rows were not read."""
        if self._connection is not None and self._connection.open:
            self._connection._force_close()

    def rows(self, query: str, values: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a small query of ours."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query, values)
                return list(cursor.fetchall())
        except pymysql.MySQLError as problem:
            raise _fault(problem) from problem

    def find_table(self, path: str) -> tuple[str, str]:
        """``database.table``, or ``table`` in the source's database."""
        schema, _, table = path.rpartition(".")
        return schema or self._place.database, table

    def quote(self, name: str) -> str:
        """`name` as an identifier."""
        return "`" + name.replace("`", "``") + "`"

    def begin(self, query: str, batch: int) -> tuple[list[pa.Field], Iterator[list[tuple[Any, ...]]]]:
        """Run one reading statement, unbuffered."""
        if _INTO.search(query):
            raise Fault("invalid", "a query may not read or write files of the database's machine")
        cursor = self._connection.cursor(SSCursor)
        try:
            cursor.execute(query)
        except pymysql.MySQLError as problem:
            raise _fault(problem) from problem
        # `_result.fields` holds what the DB-API's description leaves out: character sets and scales.
        described = cursor._result.fields if cursor.description else ()
        return [pa.field(each.name, _type(each)) for each in described], _batches(cursor, batch)


def _type(column: Any) -> pa.DataType:
    kind = column.type_code
    if kind == FIELD_TYPE.LONGLONG:
        return pa.int64() if not column.flags & 32 else pa.uint64()
    if kind in (FIELD_TYPE.NEWDECIMAL, FIELD_TYPE.DECIMAL):
        precision = column.length - (2 if column.scale else 1)
        return pa.decimal128(min(38, max(precision, 1)), column.scale) if precision <= 38 else pa.float64()
    if kind in _BLOBS and column.charsetnr == _BINARY_CHARSET:
        return pa.binary()
    return _TYPES.get(kind, pa.string())


def _batches(cursor: Any, batch: int) -> Iterator[list[tuple[Any, ...]]]:
    try:
        while rows := cursor.fetchmany(batch):
            yield list(rows)
    except pymysql.MySQLError as problem:
        raise _fault(problem) from problem


def _fault(problem: pymysql.MySQLError) -> Fault:
    number = problem.args[0] if problem.args and isinstance(problem.args[0], int) else 0
    text = str(problem.args[1]) if len(problem.args) > 1 else ""
    if number in (1044, 1045, 1142, 1143, 1227, 1370, 1698):
        return Fault("refused", "the database refused this: the source's user or its rights do not allow it")
    if number == 1792:
        return Fault("refused", "the database is read here only; this statement would change it")
    if number in (1969, 3024, 1317):
        return Fault("large", "the query took longer than it may; ask for less, or add a condition")
    if number in (1054, 1064, 1146, 1049, 1051, 1109, 1305, 1222, 1241, 1242, 1690):
        return Fault("invalid", f"the database does not understand the query: {text}")
    return Fault("unavailable", f"the database does not answer ({number}): {text}")
