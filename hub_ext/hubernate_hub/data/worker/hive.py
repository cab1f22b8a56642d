"""Tables of a Hive metastore: which there are, their columns and partitions, and where their rows lie.

Rows are not read here: a process serves one source, and the rows are another's (`scan`).
"""

from typing import Any

from hubernate_core.errors import shorten
from hubernate_core.source_hadoop import HivePlace
from hubernate_core.source_partition import NULL, Condition, select
from hubernate_core.source_view import Check, Column, Entry, Schema

from .faults import Fault
from .metastore import Metastore, Struct
from .tree import Answer, Call, offset_of

_PARTITIONS_MAX = 10_000
_DATABASE, _SD, _KEYS, _PARAMETERS, _KIND = 2, 7, 8, 9, 12  # of Table
_VALUES, _PART_SD = 1, 6  # of Partition
_COLUMNS, _LOCATION, _INPUT, _SERDE = 1, 2, 3, 7  # of StorageDescriptor
_FORMATS = {"parquet": "parquet", "orc": "orc", "textinputformat": "text"}
_TEXT_SERDES = ("LazySimpleSerDe", "OpenCSVSerde")


def answer(place: HivePlace, call: Call) -> Answer:
    """What the call asks of a metastore. Raises Fault."""
    if call.verb not in _VERBS:
        raise Fault("invalid", "this source is a Hive metastore; it has tables, not files")
    if call.verb == "test":
        return {"checks": [each.model_dump() for each in _test(place, call)]}, iter(())
    metastore = Metastore(place, call.ca_file)
    try:
        return _VERBS[call.verb](place, metastore, call.arguments), iter(())
    finally:
        metastore.close()


def _test(place: HivePlace, call: Call) -> list[Check]:
    try:
        metastore = Metastore(place, call.ca_file)
    except Fault as fault:
        advice = "check host, port, TLS and the platform's open networks"
        return [Check(question="reachable", ok=False, answer=fault.message, advice=advice)]
    try:
        known = set(metastore.databases())
        absent = [name for name in place.databases if name not in known]
        checks = [Check(question="reachable", ok=True)]
        if absent:
            told = f"the metastore has no database {absent[0]!r}, or hides it"
            return [*checks, Check(question="exists", ok=False, answer=told, advice="correct the databases' names")]
        tables = [name for database in place.databases for name in metastore.tables(database)]
    except Fault as fault:
        advice = "a metastore that wants Kerberos cannot be asked; see whether it may be told a user"
        return [Check(question="reachable", ok=False, answer=fault.message, advice=advice)]
    finally:
        metastore.close()
    told = f"{len(tables)} tables; their rows need a source of kind s3 or hdfs where they lie"
    return [*checks, Check(question="exists", ok=True), Check(question="readable", ok=True, answer=told)]


def _list(place: HivePlace, metastore: Metastore, arguments: dict[str, Any]) -> dict[str, Any]:
    """Tables, or a table's partitions, newest first."""
    limit, offset = arguments["limit"], offset_of(arguments["after"])
    if arguments["path"]:
        database, name = find_table(place, arguments["path"])
        partitions = _select(metastore, database, name, _keys(metastore.table(database, name)), [])
        paths, kind = [f"{database}.{name}/{each}" for each, _ in partitions], "partition"
    else:
        paths, kind = [f"{each}.{table}" for each in place.databases for table in metastore.tables(each)], "table"
    entries = [Entry(path=path, type=kind).model_dump(mode="json") for path in paths[offset : offset + limit]]
    return {"entries": entries, "next": str(offset + limit) if len(paths) > offset + limit else ""}


def _table(place: HivePlace, metastore: Metastore, arguments: dict[str, Any]) -> dict[str, Any]:
    """Schema, format, and the locations of what meets the conditions: all, or with ``newest`` one partition."""
    database, name = find_table(place, arguments["path"])
    found = metastore.table(database, name)
    if found.get(_DATABASE, database).rpartition("#")[2] != database:
        raise Fault("not_found", "the metastore has no such table")
    columns, keys, where = _fields(found[_SD]), _keys(found), [Condition(*each) for each in arguments["where"]]
    why, facts = _readable(found)
    shown = tuple(Column(name=each, type=kind, nullable=True) for each, kind in columns)
    shown += tuple(Column(name=each, type=kind, nullable=True, partition=True) for each, kind in keys)
    head = {
        "path": f"{database}.{name}",
        "schema": Schema(columns=shown, format=facts.get("format", "")).model_dump(mode="json"),
        "columns": columns,
        "keys": keys,
        "format": facts,
        "why_not": why,
        "location": found[_SD].get(_LOCATION, ""),
        "parts": [],
    }
    if not keys and not why:
        select([], keys, where)  # refuses conditions
        head["parts"] = [{"location": found[_SD].get(_LOCATION, ""), "values": []}]
    elif not why:
        chosen = _select(metastore, database, name, keys, where)[: 1 if arguments["newest"] else None]
        head["parts"] = _parts(metastore, database, name, chosen, facts)
    return head


