"""The tenants file: a seed. What somebody changes in it is one more edit; what it does not mention stays as it is."""

from hubernate_core.tenant import TenantSettings

from ..context import Work
from ..store import audit, tenants
from ..store.tenants import TenantRow


def seed(work: Work, wanted: dict[str, dict[str, object]]) -> None:
    """Bring in what changed in the file (name → settings) since it was read last. Tenants are never deleted by it.

    A tenant whose entry is as it was keeps what people changed meanwhile; one that is taken out is suspended.
    """
    for name, settings in wanted.items():
        row = tenants.find(work.tx, name, hold=True)
        model = TenantSettings.model_validate(settings)
        if row is None:
            fresh = tenants.create(work.tx, name, model, seed=settings)
            _note(work, "tenant.create", fresh, None, settings)
        elif row.seed != settings:
            followed = TenantRow(row.tenant, row.version, row.suspended, settings)
            before = row.tenant.settings.model_dump(mode="json")
            tenants.save(work.tx, followed, model, suspended=False)
            if before != settings or row.suspended:
                _note(work, "tenant.change", row, before, settings)
    for row in tenants.seeded(work.tx):
        if row.name not in wanted:
            gone = TenantRow(row.tenant, row.version, row.suspended, None)
            tenants.save(work.tx, gone, row.tenant.settings, suspended=True)
            _note(work, "tenant.change", row, {"suspended": row.suspended}, {"suspended": True})


def _note(work: Work, action: str, row: TenantRow, before: object, after: object) -> None:
    entry = audit.Entry(
        at=work.now,
        actor="tenants.json",
        role="file",
        action=action,
        target=row.name,
        tenant_id=row.id,
        before=before,
        after=after,
    )
    audit.append(work.tx, entry)
