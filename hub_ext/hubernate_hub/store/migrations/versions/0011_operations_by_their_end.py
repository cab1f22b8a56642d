"""Operations that ended lately are found by an index: they are told on their pods every few seconds"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_operations_finished_at", "operations", ["finished_at"])


def downgrade() -> None:
    op.drop_index("ix_operations_finished_at", "operations")
