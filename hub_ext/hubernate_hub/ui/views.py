"""What the pages show of a server: values only, so that templates decide nothing."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode

from hubernate_core.activity import last_active
from hubernate_core.checkpoint import Checkpoint
from hubernate_core.names import OperationId
from hubernate_core.operation import Kind, Operation, Outcome
from hubernate_core.quantity import show_bytes
from hubernate_core.server import Server, ServerState

from ..api.retention import LeavingCheckpoint
from ..config import HubernateService
from ..context import Work
from ..services import nodes, views
from ..store import checkpoints, operations
from ..store.servers import ServerRow
from . import words

STATES = {
    ServerState.ASLEEP: "Sleeping",
    ServerState.STARTING: "Starting",
    ServerState.RUNNING: "Running",
    ServerState.DEAD: "Ended by itself",
}


@dataclass(frozen=True)
class Moment:
    """A time as people read it; `title` is exact."""

    words: str
    title: str
    iso: str


@dataclass(frozen=True)
class Progress:
    """An open operation."""

    id: str
    headline: str
    why: str
    stages: list[tuple[str, str]]
    percent: int
    note: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint as a row of the table."""

    id: str
    name: str
    occasion: str
    when: Moment
    size: str
    changed: str
    generation: int
    profile: str
    largest: list[tuple[str, str]]
    notes: tuple[str, ...]
    usable: bool
    newest: bool
    pinned: bool
    goes: Moment | None
    why: str
    start_url: str


@dataclass(frozen=True)
class Going:
    """A checkpoint that retention will let go, as a row of the team's table."""

    id: str
    user: str
    server: str
    saved: Moment
    size: str
    goes: Moment
    why: str


@dataclass(frozen=True)
class Card:
    """One server."""

    id: str
    title: str
    user: str
    tenant: str
    profile: str
    node: str
    state: str
    label: str
    line: str
    slept: str
    sleeps: str
    alert: str
    notice: str
    progress: Progress | None
    saved: list[Saved]
    open_url: str
    start_url: str
    can_save: bool
    can_start: bool
    can_discard: bool
    version: str


def cards(work: Work, rows: list[ServerRow]) -> list[Card]:
    """One card for each of `rows`."""
    shown = views.show_all(work, rows)
    found: dict[str, list[Checkpoint]] = {}
    for checkpoint in checkpoints.of_servers(work.tx, [row.id for row in rows]):
        found.setdefault(checkpoint.server_id, []).append(checkpoint)
    made = operations.with_ids(work.tx, [each.operation_id for mine in found.values() for each in mine])
    occasions = {known: words.occasion(each.operation) for known, each in made.items()}
    return [_card(work, row, server, found.get(row.id, []), occasions) for row, server in zip(rows, shown, strict=True)]


def _card(
    work: Work, row: ServerRow, server: Server, mine: list[Checkpoint], occasions: dict[OperationId, str]
) -> Card:
    settings, now = work.context.settings, work.now
    operation = server.operation
    pending = operation if operation is not None and not operation.finished else None
    awake = row.state in (ServerState.RUNNING, ServerState.DEAD)
    owner, tail = quote(row.hub_name, safe=""), f"{quote(row.name)}/" if row.name else ""
    kept = [(each.id, each.name, each.pinned, each.goes_at) for each in mine]
    version = f"{row.state}.{row.generation}.{operation and operation.updated_at}.{kept}"
    return Card(
        id=row.id,
        title=row.name or "Default environment",
        user=row.user,
        tenant=row.tenant,
        profile=row.profile.title,
        node=row.node,
        state=str(row.state),
        label=STATES[row.state],
        line=_line(row, mine, now),
        slept=_slept(operation, row),
        sleeps=_sleeps(server, now) if pending is None else "",
        alert=_node_alert(work, row, mine) or _alert(operation, row),
        notice=row.notice,
        progress=None if pending is None else _progress(pending),
        saved=[
            _saved(settings, row, each, now, occasion=occasions.get(each.operation_id, ""), newest=rank == 0)
            for rank, each in enumerate(mine)
        ],
        open_url=f"{settings.site_path}user/{owner}/{tail}",
        start_url=f"{settings.hub_path}spawn/{owner}/{tail}".rstrip("/"),
        can_save=row.state is ServerState.RUNNING and pending is None,
        can_start=row.state is ServerState.ASLEEP or (row.state is ServerState.DEAD and pending is None),
        can_discard=awake and (nodes.lost(work, row) or (row.state is ServerState.DEAD and pending is None)),
        version=f"{hash(version) & 0xFFFFFFFF:x}",
    )


