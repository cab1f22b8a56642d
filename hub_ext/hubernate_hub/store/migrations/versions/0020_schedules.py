"""Schedules, and attempts of jobs"""

import sqlalchemy as sa
from alembic import op

from hubernate_hub.store.schema import UtcTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("preempted", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("jobs", sa.Column("preempt_at", UtcTime(), nullable=True))
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

    op.create_table(
        "job_attempts",
        sa.Column("job_id", sa.String(10), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.String(10), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("amounts", sa.JSON(), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("end", sa.String(10), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", name="pk_job_attempts"),
    )
    op.create_index("ix_job_attempts_ended_at", "job_attempts", ["ended_at"])


def downgrade() -> None:
    op.drop_table("job_attempts")
    op.drop_table("notices")
    op.drop_table("schedules")
    op.drop_column("jobs", "preempt_at")
    op.drop_column("jobs", "preempted")
