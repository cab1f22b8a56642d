"""Rows as the API shows them."""

from collections.abc import Iterable
from datetime import datetime

from hubernate_core.activity import Activity, last_active
from hubernate_core.server import Server, ServerState
from hubernate_core.sleeping import because, outlooks
from hubernate_core.tenant import Tenant

from ..context import Work
from ..store import operations, tenants
from ..store.servers import ServerRow


def activity_of(row: ServerRow) -> Activity | None:
    """What is known of a running server's activity; None when it is not ready."""
    return newest_activity(row) if row.state is ServerState.RUNNING else None


def newest_activity(row: ServerRow) -> Activity | None:
    """What is known of the activity of a server's newest run, also when it is over; None when it never was ready."""
    if row.ready_at is None:
        return None
    return Activity(
        started_at=row.ready_at,
        last_person_at=row.last_person_at,
        last_kernel_busy_at=row.last_kernel_busy_at,
        last_terminal_busy_at=row.last_terminal_busy_at,
        last_cpu_busy_at=row.last_cpu_busy_at,
        last_gpu_busy_at=row.last_gpu_busy_at,
        gpu_read_at=row.gpu_read_at,
        keep_awake_until=row.keep_awake_until,
        warned_at=row.warned_at,
    )


def show_all(work: Work, rows: Iterable[ServerRow]) -> list[Server]:
    """`rows` with their operations and times."""
    rows = list(rows)
    known = tenants.with_ids(work.tx, (row.tenant_id for row in rows))
    newest = operations.newest_of(work.tx, [row.id for row in rows])
    return [_show(row, known[row.tenant_id], newest.get(row.id), work.now) for row in rows]


def show(work: Work, row: ServerRow) -> Server:
    """One server."""
    return show_all(work, [row])[0]


def _show(row: ServerRow, tenant: Tenant, found: operations.OperationRow | None, now: datetime) -> Server:
    activity, rule = activity_of(row), tenant.culling.rule_for(row.profile)
    sleep = None if activity is None else outlooks(activity, rule, row.id, now)[0]
    return Server(
        id=row.id,
        owner_id=row.owner_id,
        user=row.user,
        name=row.name,
        tenant_id=row.tenant_id,
        tenant=row.tenant,
        profile=row.profile.name,
        state=row.state,
        generation=row.generation,
        node=row.node,
        started_at=row.started_at,
        ready_at=row.ready_at,
        last_active_at=None if activity is None else last_active(activity, rule.activity),
        sleeps_at=None if sleep is None else sleep.at,
        sleeps_because="" if sleep is None else because(sleep.reason, rule),
        warned=sleep is not None and row.warned_at is not None,
        operation=None if found is None else found.operation,
    )
