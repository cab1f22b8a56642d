"""Checkpoints are pinned and announced before they go; team images; a tenant is deleted in two steps"""

import sqlalchemy as sa
from alembic import op

from hubernate_hub.store.schema import UtcTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_TENANTS = ("marked_at", "emptied_at")
_OFFERED = sa.text("retired_at IS NULL")


def upgrade() -> None:
    op.add_column("checkpoints", sa.Column("pinned", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("checkpoints", sa.Column("goes_at", UtcTime(), nullable=True))
    op.add_column("checkpoints", sa.Column("goes_why", sa.String(20), server_default="", nullable=False))
    # Until now a name was what kept one.
    op.execute(sa.text("UPDATE checkpoints SET pinned = :yes WHERE name <> ''").bindparams(yes=True))
    for column in _TENANTS:
        op.add_column("tenants", sa.Column(column, UtcTime(), nullable=True))
    # Those that were deleted before kept everything; it stays for an admin, as they were told.
    op.execute("UPDATE tenants SET emptied_at = deleted_at WHERE deleted_at IS NOT NULL")
    op.create_table(
        "team_images",
        sa.Column("id", sa.String(10), nullable=False),
        sa.Column(
            "tenant_id", sa.String(10), sa.ForeignKey("tenants.id", name="fk_team_images_tenant_id"), nullable=False
        ),
        sa.Column("name", sa.String(30), nullable=False),
        sa.Column("title", sa.String(60), nullable=False),
        sa.Column("profile", sa.String(30), nullable=False),
        sa.Column("repository", sa.String(300), nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("source", sa.String(372), nullable=False),
        sa.Column("made_from", sa.JSON(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("offered_at", UtcTime(), nullable=True),
        sa.Column("retired_at", UtcTime(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_team_images"),
    )
    op.create_index(
        "uq_team_images_offered",
        "team_images",
        ["tenant_id", "name"],
        unique=True,
        sqlite_where=_OFFERED,
        postgresql_where=_OFFERED,
    )


def downgrade() -> None:
    op.drop_table("team_images")
    for column in _TENANTS:
        op.drop_column("tenants", column)
    for column in ("goes_why", "goes_at", "pinned"):
        op.drop_column("checkpoints", column)
