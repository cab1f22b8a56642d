"""Tenants live in the database, with groups, members, versions; what admins do is kept in an append-only log"""

import sqlalchemy as sa
from alembic import op

from hubernate_hub.store.schema import UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SQLITE = (
    "CREATE TRIGGER audit_keeps_{what} BEFORE {what} ON audit BEGIN"
    " SELECT RAISE(ABORT, 'the audit log is append only'); END"
)
_POSTGRESQL = (
    "CREATE FUNCTION audit_keeps() RETURNS trigger AS $$ BEGIN"
    " RAISE EXCEPTION 'the audit log is append only'; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER audit_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
    " FOR EACH STATEMENT EXECUTE FUNCTION audit_keeps()",
)


def upgrade() -> None:
    op.add_column("tenants", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("tenants", sa.Column("seed", sa.JSON(), nullable=True))
    op.add_column("tenants", sa.Column("deleted_at", UtcTime(), nullable=True))
    for table, column in (("tenant_groups", "group_name"), ("members", "hub_name")):
        op.create_table(
            table,
            sa.Column("tenant_id", sa.String(10), sa.ForeignKey("tenants.id", name=f"fk_{table}_tenant_id")),
            sa.Column(column, sa.String(255), nullable=False),
            sa.Column("role", sa.String(10), nullable=False),
            sa.PrimaryKeyConstraint("tenant_id", column, name=f"pk_{table}"),
        )
        op.create_index(f"ix_{table}_{column}", table, [column])
    op.execute("INSERT INTO tenant_groups (tenant_id, group_name, role) SELECT id, name, 'member' FROM tenants")
    _audit()


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("origin", sa.String(255), nullable=False),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("tenant_id", sa.String(10), nullable=True),
        sa.Column("target", sa.String(300), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("request_id", sa.String(20), nullable=False),
        sa.Column("previous_sha256", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_index("ix_audit_tenant_id_seq", "audit", ["tenant_id", "seq"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.execute("INSERT INTO audit_head (id, seq, sha256) VALUES (1, 0, '')")
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(_SQLITE.format(what=what))
    else:
        for statement in _POSTGRESQL:
            op.execute(statement)


def downgrade() -> None:
    for table in ("audit_head", "audit", "members", "tenant_groups"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_keeps()")
    for column in ("deleted_at", "seed", "version"):
        op.drop_column("tenants", column)