def find_table(place: HivePlace, path: str) -> tuple[str, str]:
    """Database and table of ``database.table``, or of ``table`` in the source's first database; never of another.

    Raises:
        Fault: the source does not show that database.
    """
    database, _, name = path.partition("/")[0].lower().rpartition(".")
    database = database or place.databases[0]
    if database not in place.databases or not name:
        raise Fault("not_found", f"this source has no table {shorten(path, 120)!r}")
    return database, name


def _select(metastore: Metastore, database: str, name: str, keys: list[Any], where: list[Condition]) -> list[Any]:
    return select(metastore.partition_names(database, name), keys, where) if keys else []


def _parts(
    metastore: Metastore, database: str, name: str, chosen: list[tuple[str, tuple[str, ...]]], facts: dict[str, Any]
) -> list[dict[str, Any]]:
    if len(chosen) > _PARTITIONS_MAX:
        raise Fault("large", f"{len(chosen)} partitions are more than {_PARTITIONS_MAX}; add a condition")
    parts = []
    known = {tuple(each[_VALUES]): each for each in metastore.partitions(database, name, [each for each, _ in chosen])}
    for _, values in chosen:
        part = known.get(values)
        if part is None:
            continue  # dropped meanwhile
        if _format(part[_PART_SD]) != facts["format"]:
            raise Fault("invalid", "partitions of this table have several formats; read it with Spark")
        parts.append(
            {
                "location": part[_PART_SD].get(_LOCATION, ""),
                "values": [None if each == NULL else each for each in values],
            }
        )
    return parts


def _fields(descriptor: Struct) -> list[tuple[str, str]]:
    return [(each[1], each[2]) for each in descriptor.get(_COLUMNS, [])]


def _keys(table: Struct) -> list[tuple[str, str]]:
    return [(each[1], each[2]) for each in table.get(_KEYS, [])]


def _format(descriptor: Struct) -> str:
    name = str(descriptor.get(_INPUT, "")).lower()
    return next((kind for part, kind in _FORMATS.items() if part in name), "")


def _readable(table: Struct) -> tuple[str, dict[str, Any]]:
    """Why its files cannot be read as rows, empty where they can; and how they are to be read."""
    parameters = {str(name).lower(): str(value) for name, value in table.get(_PARAMETERS, {}).items()}
    if str(table.get(_KIND, "")).endswith("VIEW"):
        return "it is a view, which only Hive or Spark can compute", {}
    if parameters.get("transactional", "").lower() == "true":
        return "it is a transactional table, whose files only Hive can put together", {}
    other = parameters.get("table_type", "") or parameters.get("spark.sql.sources.provider", "")
    if other.lower() in ("iceberg", "delta", "hudi", "paimon"):
        return f"it is a table of {other.lower()}, whose files have a catalogue of their own", {}
    kind, serde = _format(table[_SD]), table[_SD].get(_SERDE, {})
    library = str(serde.get(2, "")).rpartition(".")[2]
    if not kind or (kind == "text" and library not in _TEXT_SERDES):
        return f"its format ({library or 'none'}) is not parquet, ORC or delimited text; read it with Spark", {}
    facts: dict[str, Any] = {"format": kind}
    if kind == "text":
        told = {str(name): str(value) for name, value in serde.get(3, {}).items()}
        plain = library == "LazySimpleSerDe"
        delimiter = (
            told.get("field.delim", told.get("serialization.format", "\x01"))
            if plain
            else told.get("separatorChar", ",")
        )
        facts |= {
            "delimiter": chr(int(delimiter)) if plain and delimiter.isdigit() else delimiter,
            "quote": "" if plain else told.get("quoteChar", '"'),
            "null": told.get("serialization.null.format", "\\N") if plain else "",
            "skip": int(parameters.get("skip.header.line.count", "0") or 0),
        }
    return "", facts


_VERBS: dict[str, Any] = {"test": None, "list": _list, "table": _table}
