"""Which checkpoints go, when and why. Pure: what is shown beforehand and what is done are this one decision."""

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from .names import CheckpointId, OwnerId, ServerId
from .quantity import Bytes


class Retention(BaseModel):
    """How long checkpoints stay. Pinned ones and the newest usable one of a server always stay."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    keep_count: int = Field(5, ge=1, le=1000, description="checkpoints of each server")
    keep_age: timedelta = Field(
        timedelta(days=90), gt=timedelta(), le=timedelta(days=36_600), description="age at which the others go"
    )
    user_bytes: Bytes | None = Field(None, description="bytes of one person's checkpoints; written '50Gi'")
    tenant_bytes: Bytes | None = Field(None, description="bytes of all checkpoints of the tenant; written '2Ti'")
    notice: timedelta = Field(
        timedelta(days=1),
        ge=timedelta(),
        le=timedelta(days=30),
        description="how long beforehand it is shown what goes; nothing goes earlier",
    )


class Why(StrEnum):
    """The rule that lets a checkpoint go."""

    COUNT = "count"
    AGE = "age"
    USER_BYTES = "user_bytes"
    TENANT_BYTES = "tenant_bytes"


@dataclass(frozen=True)
class Stored:
    """A checkpoint as retention sees it. `reference` is ``repository@digest``, `size` bytes, times UTC."""

    id: CheckpointId
    server_id: ServerId
    owner_id: OwnerId
    reference: str
    size: int
    created_at: datetime
    name: str = ""
    pinned: bool = False
    usable: bool = True
    goes_at: datetime | None = None
    """When it goes, as it was announced; None: it was not."""


@dataclass(frozen=True)
class Leaving:
    """A checkpoint that goes, not before `goes_at`."""

    stored: Stored
    why: Why
    goes_at: datetime


def what_goes(
    checkpoints: Iterable[Stored],
    rule: Retention,
    now: datetime,
    in_use: frozenset[str] = frozenset(),
    *,
    ahead: timedelta = timedelta(),
) -> list[Leaving]:
    """What `rule` lets go of one tenant's `checkpoints`, in the order in which it goes.

    Never the newest usable one of a server (of one that has none: the newest), never a pinned one, never one whose
    reference is `in_use` by a server, an operation, a start that waits or a team image (F45). By bytes the oldest go
    first. What is first found to go is due after the rule's notice, so that somebody can still pin it.

    Args:
        ahead: how far to look for those that come of age; at least the rule's notice.
    """
    newest_first = sorted(checkpoints, key=lambda each: (each.created_at, each.id), reverse=True)
    held = _last_good(newest_first)
    free = {
        each.id for each in newest_first if each.id not in held and not each.pinned and each.reference not in in_use
    }
    found = _by_count_and_age(newest_first, free, rule, now)
    soon = [each for each in found.values() if each.goes_at <= now + max(rule.notice, ahead)]
    gone = {each.stored.id for each in found.values() if each.goes_at <= now + rule.notice}
    for why, limit in ((Why.USER_BYTES, rule.user_bytes), (Why.TENANT_BYTES, rule.tenant_bytes)):
        if limit is not None:
            over = _over(limit, why, [each for each in newest_first if each.id not in gone], free)
            gone |= {each.id for each in over}
            soon = [each for each in soon if each.stored.id not in {known.id for known in over}]
            soon += [_leaving(each, why, now, rule, now) for each in over]
    return sorted(soon, key=lambda each: (each.goes_at, each.stored.created_at, each.stored.id))


def _last_good(newest_first: Iterable[Stored]) -> frozenset[CheckpointId]:
    """The newest usable one of each server; of one that has none the newest: its image may come back."""
    usable: dict[ServerId, CheckpointId] = {}
    newest: dict[ServerId, CheckpointId] = {}
    for each in newest_first:
        newest.setdefault(each.server_id, each.id)
        if each.usable:
            usable.setdefault(each.server_id, each.id)
    return frozenset((newest | usable).values())


def _by_count_and_age(
    newest_first: Iterable[Stored], free: Set[CheckpointId], rule: Retention, now: datetime
) -> dict[CheckpointId, Leaving]:
    """What goes because there are newer ones, or comes of age some day."""
    found: dict[CheckpointId, Leaving] = {}
    rank: Counter[ServerId] = Counter()
    for each in newest_first:
        rank[each.server_id] += 1
        if each.id in free and rank[each.server_id] > rule.keep_count:
            found[each.id] = _leaving(each, Why.COUNT, now, rule, now)
        elif each.id in free:
            found[each.id] = _leaving(each, Why.AGE, each.created_at + rule.keep_age, rule, now)
    return found


def _over(limit: int, why: Why, newest_first: Sequence[Stored], free: Set[CheckpointId]) -> list[Stored]:
    """The oldest that have to go until nobody's share is over `limit` bytes."""
    weight: Counter[str] = Counter()
    for each in newest_first:
        weight[_share(each, why)] += each.size
    over = []
    for each in reversed(newest_first):
        if each.id in free and weight[_share(each, why)] > limit:
            weight[_share(each, why)] -= each.size
            over.append(each)
    return over


def _share(each: Stored, why: Why) -> str:
    """What a limit of bytes is for: the person, or the tenant as a whole."""
    return each.owner_id if why is Why.USER_BYTES else ""


def _leaving(each: Stored, why: Why, due: datetime, rule: Retention, now: datetime) -> Leaving:
    noticed = now + rule.notice
    return Leaving(each, why, max(due, noticed if each.goes_at is None else min(each.goes_at, noticed)))
