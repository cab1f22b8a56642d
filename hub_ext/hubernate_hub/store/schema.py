"""Tables. One partial unique index carries a promise: a server has at most one open operation."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from .columns import NODE as _NODE
from .columns import UtcTime as UtcTime
from .columns import id_column as _id
from .columns import metadata as metadata
from .columns import moment as _moment
from .job_tables import job_attempts as job_attempts
from .job_tables import jobs as jobs
from .schedule_tables import notices as notices
from .schedule_tables import schedules as schedules
from .source_tables import source_reads as source_reads
from .source_tables import source_views as source_views
from .source_tables import sources as sources

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
    _moment("marked_at"),  # for deletion, once: suspended, and nothing is gone yet
    _moment("deleted_at"),  # for good: what it left is being removed
    _moment("emptied_at"),  # nothing of it is left
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
    Column("pinned", Boolean, nullable=False, server_default=false()),
    _moment("goes_at"),
    Column("goes_why", String(20), nullable=False, server_default=text("''")),
    _moment("created_at", nullable=False),
    _moment("deleted_at"),
    Index(None, "server_id", "created_at"),
    Index(None, "tenant_id", "deleted_at"),
)

team_images = Table(
    "team_images",
    metadata,
    _id(primary_key=True),
    Column("tenant_id", String(10), ForeignKey("tenants.id"), nullable=False),
    Column("name", String(30), nullable=False),
    Column("title", String(60), nullable=False),
    Column("profile", String(30), nullable=False),
    Column("repository", String(300), nullable=False),
    Column("digest", String(71), nullable=False),
    Column("source", String(372), nullable=False),  # repository@digest that it is copied from
    Column("made_from", JSON, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_by", String(255), nullable=False),
    _moment("created_at", nullable=False),
    _moment("offered_at"),  # null: the registry does not have it yet
    _moment("retired_at"),
    Column("problem", Text, nullable=False),
    Index(
        "uq_team_images_offered",
        "tenant_id",
        "name",
        unique=True,
        sqlite_where=text("retired_at IS NULL"),
        postgresql_where=text("retired_at IS NULL"),
    ),
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
