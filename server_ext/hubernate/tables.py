"""Tables: a database's, or parquet, CSV and JSON files of a source, as Arrow, pandas, Polars or DuckDB see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hubernate_core.errors import InvalidInput

from .fs import HubFileSystem
from .link import link

if TYPE_CHECKING:
    import pandas
    import pyarrow as pa
    from pyspark.sql import DataFrame

_DATABASES = ("postgresql", "mariadb", "hive")
_FORMATS = {"parquet": "parquet", "csv": "csv", "json": "json"}


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    type: str
    nullable: bool | None = None
    partition: bool = False


@dataclass(frozen=True)
class Table:
    """``hubernate.table("crm/public.customers")`` or ``hubernate.table("lake/sales/2026")``: nothing is read yet."""

    source: str
    path: str

    @property
    def schema(self) -> tuple[Column, ...]:
        """Its columns, as the platform last saw them."""
        found = link().get(f"/{quote(self.source)}/schema", path=self.path)["found"]
        return tuple(Column(**each) for each in found["columns"])

    @property
    def drift(self) -> tuple[str, ...]:
        """What changed in its schema, which is asked for anew, since it was another one; in words. Empty: nothing."""
        return tuple(link().get(f"/{quote(self.source)}/schema", path=self.path, fresh="true")["drift"])

    def sample(self, *, fresh: bool = False) -> "pandas.DataFrame":
        """The first rows, at once from the platform's memory; `fresh` asks the source."""
        import pandas

        found = link().get(f"/{quote(self.source)}/sample", path=self.path, fresh=str(fresh).lower())
        frame = pandas.DataFrame(found["found"]["rows"], columns=list(found["found"]["columns"]))
        frame.attrs |= {"taken_at": found["taken_at"], "stale": found["stale"], "note": found["found"]["note"]}
        return frame

    def to_arrow(
        self, columns: list[str] | None = None, *, filter: Any = None, limit: int = 0, where: Sequence[str] = ()
    ) -> "pa.Table":
        """All rows, or `limit` of them, of all or some columns.

        Args:
            filter: a `pyarrow.compute` expression; of files only, where it also decides what is read at all.
            where: conditions on the partitions of a Hive table, such as ``["dt>={yesterday}", "country=DE"]``.
        """
        kind = self._kind()
        if where and kind != "hive":
            raise InvalidInput("where", "only of Hive tables; use filter=, or hubernate.sql of a database")
        if kind in _DATABASES:
            if filter is not None:
                raise InvalidInput("filter", "a database filters by hubernate.sql, a Hive table by where=")
            answer = link().stream(
                "GET",
                f"/{quote(self.source)}/rows",
                path=self.path,
                columns=columns,
                limit=limit or None,
                where=list(where) or None,
            )
            return read_stream(answer)
        dataset = self.to_dataset()
        return dataset.head(limit, columns=columns, filter=filter) if limit else dataset.to_table(columns, filter)

    def to_pandas(
        self, columns: list[str] | None = None, *, filter: Any = None, limit: int = 0, where: Sequence[str] = ()
    ) -> "pandas.DataFrame":
        """As `to_arrow`."""
        return self.to_arrow(columns, filter=filter, limit=limit, where=where).to_pandas()

    def to_dataset(self) -> Any:
        """Files as a `pyarrow.dataset.Dataset`, with Hive partitions as columns: lazy, filters reach the files."""
        import pyarrow.dataset
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        found = link().get(f"/{quote(self.source)}/schema", path=self.path)
        kind = _FORMATS.get(found["found"]["format"])
        if kind is None:
            raise InvalidInput("path", f"{self.path!r} holds no parquet, CSV or JSON; use hubernate.open")
        files = PyFileSystem(FSSpecHandler(HubFileSystem()))
        where = f"{self.source}/{self.path}".rstrip("/")
        return pyarrow.dataset.dataset(where, filesystem=files, format=kind, partitioning="hive")

    def to_duckdb(self, connection: Any = None) -> Any:
        """A DuckDB relation; of files lazy, so that DuckDB's filters decide what is fetched.

        Raises:
            ImportError: DuckDB is not installed: ``pip install duckdb``.
        """
        import duckdb

        data = self.to_arrow() if self.is_database else self.to_dataset()
        return (connection or duckdb.connect()).from_arrow(data)

    def to_spark(self) -> "DataFrame":
        """A frame of this container's Spark, lazy. Raises as `hubernate.spark`."""
        from .spark_session import spark

        return spark().read.format("hub").load(f"{self.source}/{self.path}")

    @property
    def is_database(self) -> bool:
        """Whether it is a database's table, or a Hive one, whose rows the platform reads; not files."""
        return self._kind() in _DATABASES

    def _kind(self) -> str:
        return str(link().get(f"/{quote(self.source)}")["kind"])


def table(name: str) -> Table:
    """The table ``SOURCE/PATH``; a source that is one table, by its name alone."""
    source, _, path = name.removeprefix("hub://").partition("/")
    if not source:
        raise InvalidInput("table", "name a source and a path in it: hubernate.table('lake/sales')")
    return Table(source, path.strip("/"))


def sql(query: str, *, source: str, limit: int = 0) -> "Result":
    """The rows that one reading statement gives, from a database of the team's."""
    return Result(query, source, limit)


@dataclass(frozen=True)
class Result:
    """A query; every ``to_…`` runs it."""

    query: str
    source: str
    limit: int = 0

    def to_arrow(self) -> "pa.Table":
        """As an Arrow table."""
        body = {"query": self.query, "limit": self.limit}
        return read_stream(link().stream("POST", f"/{quote(self.source)}/sql", body=body))

    def to_pandas(self) -> "pandas.DataFrame":
        """As a frame."""
        return self.to_arrow().to_pandas()

    def to_duckdb(self, connection: Any = None) -> Any:
        """As a DuckDB relation."""
        import duckdb

        return (connection or duckdb.connect()).from_arrow(self.to_arrow())

    def _repr_html_(self) -> str:
        return str(self.to_arrow().slice(0, 20).to_pandas()._repr_html_())


def read_stream(answer: Any) -> "pa.Table":
    """All of an Arrow stream; one that breaks off is an error.

    Raises:
        Unavailable: it broke off.
    """
    import pyarrow as pa

    with answer, pa.ipc.open_stream(answer) as reader:
        return reader.read_all()
