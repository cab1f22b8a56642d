"""Tables. One partial unique index carries a promise: a server has at most one open operation."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC. A naive datetime is a mistake and is refused; SQLite forgets the zone, so it is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime was about to be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id(name: str = "id", **options: Any) -> Column[str]:
    return Column(name, String(10), **options)


def _moment(name: str, *, nullable: bool = True) -> Column[datetime]:
    return Column(name, UtcTime, nullable=nullable)


# A node's name on Kubernetes is a DNS subdomain. SQLite checks no length and cannot change a column: its old one stays.
_NODE = String(253).with_variant(String(63), "sqlite")

tenants = Table(
    "tenants",
    metadata,
    _id(primary_key=True),
    Column("name", String(30), nullable=False, unique=True),
    Column("active", Boolean, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("namespace", String(63), nullable=False, server_default=text("''")),  # on Kubernetes; empty: not given yet
    Column("version", Integer, nullable=False, server_default=text("1")),  # grows with every change: the ETag
    Column("seed", JSON(none_as_null=True)),  # settings as the tenants file had them last; null: it does not name it
    _moment("deleted_at"),
)

tenant_groups = Table(
    "tenant_groups",
    metadata,
    Column("tenant_id", String(10), ForeignKey("tenants.id"), primary_key=True),
    Column("group_name", String(255), primary_key=True),
    Column("role", String(10), nullable=False),
    Index(None, "group_name"),
)
"""Made of the tenants' settings, so that a person's tenants are found by their groups."""

members = Table(
    "members",
    metadata,
    Column("tenant_id", String(10), ForeignKey("tenants.id"), primary_key=True),
    Column("hub_name", String(255), primary_key=True),
    Column("role", String(10), nullable=False),
    Index(None, "hub_name"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    _moment("at", nullable=False),
    Column("actor", String(255), nullable=False),
    Column("role", String(20), nullable=False),
    Column("origin", String(255), nullable=False),
    Column("action", String(60), nullable=False),
    _id("tenant_id"),
    Column("target", String(300), nullable=False),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    Column("request_id", String(20), nullable=False),
    Column("previous_sha256", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Index(None, "tenant_id", "seq"),
)
"""Append only, by triggers of the database; each row's digest holds the one before it."""

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
)
"""One row, held by whoever appends."""

owners = Table(
    "owners",
    metadata,
    _id(primary_key=True),
    Column("user", String(255), nullable=False),
    Column("hub_name", String(255), nullable=False),
    _id("tenant_id", nullable=False),
    UniqueConstraint("user", "tenant_id"),
    Index(None, "tenant_id"),
)

