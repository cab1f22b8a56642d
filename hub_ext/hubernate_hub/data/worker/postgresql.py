"""PostgreSQL by psycopg. Its C library connects by itself, so it is given the address that the guard approved."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa

from hubernate_core.source_place import DatabasePlace

from .faults import Fault
from .guard import GUARD

_TLS = {"verify": "verify-full", "require": "require", "off": "disable"}
_TYPES: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "bytea": pa.binary(),
}


class PostgreSql:
    """One connection, one read-only transaction."""

    def __init__(self, place: DatabasePlace, password: str, ca_file: str, timeout_s: int) -> None:
        self._place, self._password, self._ca_file, self._timeout_s = place, password, ca_file, timeout_s
        self._connection: Any = None

    def open(self) -> None:
        """Connect. Raises Fault."""
        place = self._place
        address = GUARD.resolve(place.host, place.port_or_default, encrypted=place.tls != "off")
        options: dict[str, Any] = dict(place.parameters)
        if place.tls == "verify":
            options["sslrootcert"] = self._ca_file or "system"
        try:
            self._connection = psycopg.connect(
                host=place.host,
                hostaddr=address,
                port=place.port_or_default,
                dbname=place.database,
                user=place.user,
                password=self._password,
                sslmode=_TLS[place.tls],
                connect_timeout=5,
                passfile="/dev/null",
                gssencmode="disable",
                options=f"-c statement_timeout={self._timeout_s * 1000} -c idle_in_transaction_session_timeout=60s",
                autocommit=False,
                **options,
            )
            self._connection.read_only = True
        except psycopg.Error as problem:
            raise _fault(problem) from problem

    def close(self) -> None:
        """Give the connection back; the transaction never commits."""
        if self._connection is not None:
            self._connection.close()

    def rows(self, query: str, values: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a small query of ours."""
        try:
            return list(self._connection.execute(query, values).fetchall())
        except psycopg.Error as problem:
            raise _fault(problem) from problem

    def find_table(self, path: str) -> tuple[str, str]:
        """``schema.table``, or ``table`` in ``public``."""
        schema, _, table = path.rpartition(".")
        return schema or "public", table

    def quote(self, name: str) -> str:
        """`name` as an identifier."""
        return '"' + name.replace('"', '""') + '"'

    def begin(self, query: str, batch: int) -> tuple[list[pa.Field], Iterator[list[tuple[Any, ...]]]]:
        """Run one reading statement behind a cursor of the server's: by the protocol, it can be only one."""
        cursor = self._connection.cursor(name="hubernate")
        cursor.itersize = batch
        try:
            cursor.execute(query)
            fields = [pa.field(each.name, self._type(each)) for each in cursor.description or ()]
        except psycopg.Error as problem:
            raise _fault(problem) from problem
        return fields, _batches(cursor, batch)

    def _type(self, column: Any) -> pa.DataType:
        found = self._connection.adapters.types.get(column.type_code)
        name = found.name if found is not None else ""
        if name == "numeric":
            # Without a declared precision every row may have another scale: a float says so openly.
            fits = column.precision and 0 <= (column.scale or 0) <= column.precision <= 38
            return pa.decimal128(column.precision, column.scale or 0) if fits else pa.float64()
        return _TYPES.get(name, pa.string())


def _batches(cursor: Any, batch: int) -> Iterator[list[tuple[Any, ...]]]:
    try:
        while rows := cursor.fetchmany(batch):
            yield rows
    except psycopg.Error as problem:
        raise _fault(problem) from problem


def _fault(problem: psycopg.Error) -> Fault:
    state = problem.sqlstate or ""
    text = str(problem).strip().partition("\n")[0]
    if state.startswith("28") or state == "42501" or "authentication failed" in text:
        return Fault("refused", "the database refused this: the source's user or its rights do not allow it")
    if state == "25006":
        return Fault("refused", "the database is read here only; this statement would change it")
    if state == "57014":
        return Fault("large", "the query took longer than it may; ask for less, or add a condition")
    if state[:2] in ("42", "22", "0A", "21", "54", "P0") or state == "34000":
        return Fault("invalid", f"the database does not understand the query: {text}")
    return Fault("unavailable", f"the database does not answer: {text}")
