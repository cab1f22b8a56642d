"""Tenants have a namespace; names of nodes are as long as Kubernetes allows"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_WITH_NODE = ("agents", "forgets", "servers", "operations")


def upgrade() -> None:
    op.add_column("tenants", sa.Column("namespace", sa.String(length=63), server_default=sa.text("''"), nullable=False))
    _resize_nodes(63, 253)


def downgrade() -> None:
    _resize_nodes(253, 63)
    op.drop_column("tenants", "namespace")


def _resize_nodes(old: int, new: int) -> None:
    if op.get_bind().dialect.name == "sqlite":
        return  # it checks no length, and would need every table written anew
    for table in _WITH_NODE:
        op.alter_column(table, "node", existing_type=sa.String(length=old), type_=sa.String(length=new))