servers = Table(
    "servers",
    metadata,
    _id(primary_key=True),
    Column("owner_id", String(10), ForeignKey("owners.id"), nullable=False),
    Column("name", String(30), nullable=False),
    Column("state", String(10), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("profile", JSON, nullable=False),  # the profile as it was at this start
    Column("start", String(10), nullable=False),
    Column("node", _NODE, nullable=False),
    Column("container_id", String(64), nullable=False),
    Column("gate_container_id", String(64), nullable=False),
    Column("base_repository", String(300), nullable=False),
    Column("base_digest", String(71), nullable=False),
    Column("image_repository", String(300), nullable=False),
    Column("image_digest", String(71), nullable=False),
    _id("checkpoint_id"),
    Column("relay_sha256", String(64), unique=True),
    *map(_moment, ("asked_at", "started_at", "ready_at", "stopped_at", "keep_awake_until", "warned_at")),
    *map(_moment, ("last_person_at", "last_kernel_busy_at", "last_terminal_busy_at", "last_cpu_busy_at")),
    *map(_moment, ("last_gpu_busy_at", "gpu_read_at")),
    Column("notice", Text, nullable=False),
    UniqueConstraint("owner_id", "name"),
    Index(None, "state"),
)

operations = Table(
    "operations",
    metadata,
    _id(primary_key=True),
    Column("server_id", String(10), ForeignKey("servers.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("trigger", String(20), nullable=False),
    Column("name", String(120), nullable=False),
    Column("node", _NODE, nullable=False),
    Column("container_id", String(64), nullable=False),
    Column("gate_container_id", String(64), nullable=False),
    Column("step", String(10), nullable=False),
    Column("progress", JSON, nullable=False),
    Column("outcome", String(10)),
    Column("reason", Text, nullable=False),
    Column("directive", String(10)),  # what the agent was told after `recorded`: a repeated report gets the same answer
    Column(
        "hub_joined", Boolean, nullable=False
    ),  # the hub's Spawner.stop waits for it, so nobody needs to ask the hub
    Column("requested_by", String(255), nullable=False),
    _id("checkpoint_id"),
    _moment("requested_at", nullable=False),
    _moment("updated_at", nullable=False),
    _moment("finished_at"),
    Index(
        "uq_operations_open",
        "server_id",
        unique=True,
        sqlite_where=text("finished_at IS NULL"),
        postgresql_where=text("finished_at IS NULL"),
    ),
    Index(None, "server_id", "requested_at"),
    Index(None, "finished_at"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _id(primary_key=True),
    Column("operation_id", String(10), ForeignKey("operations.id"), nullable=False, unique=True),
    Column("server_id", String(10), ForeignKey("servers.id"), nullable=False),
    _id("tenant_id", nullable=False),
    _id("owner_id", nullable=False),
    Column("generation", Integer, nullable=False),
    Column("name", String(120), nullable=False),
    Column("profile", String(30), nullable=False),
    Column("repository", String(300), nullable=False),
    Column("digest", String(71), nullable=False),
    Column("base_digest", String(71), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("changed_bytes", BigInteger, nullable=False),
    Column("frozen_s", Float, nullable=False),
    Column("layers", JSON, nullable=False),
    Column("largest", JSON, nullable=False),
    Column("notes", JSON, nullable=False),
    Column("signature", String(200), nullable=False),
    Column("usable", Boolean, nullable=False),
    _moment("created_at", nullable=False),
    _moment("deleted_at"),
    Index(None, "server_id", "created_at"),
    Index(None, "tenant_id", "deleted_at"),
)

forgets = Table(
    "forgets",
    metadata,
    Column("reference", String(372), primary_key=True),  # repository@digest
    Column("node", _NODE, nullable=False),
    _moment("asked_at", nullable=False),
)

unproven = Table("unproven", metadata, Column("reference", String(372), primary_key=True))
"""``repository@digest`` of checkpoints that no agent has found in the registry since the database was restored."""

agents = Table(
    "agents",
    metadata,
    Column("node", _NODE, primary_key=True),
    Column("version", String(60), nullable=False),
    _moment("last_seen_at", nullable=False),
)

waits = Table(
    "waits",
    metadata,
    _id(primary_key=True),
    Column("tenant_id", String(10), ForeignKey("tenants.id"), nullable=False),
    Column("user", String(255), nullable=False),
    Column("hub_name", String(255), nullable=False),
    Column("server_name", String(30), nullable=False),
    _id("server_id"),  # null: the start makes a new server
    Column("profile", String(30), nullable=False),
    Column("wanted", JSON, nullable=False),  # amounts by resource
    Column("choice", JSON, nullable=False),  # asked again with it if the hub forgets the start
    _moment("since", nullable=False),
    Column("cancelled_by", String(255), nullable=False),  # kept until its hub has heard it
    UniqueConstraint("hub_name", "server_name"),  # the hub knows one server of a name, so it waits at one place
    Index(None, "tenant_id"),
)
"""Starts that wait."""

idempotency = Table(
    "idempotency",
    metadata,
    Column("user", String(255), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    Column("answer", JSON, nullable=False),
    _moment("created_at", nullable=False),
)

sources = Table(
    "sources",
    metadata,
    _id(primary_key=True),
    Column("tenant_id", String(10), ForeignKey("tenants.id"), nullable=False),
    Column("name", String(40), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("credential", JSON(none_as_null=True)),  # sealed by data.cipher; nothing else is ever stored of it
    _moment("credential_changed_at"),
    Column("created_by", String(255), nullable=False),
    _moment("changed_at", nullable=False),
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
    _moment("taken_at", nullable=False),
)

source_reads = Table(
    "source_reads",
    metadata,
    _id("source_id", primary_key=True),
    Column("user", String(255), primary_key=True),
    Column("verb", String(10), primary_key=True),
    Column("hour", UtcTime, primary_key=True),
    _id("tenant_id", nullable=False),
    Column("source", String(40), nullable=False),  # its name then: the source may be gone
    Column("calls", BigInteger, nullable=False),
    Column("moved", BigInteger, nullable=False),  # bytes
    Index(None, "tenant_id", "hour"),
)
