"""Rows of a Hive table from the files of its folders, as Arrow: file by file and batch by batch, memory stays flat."""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.orc as po
import pyarrow.parquet as pq

from hubernate_core.source_path import split_path
from hubernate_core.source_view import Entry, Sample

from .arrow import batches_as_stream
from .cells import as_json
from .faults import Fault
from .hive_types import arrow_type
from .ranges import Ranges
from .tree import Answer, Tree

_BATCH, _BLOCK, _PAGE = 16_384, 4 * 1024**2, 1000
_GLANCE_MAX = 64 * 1024**2
_HIDDEN = ("_", ".")


@dataclass(frozen=True)
class _Wanted:
    """Columns of the answer: what the files have, what the folders say."""

    schema: pa.Schema
    files: pa.Schema
    keys: tuple[tuple[str, pa.DataType], ...]
    every: pa.Schema
    how: dict[str, Any]


def scan(tree: Tree, arguments: dict[str, Any]) -> Answer:
    """An Arrow stream of the wanted columns of all folders. Raises Fault, also while it is read."""
    wanted = _wanted(arguments)
    rows = _rows(tree, wanted, arguments["folders"])
    # What cannot be read fails at its first row: then the answer has not begun and can still be an error.
    first = next(rows, None)
    rows = itertools.chain([] if first is None else [first], rows)
    return {"columns": wanted.schema.names}, batches_as_stream(wanted.schema, rows, arguments["limit"])


def glance(tree: Tree, arguments: dict[str, Any]) -> Answer:
    """A sample of the first rows. Raises Fault."""
    wanted, left = _wanted(arguments), arguments["limit"]
    found: list[tuple[Any, ...]] = []
    for batch in _rows(tree, wanted, arguments["folders"], batch_rows=left, most=_GLANCE_MAX):
        columns = [[as_json(value) for value in column.to_pylist()] for column in batch.slice(0, left - len(found))]
        found += zip(*columns, strict=True)
        if len(found) >= left:
            break
    sample = Sample(columns=tuple(wanted.schema.names), rows=tuple(found), format=wanted.how["format"])
    return {"sample": sample.model_dump(mode="json")}, iter(())


def _wanted(arguments: dict[str, Any]) -> _Wanted:
    columns, keys = arguments["columns"], arguments["keys"]
    known = {name: pa.field(name, arrow_type(kind)) for name, kind in (*columns, *keys)}
    names = arguments["wanted"] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Fault("invalid", f"the table has no column {unknown[0]!r}; it has {', '.join(known)}")
    own = {name for name, _ in columns}
    return _Wanted(
        schema=pa.schema([known[name] for name in names]),
        files=pa.schema([known[name] for name in names if name in own]),
        keys=tuple((name, known[name].type) for name, _ in keys),
        every=pa.schema([known[name] for name, _ in columns]),
        how=arguments["format"],
    )


def _rows(
    tree: Tree, wanted: _Wanted, folders: list[dict[str, Any]], *, batch_rows: int = _BATCH, most: int = 0
) -> Iterator[pa.RecordBatch]:
    pa.set_cpu_count(1)
    read = {"parquet": _parquet, "orc": _orc, "text": _text}[wanted.how["format"]]
    for folder in folders:
        fixed = {name: _value(text, kind) for (name, kind), text in zip(wanted.keys, folder["values"], strict=True)}
        for entry in _files(tree, split_path(folder["path"])):
            where = entry.path
            try:
                file = Ranges(tree, split_path(where), entry, most=most)
                for batch in read(file, wanted, batch_rows):
                    yield _shaped(batch, wanted, fixed)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as problem:
                told = str(problem).partition("\n")[0]
                raise Fault("invalid", f"{where!r} is not what the metastore says of it: {told}") from problem


