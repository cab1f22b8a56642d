"""``spark.read.format("hub").load("lake/sales")``: a file, folder or table of the team's, read by Spark's own workers.

Each file is a part of its own, read by the SDK through the gate's relay; filters decide which files and row groups are
read at all. A database's table is one part, and its filters are Spark's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import datasource
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import StructType

from .tables import Table, table

_BATCH = 10_000
_COMPARED = {
    datasource.EqualTo: pc.equal,
    datasource.GreaterThan: pc.greater,
    datasource.GreaterThanOrEqual: pc.greater_equal,
    datasource.LessThan: pc.less,
    datasource.LessThanOrEqual: pc.less_equal,
}


class HubDataSource(DataSource):  # type: ignore[misc]  # Spark is not installed where types are checked
    """What Spark asks for a table's shape and reader."""

    @classmethod
    def name(cls) -> str:
        """What stands in ``format(…)``."""
        return "hub"

    def schema(self) -> StructType:
        """Its columns."""
        return from_arrow_schema(_schema(self._table()))

    def reader(self, schema: StructType) -> "HubReader":
        """Its reader."""
        return HubReader(self._table(), to_arrow_schema(schema))

    def _table(self) -> Table:
        return table(self.options.get("path", ""))


@dataclass
class _Part(InputPartition):  # type: ignore[misc]
    """A file of a dataset; None: all of a database's table."""

    fragment: Any


class HubReader(DataSourceReader):  # type: ignore[misc]
    """Is sent to Spark's workers: it holds names and filters, nothing that opens anything."""

    def __init__(self, read: Table, schema: pa.Schema) -> None:
        self._table, self._schema = read, schema
        self._filter: Any = None

    def pushFilters(self, filters: list[Any]) -> Iterable[Any]:
        """Take what spares reading; Spark applies all of them once more."""
        known = [
            _COMPARED[type(each)](pc.field(*each.attribute), each.value) for each in filters if type(each) in _COMPARED
        ]
        self._filter = reduce(pc.and_kleene, known) if known else None
        return filters

    def partitions(self) -> list[InputPartition]:
        """One for each file."""
        if self._table.is_database:
            return [_Part(None)]
        found = self._table.to_dataset().get_fragments(self._filter)
        # Without a file there is still a part, or Spark would ask for one that it cannot describe.
        return [_Part(each) for each in found] or [_Part(())]

    def read(self, partition: Any) -> Iterator[pa.RecordBatch]:
        """Its rows."""
        if partition.fragment == ():
            return
        if partition.fragment is None:
            batches: Iterable[pa.RecordBatch] = self._table.to_arrow().to_batches(_BATCH)
        else:
            batches = partition.fragment.to_batches(self._schema, filter=self._filter, batch_size=_BATCH)
        for batch in batches:
            yield pa.RecordBatch.from_arrays(
                [column.cast(field.type) for column, field in zip(batch.columns, self._schema, strict=True)],
                schema=self._schema,
            )


def _schema(read: Table) -> pa.Schema:
    return read.to_arrow(limit=1).schema if read.is_database else read.to_dataset().schema
