"""Places in the queue of starts: how they are shown, looked at all together, given up, and forgotten."""

from collections.abc import Iterable
from datetime import timedelta

from hubernate_core.names import TenantId
from hubernate_core.queue import Place, Standing, Wait, next_starts, settle, why_not
from hubernate_core.tenant import Tenant

from ..context import Work
from ..lookout import Outlook
from ..store import tenants, waits
from ..store.waits import WaitRow
from . import ledger

_COUNTS_FOR = timedelta(minutes=5)
"""A start counts among those made at once for so long: after it, it waits for a node or a queue of the cluster's."""


def as_wait(work: Work, row: WaitRow) -> Wait:
    """`row` as the order is decided by it."""
    silent = work.context.lookout.silent_s(row.id) > work.context.settings.queue_silent_after_s
    return Wait(row.id, row.tenant_id, row.user, row.wanted, row.since, here=not silent)


def for_quota(row: WaitRow, tenant: Tenant, standing: Standing) -> Place:
    """A place that waits for the tenant's quota; one that waits in vain is to ask, and is refused then."""
    why = why_not(tenant.title or tenant.name, standing)
    if standing.in_vain:
        return _show(row, tenant, reason=why)
    return _show(row, tenant, waits_for="quota", position=standing.position, of=standing.of, reason=why)


def for_turn(work: Work, row: WaitRow, tenant: Tenant, position: int, of: int) -> Place:
    """A place that fits, and waits for one of the platform's starts, as one of so many."""
    why = f"The platform makes {work.context.settings.starts_at_once} starts at once, and is at so many."
    return _show(row, tenant, waits_for="turn", position=position, of=of, reason=why)


def starting(work: Work) -> dict[str, int]:
    """How many starts are being made, by tenant."""
    return {str(tenant): number for tenant, number in waits.starting(work.tx, work.now - _COUNTS_FOR).items()}


def look(work: Work) -> Outlook:
    """Every place as it stands now, and who fits. One that was given up, or whose team was, is to ask and be told."""
    rows = waits.all_waits(work.tx)
    if not rows:
        return Outlook()
    by_id = {row.id: row for row in rows}
    known = tenants.with_ids(work.tx, (row.tenant_id for row in rows))
    active = tenants.with_ids(work.tx, known, active_only=True)
    shown = {row.id: _show(row, known[row.tenant_id]) for row in rows}
    ready: list[Wait] = []
    waiting: dict[TenantId, list[Wait]] = {}
    for row in rows:
        if not row.cancelled_by:
            waiting.setdefault(row.tenant_id, []).append(as_wait(work, row))
    held = ledger.held_in_each(work, active.values())
    for tenant in active.values():
        for standing in settle(tenant.quota, held[tenant.id], waiting.get(tenant.id, ())):
            if not standing.fits:
                shown[standing.wait.id] = for_quota(by_id[standing.wait.id], tenant, standing)
            elif standing.wait.here:
                ready.append(standing.wait)
    go, later = next_starts(ready, starting(work), work.context.settings.starts_at_once) if ready else ([], [])
    for position, wait in enumerate(later, 1):
        shown[wait.id] = for_turn(work, by_id[wait.id], active[wait.tenant], position, len(later))
    return Outlook(shown, (*go, *later))


def give_up(work: Work, row: WaitRow, by: str) -> None:
    """Give up a place; its hub is told when it asks about it next."""
    waits.change(work.tx, row.id, cancelled_by=by)
    work.context.lookout.left([row.id])


def end(work: Work, rows: Iterable[WaitRow], outcome: str) -> None:
    """Take places out of the queue, and count how long each waited."""
    for row in rows:
        if waits.remove(work.tx, row.id):
            waited = (work.now - row.since).total_seconds()
            work.context.metrics.waited.labels("cancelled" if row.cancelled_by else outcome).observe(waited)
            work.context.lookout.left([row.id])


def end_of(work: Work, hub_name: str, server_name: str, outcome: str) -> None:
    """As `end`, for the place of what the hub knows as one server, if it has one."""
    row = waits.of_server(work.tx, hub_name, server_name)
    end(work, [] if row is None else [row], outcome)


def _show(row: WaitRow, tenant: Tenant, **where: object) -> Place:
    values = {"id": row.id, "user": row.user, "server_name": row.server_name, "profile": row.profile}
    base = {"tenant": tenant.name, "since": row.since, "waits_for": "nothing", "position": 0, "of": 0}
    return Place.model_validate(values | base | where)
