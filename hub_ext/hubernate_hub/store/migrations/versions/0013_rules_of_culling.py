"""GPU use and the warning before sleep; lengths below zero, which were taken once, become none"""

import sqlalchemy as sa
from alembic import op

from hubernate_hub.store.schema import UtcTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_COLUMNS = ("last_gpu_busy_at", "gpu_read_at", "warned_at")
_tenants = sa.table("tenants", sa.column("id", sa.String), sa.column("settings", sa.JSON))


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("servers", sa.Column(name, UtcTime(), nullable=True))
    connection = op.get_bind()
    for tenant, settings in connection.execute(sa.select(_tenants.c.id, _tenants.c.settings)).all():
        culling = settings.get("culling", {})
        wrong = [name for name in ("idle_after", "max_age") if str(culling.get(name) or "").startswith("-")]
        if wrong:
            mended = settings | {"culling": culling | dict.fromkeys(wrong, "PT0S")}
            connection.execute(_tenants.update().where(_tenants.c.id == tenant).values(settings=mended))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("servers", name)
