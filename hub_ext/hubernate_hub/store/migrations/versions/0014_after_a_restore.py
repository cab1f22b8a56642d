"""After a restore every checkpoint has to be found in the registry before anything of it is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table of what has to be found."""
    op.create_table(
        "unproven",
        sa.Column("reference", sa.String(372), nullable=False),
        sa.PrimaryKeyConstraint("reference", name="pk_unproven"),
    )
