"""What a gate saw, turned into moments of our own clock (F40); and a person's wish to keep a server awake."""

from datetime import datetime, timedelta

from hubernate_core.errors import Conflict, InvalidInput
from hubernate_core.server import ServerState
from hubernate_core.wire import GateActivity

from ..context import Work
from ..fleet import Key
from ..store import activity, servers, tenants
from ..store.servers import ServerRow

_AGE_MAX_S = 10 * 365 * 86400.0


def gate_report(work: Work, row: ServerRow, body: GateActivity) -> None:
    """Keep what the gate of `row`'s present start saw.

    Raises:
        Conflict: the report is of another start.
    """
    if body.generation != row.generation:
        raise Conflict(f"start {body.generation} of server {row.id} is not the newest", generation=row.generation)
    moments: dict[str, datetime] = {}
    if body.person_age_s is not None and body.person_age_s < _AGE_MAX_S:
        moments["last_person_at"] = work.now - timedelta(seconds=body.person_age_s)
    if body.kernels_busy:
        moments["last_kernel_busy_at"] = work.now
    if body.terminals_busy:
        moments["last_terminal_busy_at"] = work.now
    activity.note(work.tx, row.id, row.generation, **moments)


def busy_on_cpu(work: Work, cores: dict[Key, float]) -> list[Key]:
    """Of `cores` used per start, those above the floor of their tenant's rule."""
    rows = {key: row for key in cores if (row := servers.get(work.tx, key[0])) is not None and row.generation == key[1]}
    rules = tenants.with_ids(work.tx, (row.tenant_id for row in rows.values()))
    return [key for key, row in rows.items() if cores[key] > rules[row.tenant_id].culling.cpu_floor]


def keep_awake(work: Work, row: ServerRow, minutes: int) -> None:
    """Do not let `row` idle to sleep for `minutes`; 0 takes the wish back. The tenant's maximum age still holds.

    Raises:
        InvalidInput: more than the admin allows.  Conflict: the server does not run.
    """
    limit = work.context.settings.keep_awake_max_minutes
    if not 0 <= minutes <= limit:
        raise InvalidInput("minutes", f"between 0 and {limit}")
    if row.state is not ServerState.RUNNING:
        raise Conflict("the server does not run", server=row.id)
    servers.change(work.tx, row.id, keep_awake_until=work.now + timedelta(minutes=minutes) if minutes else None)
