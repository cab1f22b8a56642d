"""Relational databases: schemas, samples and SQL, each in a read-only transaction of its own connection.

Results come as Arrow's stream format, batch by batch, through a cursor on the server's side: memory stays flat.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any

from hubernate_core.errors import shorten
from hubernate_core.source_place import DatabasePlace
from hubernate_core.source_view import Check, Column, Entry, Sample, Schema

from .cells import as_json
from .faults import Fault
from .tree import Answer, Call, offset_of

BATCH = 8192
_READS = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(select|with|values|table|show|describe|desc|explain)\b", re.I | re.S
)
_TABLES = (
    "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN"
    " ('information_schema', 'pg_catalog', 'mysql', 'performance_schema', 'sys') ORDER BY 1, 2 LIMIT %s OFFSET %s"
)
_COLUMNS = (
    "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
    " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
)


def answer(place: DatabasePlace, call: Call) -> Answer:
    """What the call asks of a database. Raises Fault."""
    session = _session(place, call)
    if call.verb == "test":
        return {"checks": [each.model_dump() for each in _test(session)]}, iter(())
    if call.verb in ("read", "write", "info"):
        raise Fault("invalid", "this source is a database; it has tables, not files")
    try:
        session.open()
        return _VERBS[call.verb](session, call.arguments)
    except BaseException:
        session.close()
        raise


def _session(place: DatabasePlace, call: Call) -> Any:
    password, timeout_s = call.credential.get("password", ""), int(call.arguments.get("timeout_s", 30))
    if place.kind == "postgresql":
        from .postgresql import PostgreSql

        return PostgreSql(place, password, call.ca_file, timeout_s)
    from .mariadb import MariaDb

    return MariaDb(place, password, call.ca_file, timeout_s)


def _test(session: Any) -> list[Check]:
    try:
        session.open()
        tables = session.rows(_TABLES, (1, 0))
    except Fault as fault:
        refused = fault.kind == "refused"
        advice = "check user, password and rights" if refused else "check host, port, TLS and the open networks"
        checks = [Check(question="reachable", ok=True)] if refused else []
        question = "readable" if refused else "reachable"
        return [*checks, Check(question=question, ok=False, answer=fault.message, advice=advice)]
    finally:
        session.close()
    told = "" if tables else "the user sees no table"
    return [
        Check(question="reachable", ok=True),
        Check(question="exists", ok=True),
        Check(question="readable", ok=bool(tables), answer=told, advice="" if tables else "GRANT SELECT to the user"),
    ]


def _list(session: Any, arguments: dict[str, Any]) -> Answer:
    limit, offset = arguments["limit"], offset_of(arguments["after"])
    rows = session.rows(_TABLES, (limit + 1, offset))
    session.close()
    entries = [Entry(path=f"{schema}.{table}", type="table") for schema, table in rows[:limit]]
    following = str(offset + limit) if len(rows) > limit else ""
    return {"entries": [each.model_dump(mode="json") for each in entries], "next": following}, iter(())


def _look(session: Any, arguments: dict[str, Any]) -> Answer:
    schema, table = session.find_table(arguments["path"])
    columns = [
        Column(name=name, type=kind, nullable=nullable == "YES")
        for name, kind, nullable in session.rows(_COLUMNS, (schema, table))
    ]
    if not columns:
        raise Fault("not_found", f"the source's user sees no table {shorten(arguments['path'], 120)!r}")
    whole = f"{session.quote(schema)}.{session.quote(table)}"
    rows = session.rows(f"SELECT * FROM {whole} LIMIT {int(arguments['rows'])}")
    session.close()
    sample = Sample(
        columns=tuple(column.name for column in columns),
        rows=tuple(tuple(map(as_json, row)) for row in rows),
        format="table",
    )
    head = {"schema": Schema(columns=tuple(columns), format="table").model_dump(mode="json")}
    return head | {"sample": sample.model_dump(mode="json"), "path": f"{schema}.{table}"}, iter(())


def _rows(session: Any, arguments: dict[str, Any]) -> Answer:
    schema, table = session.find_table(arguments["path"])
    known = [name for name, _, _ in session.rows(_COLUMNS, (schema, table))]
    if not known:
        raise Fault("not_found", f"the source's user sees no table {shorten(arguments['path'], 120)!r}")
    wanted = arguments["columns"] or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise Fault("invalid", f"{schema}.{table} has no column {unknown[0]!r}; it has {', '.join(known)}")
    columns = ", ".join(map(session.quote, wanted))
    query = f"SELECT {columns} FROM {session.quote(schema)}.{session.quote(table)}"
    return _stream(session, query, arguments["limit"])


def _sql(session: Any, arguments: dict[str, Any]) -> Answer:
    query = arguments["query"].strip().rstrip(";")
    if not _READS.match(query):
        raise Fault("invalid", "only statements that read are sent: SELECT, WITH, VALUES, SHOW, DESCRIBE, EXPLAIN")
    return _stream(session, query, arguments["limit"])


def _stream(session: Any, query: str, limit: int) -> Answer:
    from .arrow import as_stream

    fields, batches = session.begin(query, BATCH)
    # Most queries fail at their first row: then the answer has not begun and can still be an error.
    first: list[Any] = next(batches, [])
    batches = itertools.chain([first], batches)
    return {"columns": [field.name for field in fields]}, _closing(session, as_stream(fields, batches, limit))


def _closing(session: Any, body: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from body
    finally:
        session.close()


_VERBS = {"list": _list, "look": _look, "rows": _rows, "sql": _sql}
