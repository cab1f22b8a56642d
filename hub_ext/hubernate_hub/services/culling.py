"""Which running servers are to sleep, when and why: for the loop that does it, for pages, notebooks and dry runs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, Field

from hubernate_core.activity import Activity
from hubernate_core.culling import Culling, CullingRule
from hubernate_core.names import ServerId
from hubernate_core.operation import Kind, Trigger
from hubernate_core.server import ServerState
from hubernate_core.sleeping import Due, Outlook, Reason, Room, because, next_to_sleep, outlooks
from hubernate_core.wire import SleepOutlook

from ..apart import apart
from ..context import Work
from ..fleet import Key
from ..store import operations, servers, tenants
from ..store.servers import ServerRow
from ..store.tenants import TenantRow
from .retrying import LONGEST as RETRY_LONGEST
from .retrying import due as retry_due
from .views import activity_of

TRIGGERS = {
    Reason.IDLE: Trigger.IDLE,
    Reason.OFF_HOURS: Trigger.IDLE,
    Reason.GPU_IDLE: Trigger.GPU_IDLE,
    Reason.MAX_AGE: Trigger.MAX_AGE,
}


@dataclass
class Survey:
    """All running servers looked at once."""

    due: list[Due] = field(default_factory=list)
    """certain to be put to sleep now, as far as there is room"""
    warned: dict[Key, datetime | None] = field(default_factory=dict)
    """whose person is told from now on, or no longer"""


class Sleeper(BaseModel):
    """What a rule does to one running server."""

    server_id: ServerId
    user: str
    name: str
    profile: str
    rule: str = Field(description="path of the rule that matches: 'culling', or 'culling.rules.0'")
    state: Literal["now", "later", "unknown"] = Field(
        description="unknown: nothing was heard of it since it was due, so it is left alone"
    )
    due_at: datetime = Field(description="when the rule alone says so; in the past: it would sleep already")
    sleeps_at: datetime = Field(description="when it would be put to sleep, after its person was warned")
    because: str


def survey(work: Work) -> Survey:
    """Judge every running server by its tenant's rules, in a fixed number of queries."""
    rows = servers.in_states(work.tx, (ServerState.RUNNING,))
    known = tenants.with_ids(work.tx, {row.tenant_id for row in rows})
    found = Survey()
    for row in rows:
        with apart(work.context.metrics, "culling", "server not judged by its rule", server=row.id):
            look = _look(work, row, known[row.tenant_id].culling.rule_for(row.profile))
            told = _told(work, row, look)
            if told != row.warned_at:
                found.warned[row.id, row.generation] = told
            sure = _certain(work, row, look)
            if sure is not None:
                found.due.append(Due(row.id, row.tenant_id, row.node, sure.due_at))
    return found


def certain(work: Work, row: ServerRow, rule: CullingRule) -> Outlook | None:
    """What puts `row` to sleep now; None: nothing does, or nobody tells us whether somebody is at work."""
    return _certain(work, row, _look(work, row, rule))


@dataclass(frozen=True)
class _Look:
    """What is known of a running server. `heard_at`: when its gate last told what goes on in it."""

    activity: Activity
    outlooks: list[Outlook]
    heard_at: datetime | None


def _look(work: Work, row: ServerRow, rule: CullingRule) -> _Look | None:
    activity = activity_of(row)
    if activity is None:
        return None
    silent = work.context.since_gate_spoke(row.id, row.generation)
    heard_at = None if silent is None else work.now - silent
    return _Look(activity, outlooks(activity, rule, row.id, work.now), heard_at)


def _certain(work: Work, row: ServerRow, look: _Look | None) -> Outlook | None:
    if look is None or not work.context.fleet.speaks(row.node):
        return None  # where the agent is silent nothing can be saved
    heard_at = look.heard_at or look.activity.started_at
    return next((each for each in look.outlooks if each.certain(look.activity, heard_at, work.now)), None)