def _files(tree: Tree, folder: tuple[str, ...]) -> Iterator[Entry]:
    after = ""
    while True:
        entries, after = tree.listing(folder, after, _PAGE)
        for each in entries:
            name = split_path(each.path)[-1]
            if each.type == "file" and each.size and not name.startswith(_HIDDEN):
                yield each
        if not after:
            return


def _parquet(file: Ranges, wanted: _Wanted, rows: int) -> Iterator[pa.RecordBatch]:
    opened = pq.ParquetFile(
        file, pre_buffer=False, buffer_size=1024**2, coerce_int96_timestamp_unit="us", arrow_extensions_enabled=False
    )
    present = _present(opened.schema_arrow.names, wanted.files.names)
    yield from opened.iter_batches(batch_size=rows, columns=present, use_threads=False)


def _orc(file: Ranges, wanted: _Wanted, rows: int) -> Iterator[pa.RecordBatch]:
    opened = po.ORCFile(file)
    names = opened.schema.names
    # Hive before 2 wrote no names: then columns are meant by their place.
    unnamed = all(name == f"_col{at}" for at, name in enumerate(names))
    places = {name: f"_col{wanted.every.get_field_index(name)}" for name in wanted.files.names} if unnamed else {}
    present = _present(names, list(places.values()) if unnamed else wanted.files.names)
    for at in range(opened.nstripes):
        stripe = opened.read_stripe(at, columns=present) if present else opened.read_stripe(at, columns=names[:1])
        if unnamed:
            back = {there: name for name, there in places.items()}
            stripe = stripe.rename_columns([back.get(name, name) for name in stripe.schema.names])
        for start in range(0, stripe.num_rows, rows):
            yield stripe.slice(start, rows)


def _text(file: Ranges, wanted: _Wanted, rows: int) -> Iterator[pa.RecordBatch]:
    how = wanted.how
    nested = [field.name for field in wanted.files if pa.types.is_nested(field.type)]
    if nested:
        raise Fault("invalid", f"column {nested[0]!r} is nested, which is not read from text; read it with Spark")
    if len(how["delimiter"]) != 1 or len(how["quote"]) > 1:
        raise Fault("invalid", "the table's delimiter is longer than one character; read it with Spark")
    reader = pc.open_csv(
        io.BufferedReader(file, _BLOCK),
        pc.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=wanted.every.names, skip_rows=how["skip"]),
        pc.ParseOptions(delimiter=how["delimiter"], quote_char=how["quote"] or False, newlines_in_values=False),
        pc.ConvertOptions(
            column_types=wanted.every,
            include_columns=wanted.files.names or wanted.every.names[:1],
            null_values=[how["null"]],
            strings_can_be_null=bool(how["null"]),
            quoted_strings_can_be_null=False,
        ),
    )
    for batch in reader:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def _present(there: list[str], wanted: list[str]) -> list[str]:
    """Hive knows no capitals, files do."""
    known = {name.lower(): name for name in there}
    return [known[name.lower()] for name in wanted if name.lower() in known]


def _shaped(batch: pa.RecordBatch, wanted: _Wanted, fixed: dict[str, Any]) -> pa.RecordBatch:
    """The wanted columns in order: of the file, of the folder's name, or null where a file is older than the column."""
    there = {name.lower(): at for at, name in enumerate(batch.schema.names)}
    arrays = []
    for field in wanted.schema:
        if field.name in fixed:
            arrays.append(pa.repeat(fixed[field.name], batch.num_rows))
        elif field.name.lower() in there:
            arrays.append(batch.column(there[field.name.lower()]).cast(field.type))
        else:
            arrays.append(pa.nulls(batch.num_rows, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=wanted.schema)


def _value(text: str | None, kind: pa.DataType) -> Any:
    if text is None:
        return pa.scalar(None, kind)
    try:
        return pa.scalar(text).cast(kind)
    except pa.ArrowInvalid as problem:
        raise Fault("invalid", f"the partition value {text[:60]!r} is no {kind}") from problem
