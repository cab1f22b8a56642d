"""Who goes next when not everybody can start at once. Pure: rows and sums in, an order out.

One rule at both places where starts wait: whoever has `n` already stands where they would had they asked ``n`` times a
handicap later. Inside a tenant people are told apart, by what they run and ask for already; on the platform tenants, by
what they are starting. So a burst of one holds up nobody else, and since nobody who asks later than a place's moment
ever gets before it, every place comes to the front.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .names import PlaceId, TenantId
from .quota import Amounts, Books, Holding, Quota, Shortfall
from .refusal import reason as reason_of

PERSON_HANDICAP = timedelta(minutes=10)
"""For each environment that a person runs, or asked for earlier, in the tenant."""
TENANT_HANDICAP = timedelta(seconds=10)
"""For each start of a tenant that is being made, or was asked for earlier."""


@dataclass(frozen=True)
class Wait:
    """One start that waits. `here`: its hub was heard lately; one that was not keeps its place and holds up nobody."""

    id: PlaceId
    tenant: TenantId
    user: str
    wanted: Amounts
    since: datetime
    here: bool = True


@dataclass(frozen=True)
class Standing:
    """Where a wait stands in its tenant's queue (from 1), and whether it may start.

    `short`: what is missing of the quota; empty with `fits` false: what is free is kept for those before it.
    `in_vain`: it would not fit if nothing ran either, so that waiting changes nothing.
    """

    wait: Wait
    position: int
    of: int
    fits: bool
    short: tuple[Shortfall, ...] = ()
    in_vain: bool = False


class Place(BaseModel):
    """A place in the queue, as the person who waits sees it."""

    model_config = ConfigDict(frozen=True)
    id: PlaceId
    user: str
    server_name: str
    tenant: str
    profile: str
    since: datetime = Field(description="when the start was asked for first")
    position: int = Field(description="from 1; 0 once it may start")
    of: int = Field(description="how many wait")
    waits_for: Literal["quota", "turn", "nothing"] = Field(
        description="the team's quota, or one of the starts that the platform makes at once"
    )
    reason: str = Field("", description="why it cannot start now; once it may go, why it will be refused")

    @property
    def may_go(self) -> bool:
        """Whether it is time to ask for the start again."""
        return self.waits_for == "nothing"

    @property
    def told(self) -> str:
        """The line of progress."""
        if self.may_go:
            return self.reason or "There is room now"
        what = "quota" if self.waits_for == "quota" else "its turn"
        return f"Waiting for {what}: position {self.position} of {self.of}. {self.reason}"


def fair_order(
    waiting: Iterable[Wait], by: Callable[[Wait], str], already: Mapping[str, int], handicap: timedelta
) -> list[Wait]:
    """`waiting` in the order in which they are to start.

    Args:
        by: whom a wait counts for: those compete with each other.
        already: how many of each of those have what is waited for.
    """
    before: dict[str, int] = {}
    keyed: list[tuple[datetime, datetime, str, Wait]] = []
    for wait in sorted(waiting, key=lambda each: (each.since, each.id)):
        whose = by(wait)
        count = already.get(whose, 0) + before.get(whose, 0)
        before[whose] = before.get(whose, 0) + 1
        keyed.append((wait.since + count * handicap, wait.since, wait.id, wait))
    return [wait for *_, wait in sorted(keyed, key=lambda each: each[:3])]


def settle(
    quota: Quota, held: Iterable[Holding], waiting: Iterable[Wait], *, counts: Literal["servers", "jobs"] = "servers"
) -> list[Standing]:
    """Where each wait of one tenant stands, in turn.

    A later one may start before an earlier one only if both would fit: what the earlier ones want is kept for them. Not
    kept is what would wait for a person's own limit, since only they can make room, what would wait in vain, nor what
    nobody is `here` for.
    `counts`: of what a person has already, the one that puts them back.
    """
    held = tuple(held)
    used, kept = Books(held), Books(held)
    stays = Books(each for each in held if not each.passes)
    waiting = list(waiting)
    runs = {each.user: used.of(each.user, counts) for each in waiting}
    found: list[Standing] = []
    for position, wait in enumerate(fair_order(waiting, lambda each: each.user, runs, PERSON_HANDICAP), 1):
        fits = kept.fits(quota, wait.user, wait.wanted)
        short = () if fits else used.decide(quota, wait.user, wait.wanted)
        in_vain = not fits and not stays.fits(quota, wait.user, wait.wanted)
        found.append(Standing(wait, position, len(waiting), fits, short, in_vain))
        own_limit = not fits and any(each.scope == "user" for each in kept.decide(quota, wait.user, wait.wanted))
        if wait.here and not own_limit and not in_vain:
            kept.add(Holding(wait.user, wait.wanted))
    return found


def next_starts(ready: Iterable[Wait], starting: Mapping[str, int], at_once: int) -> tuple[list[Wait], list[Wait]]:
    """Of the waits that fit their quotas: those that may start now, and those whose turn has not come, both in turn.

    Args:
        starting: starts that are being made, by tenant.
        at_once: how many the platform makes at the same time.
    """
    order = fair_order(ready, lambda each: each.tenant, starting, TENANT_HANDICAP)
    free = max(0, at_once - sum(starting.values()))
    return order[:free], order[free:]


def why_not(title: str, standing: Standing) -> str:
    """Why a wait of the team called `title` cannot start now, for whoever may see it."""
    if standing.short:
        return " ".join(reason_of(title, each) for each in standing.short)
    return f"What is free in team {title} is kept for those who asked before."
