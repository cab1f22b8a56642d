"""Whoever left a team: what runs of theirs in it is saved, then stopped (B32). A save that fails leaves it running."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from hubernate_core.names import ServerId, TenantId
from hubernate_core.operation import Kind, Trigger
from hubernate_core.server import ServerState

from ..actor import Actor
from ..apart import apart
from ..context import Context, Work
from ..hub_client import Active
from ..services.deeds import Deed, note
from ..services.opening import Wish, open_operation
from ..services.retrying import LONGEST as RETRY_LONGEST
from ..services.retrying import due
from ..store import members, operations, servers
from ..store.servers import ServerRow

_BY = "membership"
_REASON = "Its person is no longer in team {}."
_log = logging.getLogger(__name__)


class Leavers:
    """Compares running servers with their people's teams, and remembers for how long somebody has been out."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._since: dict[ServerId, float] = {}

    async def look(self, rows: Sequence[ServerRow], believed: Mapping[str, Active]) -> None:
        """One comparison. Of whom the hub tells no groups, nothing is concluded.

        It takes `hub_grace_s` until something is done, so that a slip in a group or a mapping can be taken back; and no
        more are stopped at once than idle ones, so that a mapping gone wrong does not flood the registry.
        """
        running = [row for row in rows if row.state is ServerState.RUNNING]
        out = await self._context.read(out_of_team, running, believed)
        now, grace = time.monotonic(), self._context.settings.hub_grace_s
        self._since = {row.id: self._since.get(row.id, now) for row in out}
        ripe = [row for row in out if now - self._since[row.id] >= grace]
        if not ripe:
            return
        room, ready = await self._context.read(_turn, ripe)
        for row in ready:
            if room <= 0:
                break
            with apart(self._context.metrics, "hub", "server of a person who left the team not stopped", server=row.id):
                node = await self._context.write(_stop_one, row)
                if node is not None:
                    room -= 1
                    self._context.bell.ring(f"node:{node}", f"server:{row.id}")


class Theirs(Protocol):
    """Something of a person's in a team."""

    @property
    def hub_name(self) -> str: ...
    @property
    def tenant_id(self) -> TenantId: ...


T = TypeVar("T", bound=Theirs)


async def is_out(context: Context, row: Theirs, *, unknown: bool = False) -> bool:
    """Whether its person is out of its team now, by the hub's word.

    Args:
        unknown: the answer about somebody whom the hub does not know.

    Raises:
        Unavailable: the hub is away.
    """
    person = await context.hub.person(row.hub_name)
    if person is None:
        return unknown
    return bool(await context.read(out_of_team, [row], {row.hub_name: Active({}, person.groups)}))


def out_of_team(work: Work, rows: Sequence[T], believed: Mapping[str, Active]) -> list[T]:
    """Those of `rows` whose people are not in their team, as far as the hub tells."""
    circles = members.circles(work.tx, {row.tenant_id for row in rows})
    found = []
    for row in rows:
        person = believed.get(row.hub_name)
        if person is None or person.groups is None:
            continue
        if not circles[row.tenant_id].holds(row.hub_name, person.groups):
            found.append(row)
    return found


def _turn(work: Work, rows: Sequence[ServerRow]) -> tuple[int, list[ServerRow]]:
    """How many more may be stopped now, and those of `rows` of which none is open and none failed lately."""
    pending = [each.operation for each in operations.all_open(work.tx)]
    going = sum(each.trigger is Trigger.LEFT_TEAM for each in pending)
    busy = {each.server_id for each in pending}
    failed = operations.failed_since(work.tx, work.now - RETRY_LONGEST)
    ready = [row for row in rows if row.id not in busy and (row.id not in failed or _again(work, row))]
    return work.context.settings.cull_at_once - going, ready


def _again(work: Work, row: ServerRow) -> bool:
    return due(operations.recent_of(work.tx, row.id), work.now, work.context.settings.retry_after_s)


def _stop_one(work: Work, row: ServerRow) -> str | None:
    if operations.open_of(work.tx, row.id) is not None:
        return None
    node = save_and_stop(work, row, Trigger.LEFT_TEAM, _REASON.format(row.tenant))
    if node is not None:
        deed = Deed("server.stop", f"{row.user}/{row.name} {row.id}", row.tenant_id, after={"reason": "left the team"})
        note(work, Actor(_BY, "service"), deed)
        _log.info("server of a person who left the team is saved and stopped", extra={"server": row.id})
    return node


def save_and_stop(work: Work, stale: ServerRow, trigger: Trigger, reason: str = "") -> str | None:
    """Open the stop of a running server, or join what is open; the node that has work then.

    None: it is not as it was when it was looked at, or its last failure was too short ago to try again.
    """
    row = servers.lock(work.tx, stale.id)
    if row is None or row.generation != stale.generation or row.state is not ServerState.RUNNING:
        return None
    if not _again(work, row):
        return None
    by = _BY if trigger is Trigger.LEFT_TEAM else "reconciler"
    return open_operation(work, row.id, Wish(Kind.STOP, trigger, by=by, reason=reason)).operation.node