def _line(row: ServerRow, mine: list[Checkpoint], now: datetime) -> str:
    if row.state is ServerState.RUNNING and row.ready_at is not None:
        return f"for {words.span(now - row.ready_at)}, since {row.ready_at:%H:%M UTC on %d %B}"
    if row.state is ServerState.ASLEEP:
        newest = next((each for each in mine if each.usable), None)
        if newest is None:
            return "nothing saved: the next start is clean"
        return f"saved {words.ago(newest.created_at, now)}, {show_bytes(newest.size)}"
    if row.state is ServerState.DEAD:
        return "what it changed is still there and will be saved"
    return "the environment is being put in place"


def _slept(operation: Operation | None, row: ServerRow) -> str:
    """Why it sleeps: from the operation that stopped its newest run."""
    activity = views.newest_activity(row)
    if row.state is not ServerState.ASLEEP or operation is None or activity is None:
        return ""
    if operation.outcome is not Outcome.STOPPED or operation.generation != row.generation:
        return ""
    asked = operation.requested_at
    return words.slept(operation, idle=asked - last_active(activity), ran=asked - activity.started_at)


def _sleeps(server: Server, now: datetime) -> str:
    if server.sleeps_at is None:
        return ""
    return f"goes to sleep in {words.span(server.sleeps_at - now)}, {server.sleeps_because}"


def _node_alert(work: Work, row: ServerRow, mine: list[Checkpoint]) -> str:
    what = nodes.trouble(work, row)
    if not what:
        return ""
    newest = next((each for each in mine if each.usable), None)
    saved = "nothing is saved yet" if newest is None else f"the newest save is {words.ago(newest.created_at, work.now)}"
    advice = "It goes on when the node is back"
    if nodes.lost(work, row):
        start = "start clean" if newest is None else "start from that save"
        advice += f"; to go on elsewhere, discard what is not saved and {start}"
    return f"{what[0].upper()}{what[1:]}: the server may not be reachable and cannot be saved now; {saved}. {advice}."


def _alert(operation: Operation | None, row: ServerRow) -> str:
    if operation is None or not operation.finished or operation.generation != row.generation:
        return ""
    if operation.outcome is Outcome.FAILED and row.state is ServerState.ASLEEP and operation.kind is Kind.DISCARD:
        return ""
    return words.ending(operation)


def _progress(operation: Operation) -> Progress:
    return Progress(
        id=operation.id,
        headline=words.headline(operation),
        why=words.why(operation),
        stages=words.stages(operation),
        percent=operation.percent,
        note=operation.progress.note,
    )


def _saved(
    settings: HubernateService, row: ServerRow, each: Checkpoint, now: datetime, *, occasion: str, newest: bool
) -> Saved:
    choice = {"opt-tenant": row.tenant, "opt-start": "checkpoint", "opt-checkpoint_id": each.id}
    server = f"/{quote(row.name)}" if row.name else ""
    return Saved(
        id=each.id,
        name=each.name,
        occasion=occasion or "automatic",
        when=moment(each.created_at, now),
        size=show_bytes(each.size),
        changed=f"{show_bytes(each.changed_bytes)} of changes" if each.changed_bytes else "no changes",
        generation=each.generation,
        profile=each.profile,
        largest=[(entry.path, show_bytes(entry.size)) for entry in each.largest],
        notes=each.notes,
        usable=each.usable,
        newest=newest,
        pinned=each.pinned,
        goes=None if each.goes_at is None else Moment(words.ahead(each.goes_at, now), words.exact(each.goes_at), ""),
        why=words.rule(each.goes_why),
        start_url=f"{settings.hub_path}spawn/{quote(row.hub_name, safe='')}{server}?{urlencode(choice)}",
    )


def going(each: LeavingCheckpoint, now: datetime) -> Going:
    """A checkpoint that retention will let go."""
    goes = Moment(words.ahead(each.goes_at, now), words.exact(each.goes_at), each.goes_at.isoformat())
    return Going(
        id=each.checkpoint,
        user=each.user,
        server=each.server_name,
        saved=moment(each.saved_at, now),
        size=show_bytes(each.size),
        goes=goes,
        why=words.rule(each.why),
    )


def moment(when: datetime, now: datetime) -> Moment:
    """`when` in words."""
    return Moment(words.ago(when, now), words.exact(when), when.isoformat())