def _told(work: Work, row: ServerRow, look: _Look | None) -> datetime | None:
    """Since when its person is told; None: they need not be."""
    if look is None:
        return None
    # A silent gate puts off all but the maximum age, which comes however busy it is and may not be the soonest.
    ahead = [each for each in look.outlooks if look.heard_at is not None or each.reason is Reason.MAX_AGE]
    near = any(each.warn_at <= work.now and each.warn_at < each.at for each in ahead)
    return row.warned_at or work.now if near else None


def whose_turn(work: Work, found: Survey) -> list[ServerId]:
    """Those of the survey that may be saved now: not saved already, not waiting after a failure, with room for them."""
    pending = [row for row in operations.all_open(work.tx) if row.operation.kind is not Kind.DISCARD]
    busy = {row.operation.server_id for row in pending}
    failed = operations.failed_since(work.tx, work.now - RETRY_LONGEST)
    ready = [
        each
        for each in found.due
        if each.server not in busy and not (each.server in failed and _waits(work, each.server))
    ]
    owners = servers.tenants_of(work.tx, busy)
    # What a silent agent is at holds up the others of its node only.
    saving = [
        (row.operation.node, owners[row.operation.server_id])
        for row in pending
        if work.context.fleet.speaks(row.operation.node)
    ]
    room = Room(work.context.settings.cull_at_once_per_node, work.context.settings.cull_at_once)
    return [each.server for each in next_to_sleep(ready, saving, room)]


def _waits(work: Work, server: ServerId) -> bool:
    """Whether its save failed lately and is not to be tried again yet."""
    return not retry_due(operations.recent_of(work.tx, server), work.now, work.context.settings.retry_after_s)


def preview(work: Work, tenant: TenantRow, culling: Culling) -> list[Sleeper]:
    """What `culling` would do to the tenant's running servers, soonest first. Nothing is changed."""
    paths = {id(rule): path for path, rule in culling.named()}
    rows = [row for row in servers.of_tenant(work.tx, tenant.id) if row.state is ServerState.RUNNING]
    found = [each for row in rows for each in _sleeper(work, row, culling.rule_for(row.profile), paths)]
    return sorted(found, key=lambda each: (each.sleeps_at, each.server_id))


def _sleeper(work: Work, row: ServerRow, rule: CullingRule, paths: dict[int, str]) -> Iterator[Sleeper]:
    look = _look(work, row, rule)
    if look is None:
        return
    first = look.outlooks[0]
    state: Literal["now", "later", "unknown"] = "later"
    if first.at <= work.now:
        state = "unknown" if _certain(work, row, look) is None else "now"
    yield Sleeper(
        server_id=row.id,
        user=row.user,
        name=row.name,
        profile=row.profile.name,
        rule=paths[id(rule)],
        state=state,
        due_at=first.due_at,
        sleeps_at=first.at,
        because=because(first.reason, rule),
    )


def keep_awake_minutes(work: Work, rule: CullingRule) -> int:
    """Longest that `rule` and the platform let a person keep a server awake, minutes."""
    return int(min(rule.keep_awake // timedelta(minutes=1), work.context.settings.keep_awake_max_minutes))


def rule_of(work: Work, row: ServerRow) -> CullingRule:
    """The rule that holds for a server."""
    return tenants.with_ids(work.tx, [row.tenant_id])[row.tenant_id].culling.rule_for(row.profile)


def outlook(work: Work, row: ServerRow) -> SleepOutlook:
    """What a notebook tells its person."""
    activity, rule = activity_of(row), rule_of(work, row)
    if activity is None or operations.open_of(work.tx, row.id) is not None:
        return SleepOutlook()
    first = outlooks(activity, rule, row.id, work.now)[0]
    helps = first.reason is not Reason.MAX_AGE
    return SleepOutlook(
        sleeps_in_s=_until(work, first.at),
        warn_in_s=_until(work, first.warn_at),
        because=because(first.reason, rule),
        keep_awake_minutes=keep_awake_minutes(work, rule) if helps else 0,
    )


def _until(work: Work, moment: datetime) -> float:
    return max(0.0, (moment - work.now).total_seconds())
