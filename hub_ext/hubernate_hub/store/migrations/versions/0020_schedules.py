"""Schedules"""

import sqlalchemy as sa
from alembic import op

from hubernate_hub.store.schema import UtcTime

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(10), nullable=False),
        sa.Column("tenant_id", sa.String(10), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("hub_name", sa.String(255), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("server_id", sa.String(10), nullable=True),
        sa.Column("operation_id", sa.String(10), nullable=True),
        sa.Column("checkpoint_id", sa.String(10), nullable=True),
        sa.Column("planned_at", UtcTime(), nullable=False),
        sa.Column("held_at", UtcTime(), nullable=True),
        sa.Column("job_id", sa.String(10), nullable=True),
        sa.Column("ran_for", UtcTime(), nullable=True),
        sa.Column("judged", sa.Boolean(), nullable=False),
        sa.Column("failing", sa.Boolean(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("untold", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_schedules_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
    )
    op.create_index("ix_schedules_tenant_id_created_at", "schedules", ["tenant_id", "created_at"])
    op.create_index("ix_schedules_hub_name_created_at", "schedules", ["hub_name", "created_at"])
    op.create_table(
        "notices",
        sa.Column("id", sa.String(10), nullable=False),
        sa.Column("schedule_id", sa.String(10), nullable=False),
        sa.Column("tenant_id", sa.String(10), nullable=False),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("address", sa.String(1000), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("ix_notices_due_at", "notices", ["due_at"])
    op.create_index("ix_notices_schedule_id", "notices", ["schedule_id"])


def downgrade() -> None:
    op.drop_table("notices")
    op.drop_table("schedules")
