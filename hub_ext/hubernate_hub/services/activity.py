"""What a gate saw, turned into moments of our own clock (F40); and a person's wish to keep a server awake."""

from datetime import datetime, timedelta

from hubernate_core.errors import Conflict, InvalidInput
from hubernate_core.server import ServerState
from hubernate_core.wire import GateActivity

from ..context import Work
from ..fleet import Key
from ..store import activity, operations, servers, tenants
from ..store.servers import ServerRow
from .culling import keep_awake_minutes, rule_of

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
    if body.gpu is not None:
        moments["gpu_read_at"] = work.now
        # The first reading counts as use: how long it was idle before is not known.
        first = row.gpu_read_at is None and not _is_saved(work, row)
        if first or body.gpu > rule_of(work, row).gpu_floor:
            moments["last_gpu_busy_at"] = work.now
    elif row.gpu_read_at is not None and not _is_saved(work, row):
        servers.change(work.tx, row.id, gpu_read_at=None)
    activity.note(work.tx, row.id, row.generation, **moments)


def _is_saved(work: Work, row: ServerRow) -> bool:
    """Whether it is being saved: frozen for that, it does not tell its GPU's use in time, and nobody came by when it
    does again."""
    return operations.open_of(work.tx, row.id) is not None


def busy_on_cpu(work: Work, cores: dict[Key, float]) -> list[Key]:
    """Of `cores` used per start, those above the floor of their tenant's rule."""
    rows = {key: row for key in cores if (row := servers.get(work.tx, key[0])) is not None and row.generation == key[1]}
    rules = tenants.with_ids(work.tx, (row.tenant_id for row in rows.values()))
    floors = {key: rules[row.tenant_id].culling.rule_for(row.profile).cpu_floor for key, row in rows.items()}
    return [key for key, floor in floors.items() if cores[key] > floor]


def keep_awake(work: Work, row: ServerRow, minutes: int, *, present: bool = False) -> None:
    """Do not let `row` idle to sleep for `minutes`; 0 takes the wish back. The tenant's maximum age still holds.

    Args:
        present: a person asks for it, who is there by that; otherwise a program inside of the server.

    Raises:
        InvalidInput: more than the admins allow.  Conflict: the server does not run.
    """
    limit = keep_awake_minutes(work, rule_of(work, row))
    if not 0 <= minutes <= limit:
        raise InvalidInput("minutes", f"between 0 and {limit}")
    if row.state is not ServerState.RUNNING:
        raise Conflict("the server does not run", server=row.id)
    until = work.now + timedelta(minutes=minutes) if minutes else None
    # Who was told stays told until the culling loop finds that it sleeps later: or a program's wishes, one after the
    # other, would put off the maximum age too.
    servers.change(work.tx, row.id, keep_awake_until=until)
    if present and minutes:
        activity.note(work.tx, row.id, row.generation, last_person_at=work.now)
