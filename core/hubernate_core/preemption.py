"""Which running jobs make room for one of higher priority. Pure. Never a notebook, never another team's."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from .job import Priority
from .names import JobId
from .quota import Amounts, Books, Holding, Quota

PREEMPTED_MAX = 3
"""How often one job makes room; then it stays, so that it comes to its end."""
RANK = {each: rank for rank, each in enumerate(reversed(Priority))}


@dataclass(frozen=True)
class Running:
    """A job that runs. `willing`: whoever submitted it did not forbid it; `preempted`: how often it made room."""

    id: JobId
    holding: Holding
    priority: Priority
    since: datetime
    preempted: int = 0
    willing: bool = True


@dataclass(frozen=True)
class Needy:
    """A job that waits for room in the team's quota."""

    user: str
    wanted: Amounts
    priority: Priority


def who_makes_room(quota: Quota, held: Iterable[Holding], running: Iterable[Running], needy: Needy) -> list[JobId]:
    """The jobs to stop so that `needy` fits, no more than it takes: lowest priority first, among those the newest.

    Empty: it fits, or would not even if all that may be stopped were.

    Args:
        held: all that is held of the tenant, `running` among it.
    """
    left = list(held)
    if Books(left).fits(quota, needy.user, needy.wanted):
        return []
    may = [
        each
        for each in running
        if RANK[each.priority] < RANK[needy.priority] and each.willing and each.preempted < PREEMPTED_MAX
    ]
    # By moment backwards, not by how long: what has run longest has most to lose.
    may.sort(key=lambda each: (RANK[each.priority], -each.since.timestamp(), each.id))
    chosen: list[Running] = []
    for each in may:
        left.remove(each.holding)
        chosen.append(each)
        if Books(left).fits(quota, needy.user, needy.wanted):
            break
    else:
        return []
    for each in reversed(chosen[:-1]):  # the last one was needed; an earlier one may not be any more
        if Books([*left, each.holding]).fits(quota, needy.user, needy.wanted):
            left.append(each.holding)
            chosen.remove(each)
    return [each.id for each in chosen]
