"""What tenants used over time, prices, and an index for failed saves"""

import sqlalchemy as sa
from alembic import op

from hubernate_hub.store.schema import UtcTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("tenant_id", sa.String(10), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("resource", sa.String(320), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user", "day", "resource", name="pk_usage"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meters",
        sa.Column("name", sa.String(10), nullable=False),
        sa.Column("until", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meters"),
    )
    op.create_table(
        "price_lists",
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("prices", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("first_day", name="pk_price_lists"),
    )
    failed = sa.text("outcome = 'failed'")
    op.create_index("ix_operations_failed", "operations", ["server_id"], sqlite_where=failed, postgresql_where=failed)


def downgrade() -> None:
    op.drop_index("ix_operations_failed", "operations")
    for table in ("price_lists", "meters", "usage"):
        op.drop_table(table)
