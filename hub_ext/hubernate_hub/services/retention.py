"""What retention lets go: announced first, then deleted; `hubernate_core.retention` decides.

Nothing of it happens while checkpoints of a restored database are in doubt: the last good one may be any of them.
"""

from datetime import timedelta

from hubernate_core.names import TenantId
from hubernate_core.retention import Leaving, Retention, Stored, what_goes

from ..context import Work
from ..store import checkpoints, doubts, servers, tenants
from ..store.tenants import TenantRow
from .checkpoints import let_go


def leaving(work: Work, row: TenantRow, rule: Retention | None = None, *, ahead: timedelta) -> list[Leaving]:
    """What would go of a tenant by its own rule, or by another, within `ahead` as things are now."""
    mine = checkpoints.stored(work.tx, row.id).get(row.id, [])
    used = checkpoints.in_use(work.tx, row.id)
    return what_goes(mine, rule or row.tenant.retention, work.now, used, ahead=ahead)


def unsettled(work: Work) -> list[TenantId]:
    """Tenants of which something goes now, is to be announced, or stays after all."""
    if doubts.left(work.tx):
        return []
    used, rules = checkpoints.in_use(work.tx), tenants.all_tenants(work.tx)
    return [
        tenant
        for tenant, mine in checkpoints.stored(work.tx).items()
        if tenant in rules and _news(mine, what_goes(mine, rules[tenant].retention, work.now, used), work)
    ]


def settle(work: Work, tenant: TenantId) -> list[Leaving]:
    """Delete what is due of one tenant and announce what goes next; what was deleted."""
    row = tenants.lock(work.tx, tenant)  # no start may choose one of them meanwhile
    if row is None or doubts.left(work.tx):
        return []
    for server in sorted({each.stored.server_id for each in _due(work, row)}):
        servers.lock(work.tx, server)
    mine = checkpoints.stored(work.tx, tenant).get(tenant, [])
    decided = what_goes(mine, row.tenant.retention, work.now, checkpoints.in_use(work.tx, tenant))
    for stored, goes in _news(mine, decided, work):
        if goes is None:
            checkpoints.announce(work.tx, stored.id, None)
        elif goes.goes_at > work.now:
            checkpoints.announce(work.tx, stored.id, goes.goes_at, str(goes.why))
    gone = [each for each in decided if each.goes_at <= work.now]
    nodes = {each.id: each.node for each in servers.of_tenant(work.tx, tenant)} if gone else {}
    for each in gone:
        let_go(work, each.stored.id, each.stored.reference, nodes[each.stored.server_id])
    return gone


def _due(work: Work, row: TenantRow) -> list[Leaving]:
    return [each for each in leaving(work, row, ahead=timedelta()) if each.goes_at <= work.now]


def _news(mine: list[Stored], decided: list[Leaving], work: Work) -> list[tuple[Stored, Leaving | None]]:
    """Those that are due, or of which something else was announced than holds now."""
    goes = {each.stored.id: each for each in decided}
    found: list[tuple[Stored, Leaving | None]] = []
    for each in mine:
        now = goes.get(each.id)
        if (None if now is None else now.goes_at) != each.goes_at or (now is not None and now.goes_at <= work.now):
            found.append((each, now))
    return found
