"""What was used over time: amounts times seconds, summed by tenant, person and UTC day. Whole numbers only.

Amounts are those of `quota` (thousandths of a core, pieces), but bytes are counted in KiB, so that a day of all that a
person may hold fits into 64 bits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from .quota import Amounts

KIB_COUNTED = frozenset({"memory", "storage", "checkpoint_bytes"})
"""Resources whose amounts are bytes."""
EVERYBODY = ""
"""In the place of a person: the sum over a tenant's people; in the place of a tenant: over the platform."""

Key = tuple[str, str, date, str]
"""Tenant's id, person, UTC day, resource."""


@dataclass(frozen=True)
class Span:
    """`user` of `tenant` held `amounts` from `since` to `until`."""

    tenant: str
    user: str
    amounts: Amounts
    since: datetime
    until: datetime


def meter(spans: Iterable[Span]) -> dict[Key, int]:
    """Amounts times seconds of `spans`, with the sums of each tenant and of the platform beside the people's.

    Spans that follow one another without a gap, whatever the moments in which they meet, add up to what one long span
    gives: moments count by their whole second.
    """
    found: dict[Key, int] = {}
    for span in spans:
        for day, seconds in days_of(span.since, span.until):
            for resource, amount in span.amounts.items():
                for tenant, user in ((span.tenant, span.user), (span.tenant, EVERYBODY), (EVERYBODY, EVERYBODY)):
                    key = (tenant, user, day, resource)
                    found[key] = found.get(key, 0) + counted(resource, amount) * seconds
    return {key: amount for key, amount in found.items() if amount}


def counted(resource: str, amount: int) -> int:
    """An amount as it is counted: bytes in KiB, rounded up."""
    return -(-amount // 1024) if resource in KIB_COUNTED else amount


def days_of(since: datetime, until: datetime) -> list[tuple[date, int]]:
    """The UTC days between two moments, each with its whole seconds; empty when `until` is not behind `since`."""
    begin, end = _second(since), _second(until)
    found: list[tuple[date, int]] = []
    while begin < end:
        midnight = begin.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        upto = min(midnight, end)
        found.append((begin.date(), int((upto - begin).total_seconds())))
        begin = upto
    return found


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)
