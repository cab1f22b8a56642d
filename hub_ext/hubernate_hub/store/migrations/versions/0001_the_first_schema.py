"""The first schema"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("node", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=60), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_agents")),
    )
    op.create_table(
        "forgets",
        sa.Column("reference", sa.String(length=372), nullable=False),
        sa.Column("node", sa.String(length=63), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_forgets")),
    )
    op.create_table(
        "idempotency",
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user", "key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "owners",
        sa.Column("id", sa.String(length=10), nullable=False),
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("hub_name", sa.String(length=255), nullable=False),
        sa.Column("tenant_id", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owners")),
        sa.UniqueConstraint("user", "tenant_id", name=op.f("uq_owners_user_tenant_id")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_table(
        "servers",
        sa.Column("id", sa.String(length=10), nullable=False),
        sa.Column("owner_id", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False),
        sa.Column("start", sa.String(length=10), nullable=False),
        sa.Column("node", sa.String(length=63), nullable=False),
        sa.Column("container_id", sa.String(length=64), nullable=False),
        sa.Column("gate_container_id", sa.String(length=64), nullable=False),
        sa.Column("base_repository", sa.String(length=300), nullable=False),
        sa.Column("base_digest", sa.String(length=71), nullable=False),
        sa.Column("image_repository", sa.String(length=300), nullable=False),
        sa.Column("image_digest", sa.String(length=71), nullable=False),
        sa.Column("checkpoint_id", sa.String(length=10), nullable=True),
        sa.Column("relay_sha256", sa.String(length=64), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_person_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_kernel_busy_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_terminal_busy_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_cpu_busy_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("keep_awake_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_servers_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_servers")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_servers_owner_id_name")),
        sa.UniqueConstraint("relay_sha256", name=op.f("uq_servers_relay_sha256")),
    )
    op.create_index(op.f("ix_servers_state"), "servers", ["state"], unique=False)

    op.create_table(
        "operations",
        sa.Column("id", sa.String(length=10), nullable=False),
        sa.Column("server_id", sa.String(length=10), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("trigger", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("node", sa.String(length=63), nullable=False),
        sa.Column("container_id", sa.String(length=64), nullable=False),
        sa.Column("gate_container_id", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=10), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("directive", sa.String(length=10), nullable=True),
        sa.Column("hub_joined", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.String(length=255), nullable=False),
        sa.Column("checkpoint_id", sa.String(length=10), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_operations_server_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
    )
    op.create_index(
        op.f("ix_operations_server_id_requested_at"), "operations", ["server_id", "requested_at"], unique=False
    )
    op.create_index(
        "uq_operations_open",
        "operations",
        ["server_id"],
        unique=True,
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )

    op.create_table(
        "checkpoints",
        sa.Column("id", sa.String(length=10), nullable=False),
        sa.Column("operation_id", sa.String(length=10), nullable=False),
        sa.Column("server_id", sa.String(length=10), nullable=False),
        sa.Column("tenant_id", sa.String(length=10), nullable=False),
        sa.Column("owner_id", sa.String(length=10), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("profile", sa.String(length=30), nullable=False),
        sa.Column("repository", sa.String(length=300), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("base_digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("changed_bytes", sa.BigInteger(), nullable=False),
        sa.Column("frozen_s", sa.Float(), nullable=False),
        sa.Column("layers", sa.JSON(), nullable=False),
        sa.Column("largest", sa.JSON(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("signature", sa.String(length=200), nullable=False),
        sa.Column("usable", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("fk_checkpoints_operation_id")),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_checkpoints_server_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
        sa.UniqueConstraint("operation_id", name=op.f("uq_checkpoints_operation_id")),
    )
    op.create_index(
        op.f("ix_checkpoints_server_id_created_at"), "checkpoints", ["server_id", "created_at"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_checkpoints_server_id_created_at"), "checkpoints")

    op.drop_table("checkpoints")
    op.drop_index(
        "uq_operations_open",
        "operations",
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.drop_index(op.f("ix_operations_server_id_requested_at"), "operations")

    op.drop_table("operations")
    op.drop_index(op.f("ix_servers_state"), "servers")

    op.drop_table("servers")
    op.drop_table("tenants")
    op.drop_table("owners")
    op.drop_table("idempotency")
    op.drop_table("forgets")
    op.drop_table("agents")
