"""When and why a rule puts a server to sleep, who is next when there is room for few, and how people are told. Pure."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .activity import Activity, last_active
from .culling import CullingRule
from .names import ServerId, TenantId
from .turns import Waiting, in_turn
from .working_hours import read_hours

_SPREAD_MAX = timedelta(minutes=10)
_SPREAD_SHARE = 10


class Reason(StrEnum):
    """Why a rule puts a server to sleep."""

    IDLE = "idle"
    OFF_HOURS = "off-hours"  # idle too, by the shorter time outside of working hours
    GPU_IDLE = "gpu-idle"
    MAX_AGE = "max-age"


@dataclass(frozen=True)
class Outlook:
    """What will put a server to sleep, and when, if nothing happens from now on."""

    reason: Reason
    due_at: datetime
    """when the rule alone says so"""
    at: datetime
    """when it will be: never before its person was told for long enough"""
    warn_at: datetime

    def certain(self, activity: Activity, heard_at: datetime, now: datetime) -> bool:
        """Whether it is to sleep now. What was last heard of it must be newer than the moment at which it was due: a
        cell that runs is only told of at the next report, and what nobody tells of is unknown.

        Args:
            heard_at: when its gate last said what goes on in it.
        """
        seen = {Reason.MAX_AGE: now, Reason.GPU_IDLE: min(activity.gpu_read_at or activity.started_at, heard_at)}
        return self.at <= now and self.due_at <= seen.get(self.reason, heard_at)


def outlooks(activity: Activity, rule: CullingRule, server: ServerId, now: datetime) -> list[Outlook]:
    """Everything that will put the server to sleep, soonest first; at least one."""
    told_at = now if activity.warned_at is None else activity.warned_at
    found = []
    for reason, moment, given in _reasons(activity, rule):
        # Where little time is given, half of it is for the warning, so that nobody at work is warned.
        due_at, warning = moment + delay(server, given), min(rule.warn_before, given / 2)
        at = max(due_at, told_at + warning)
        found.append(Outlook(reason, due_at, at, at - warning))
    return sorted(found, key=lambda each: each.at)


def delay(server: ServerId, given: timedelta) -> timedelta:
    """How much later than its rule says `server` sleeps, always the same: a morning's servers do not save at once.

    At most a tenth of the time that the rule gives it, and ten minutes.
    """
    share = int.from_bytes(hashlib.sha256(server.encode()).digest()[:4]) / 2**32
    return min(given / _SPREAD_SHARE, _SPREAD_MAX) * share


def awake_until(activity: Activity, rule: CullingRule) -> datetime | None:
    """Until when a person's wish keeps it awake: not longer than the rule's bound after they last did anything."""
    if activity.keep_awake_until is None:
        return None
    return min(activity.keep_awake_until, (activity.last_person_at or activity.started_at) + rule.keep_awake)


def goes_on(activity: Activity, rule: CullingRule, reason: Reason, since: datetime, now: datetime) -> bool:
    """Whether a server that was to sleep for `reason` is in use again after `since`, or wanted awake (F39)."""
    if reason is Reason.MAX_AGE:
        return False
    if reason is Reason.GPU_IDLE:
        active = activity.last_gpu_busy_at is not None and activity.last_gpu_busy_at > since
    else:
        active = last_active(activity, rule.activity) > since
    until = awake_until(activity, rule)
    return active or (until is not None and until > now)


def _reasons(activity: Activity, rule: CullingRule) -> Iterator[tuple[Reason, datetime, timedelta]]:
    """Reason, the moment that the rule says, and the time that it gives until then."""
    kept = awake_until(activity, rule) or activity.started_at
    yield _idle(activity, rule, kept)
    if rule.gpu_idle_after is not None and activity.gpu_read_at is not None:
        used_at = activity.last_gpu_busy_at or activity.gpu_read_at
        yield Reason.GPU_IDLE, max(used_at + rule.gpu_idle_after, kept), rule.gpu_idle_after
    if rule.max_age is not None:
        yield Reason.MAX_AGE, activity.started_at + rule.max_age, rule.max_age


def _idle(activity: Activity, rule: CullingRule, kept: datetime) -> tuple[Reason, datetime, timedelta]:
    last = last_active(activity, rule.activity)
    within = max(last + rule.idle_after, kept)
    if rule.working_hours is None or rule.off_hours_idle_after is None:
        return Reason.IDLE, within, rule.idle_after
    hours = read_hours(rule.working_hours)
    outside = max(last + rule.off_hours_idle_after, kept)
    # The first moment in working hours at which the one time is over, or outside of them the other.
    within = within if hours.span_at(within) else hours.next_begin(within)
    off = hours.next_outside(outside)
    if off is not None and off <= within:
        return Reason.OFF_HOURS, off, off - last
    return Reason.IDLE, within, within - last


def because(reason: Reason, rule: CullingRule) -> str:
    """Why, for "it goes to sleep …: " and "it was put to sleep …"."""
    if reason is Reason.OFF_HOURS and rule.off_hours_idle_after is not None:
        return (
            f"outside working hours ({rule.working_hours}), after {show_length(rule.off_hours_idle_after)} without"
            " activity"
        )
    if reason is Reason.GPU_IDLE and rule.gpu_idle_after is not None:
        return f"after {show_length(rule.gpu_idle_after)} without use of its GPU"
    if reason is Reason.MAX_AGE and rule.max_age is not None:
        return f"after running for {show_length(rule.max_age)}, the longest that its team allows"
    return f"after {show_length(rule.idle_after)} without activity"


def show_length(length: timedelta) -> str:
    """``1 hour 30 minutes``; seconds only where there are no minutes."""
    seconds = int(length.total_seconds())
    parts: list[str] = []
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        number, seconds = divmod(seconds, size)
        if number and (name != "second" or not parts):
            parts.append(f"{number} {name}{'' if number == 1 else 's'}")
    return " ".join(parts) or "no time"


@dataclass(frozen=True)
class Due:
    """A server that is to sleep now."""

    server: ServerId
    tenant: TenantId
    node: str
    since: datetime


@dataclass(frozen=True)
class Room:
    """How many servers may be saved at the same time: on one node, whose disk and CPU a save uses, and on all, whose
    registry has one uplink."""

    node: int
    all: int


def next_to_sleep(due: Iterable[Due], saving: Iterable[tuple[str, TenantId]], room: Room) -> list[Due]:
    """Of `due`, those whose turn it is: of the tenant that has fewest being saved, the one that is due for longest.

    Args:
        saving: node and tenant of every server that is being saved now.
    """
    saving = list(saving)
    nodes, teams = Counter(node for node, _ in saving), Counter[str](tenant for _, tenant in saving)
    oldest_first = sorted(due, key=lambda each: (each.since, each.server))
    chosen: list[Due] = []
    for each in in_turn((Waiting(each, each.tenant) for each in oldest_first), teams):
        if len(saving) + len(chosen) < room.all and nodes[each.node] < room.node:
            chosen.append(each)
            nodes[each.node] += 1
    return chosen
