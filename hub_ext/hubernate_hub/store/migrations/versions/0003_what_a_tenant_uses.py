"""What a tenant uses is found by an index: it is summed at every start"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_owners_tenant_id", "owners", ["tenant_id"])
    op.create_index("ix_checkpoints_tenant_id_deleted_at", "checkpoints", ["tenant_id", "deleted_at"])


def downgrade() -> None:
    op.drop_index("ix_checkpoints_tenant_id_deleted_at", "checkpoints")
    op.drop_index("ix_owners_tenant_id", "owners")
