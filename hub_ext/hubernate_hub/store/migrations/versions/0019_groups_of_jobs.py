"""Jobs that belong together"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("group_id", sa.String(10), nullable=True))
    op.create_index("ix_jobs_group_id", "jobs", ["group_id"])


def downgrade() -> None:
    op.drop_index("ix_jobs_group_id", "jobs")
    op.drop_column("jobs", "group_id")
