"""Tables of sources of data: what they are, what was seen of them, and who read how much."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from .columns import UtcTime, id_column, metadata, moment

sources = Table(
    "sources",
    metadata,
    id_column(primary_key=True),
    Column("tenant_id", String(10), ForeignKey("tenants.id"), nullable=False),
    Column("name", String(40), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("credential", JSON(none_as_null=True)),  # sealed by data.cipher; nothing else is ever stored of it
    moment("credential_changed_at"),
    Column("created_by", String(255), nullable=False),
    moment("changed_at", nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("tenant_id", "name"),
)

source_views = Table(
    "source_views",
    metadata,
    Column("source_id", String(10), ForeignKey("sources.id"), primary_key=True),
    Column("path_sha256", String(64), primary_key=True),
    Column("path", String(1024), nullable=False),
    Column("content", JSON, nullable=False),
    Column("before", JSON(none_as_null=True)),
    moment("taken_at", nullable=False),
)

source_reads = Table(
    "source_reads",
    metadata,
    id_column("source_id", primary_key=True),
    Column("user", String(255), primary_key=True),
    Column("verb", String(10), primary_key=True),
    Column("hour", UtcTime, primary_key=True),
    id_column("tenant_id", nullable=False),
    Column("source", String(40), nullable=False),  # its name then: the source may be gone
    Column("calls", BigInteger, nullable=False),
    Column("moved", BigInteger, nullable=False),  # bytes
    Index(None, "tenant_id", "hour"),
)
