"""Tables of what was used over time and of prices; and the index by which failed saves are found."""

from sqlalchemy import JSON, BigInteger, Column, Date, Index, String, Table, text

from .schema import UtcTime, metadata, operations

usage = Table(
    "usage",
    metadata,
    Column("tenant_id", String(10), primary_key=True),  # empty: all tenants together
    Column("user", String(255), primary_key=True),  # empty: all people of the tenant together
    Column("day", Date, primary_key=True),
    Column("resource", String(320), primary_key=True),
    Column("amount", BigInteger, nullable=False),  # as `hubernate_core.metering` counts
    Index(None, "day"),  # what is too old is forgotten by it
    sqlite_with_rowid=False,  # kept in the order of its key, in which it is summed
)

meters = Table(
    "meters",
    metadata,
    Column("name", String(10), primary_key=True),
    Column("until", UtcTime, nullable=False),
)
"""Until when each kind of use is in `usage`: changed in the transaction that adds to it."""

price_lists = Table(
    "price_lists",
    metadata,
    Column("first_day", Date, primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("prices", JSON, nullable=False),
)

Index(
    "ix_operations_failed",
    operations.c.server_id,
    sqlite_where=text("outcome = 'failed'"),
    postgresql_where=text("outcome = 'failed'"),
)
