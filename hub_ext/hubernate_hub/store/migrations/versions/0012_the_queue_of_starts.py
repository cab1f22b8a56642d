"""Starts that wait"""

import sqlalchemy as sa
from alembic import op

from hubernate_hub.store.schema import UtcTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "waits",
        sa.Column("id", sa.String(10), nullable=False),
        sa.Column("tenant_id", sa.String(10), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("hub_name", sa.String(255), nullable=False),
        sa.Column("server_name", sa.String(30), nullable=False),
        sa.Column("server_id", sa.String(10), nullable=True),
        sa.Column("profile", sa.String(30), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("choice", sa.JSON(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("cancelled_by", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_waits_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_waits"),
        sa.UniqueConstraint("hub_name", "server_name", name="uq_waits_hub_name_server_name"),
    )
    op.create_index("ix_waits_tenant_id", "waits", ["tenant_id"])


def downgrade() -> None:
    op.drop_table("waits")
