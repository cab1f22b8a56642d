"""Rows as the API shows them."""

from collections.abc import Iterable
from datetime import datetime

from hubernate_core.activity import Activity, CullingRule, last_active
from hubernate_core.names import ServerId, TenantId
from hubernate_core.server import Server, ServerState
from hubernate_core.tenant import Tenant

from ..store import operations, tenants
from ..store.database import Tx
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
        keep_awake_until=row.keep_awake_until,
    )


def sleeps_at(activity: Activity, rule: CullingRule) -> datetime:
    """When the server is put to sleep if nothing happens from now on."""
    idle = last_active(activity) + rule.idle_after
    if activity.keep_awake_until is not None:
        idle = max(idle, activity.keep_awake_until)
    return idle if rule.max_age is None else min(idle, activity.started_at + rule.max_age)


def show_all(tx: Tx, rows: Iterable[ServerRow]) -> list[Server]:
    """`rows` with their operations and times."""
    rows = list(rows)
    known = tenants.with_ids(tx, (row.tenant_id for row in rows))
    newest = operations.newest_of(tx, [row.id for row in rows])
    return [_show(row, known, newest) for row in rows]


def show(tx: Tx, row: ServerRow) -> Server:
    """One server."""
    return show_all(tx, [row])[0]


def _show(row: ServerRow, known: dict[TenantId, Tenant], newest: dict[ServerId, operations.OperationRow]) -> Server:
    activity = activity_of(row)
    found = newest.get(row.id)
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
        last_active_at=None if activity is None else last_active(activity),
        sleeps_at=None if activity is None else sleeps_at(activity, known[row.tenant_id].culling),
        operation=None if found is None else found.operation,
    )
