"""Sources of data, what was seen of them, and who read how much"""

import sqlalchemy as sa
from alembic import op

from hubernate_hub.store.schema import UtcTime

revision = "0010"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sources",
        sa.Column("id", sa.String(10), nullable=False),
        sa.Column("tenant_id", sa.String(10), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("credential", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("credential_changed_at", UtcTime(), nullable=True),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_sources_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_sources_tenant_id_name"),
    )
    op.create_table(
        "source_views",
        sa.Column("source_id", sa.String(10), nullable=False),
        sa.Column("path_sha256", sa.String(64), nullable=False),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("taken_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_source_views_source_id"),
        sa.PrimaryKeyConstraint("source_id", "path_sha256", name="pk_source_views"),
    )
    op.create_table(
        "source_reads",
        sa.Column("source_id", sa.String(10), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("verb", sa.String(10), nullable=False),
        sa.Column("hour", UtcTime(), nullable=False),
        sa.Column("tenant_id", sa.String(10), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("moved", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "user", "verb", "hour", name="pk_source_reads"),
    )
    op.create_index("ix_source_reads_tenant_id_hour", "source_reads", ["tenant_id", "hour"])


def downgrade() -> None:
    op.drop_table("source_reads")
    op.drop_table("source_views")
    op.drop_table("sources")
