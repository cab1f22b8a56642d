"""What use costs: prices per unit, exact arithmetic, rounded once to hundredths. No amount of money is ever a float."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from .errors import InvalidInput, shorten
from .grammar import check_device
from .metering import Span, counted, days_of

_PLACES = 6
_PRICE = re.compile(rf"[0-9]{{1,9}}(?:\.[0-9]{{1,{_PLACES}}})?", re.ASCII)
_HOUR, _DAY, _GIB = 3600, 86400, 1024**2  # metering counts seconds, and bytes in KiB
_COMMON = _DAY * 1000 * _GIB  # every unit's size divides it, so that sums are of whole numbers


@dataclass(frozen=True)
class Unit:
    """What a price is for. `size`: how much metered amount is one of it."""

    name: str
    column: str
    size: int


_UNITS = {
    "servers": Unit("environment-hours", "environment_hours", _HOUR),
    "jobs": Unit("job-hours", "job_hours", _HOUR),
    "cpu": Unit("core-hours", "core_hours", _HOUR * 1000),
    "memory": Unit("GiB-hours of memory", "memory_gib_hours", _HOUR * _GIB),
    "storage": Unit("GiB-days of homes", "home_gib_days", _DAY * _GIB),
    "checkpoint_bytes": Unit("GiB-days of checkpoints", "checkpoint_gib_days", _DAY * _GIB),
}


def unit_of(resource: str) -> Unit:
    """In what a resource is counted and priced; devices by the hour."""
    return _UNITS.get(resource) or Unit(f"{resource}-hours", f"{resource}_hours", _HOUR)


def in_order(resources: Iterable[str]) -> list[str]:
    """Those that every platform has and the given ones, the same way everywhere: devices stand behind memory."""
    rank = {"servers": 0, "jobs": 1, "cpu": 2, "memory": 3, "storage": 5, "checkpoint_bytes": 6}
    return sorted({*_UNITS, *resources}, key=lambda name: (rank.get(name, 4), name))


def _read_price(text: object) -> Decimal:
    if isinstance(text, Decimal):
        text = str(text)
    if not isinstance(text, str) or not _PRICE.fullmatch(text):
        shown = shorten(str(text), 40)
        raise InvalidInput("prices", f"{shown!r} is no price; write a text with a decimal point, such as '0.04'")
    return Decimal(text)


Price = Annotated[Decimal, BeforeValidator(_read_price), PlainSerializer(str, when_used="json")]
"""Written as a text, with at most six decimals; a JSON number is refused, since it would be a float."""


class PriceList(BaseModel):
    """Prices in force from a day on."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217, such as EUR")
    prices: dict[str, Price] = Field(
        description="by resource: servers, jobs, cpu and memory (GiB) per hour, storage and checkpoint_bytes per GiB"
        " and day, a device by its name per hour; what is left out costs nothing"
    )
    since: date | None = Field(None, description="first UTC day on which they hold; null: they hold for all time")

    @model_validator(mode="after")
    def _check(self) -> "PriceList":
        if len(self.prices) > 100:
            raise InvalidInput("prices", "at most 100")
        for resource in self.prices:
            if resource not in _UNITS:
                if "/" not in resource:
                    raise InvalidInput(
                        "prices", f"{shorten(resource, 40)!r} is none of {', '.join(_UNITS)}, or a device"
                    )
                check_device(resource, "prices")
        return self

    @property
    def first_day(self) -> date:
        """`since`, or the first day there is."""
        return self.since or date.min


def version_of(lists: Sequence[PriceList]) -> str:
    """Changes whenever the lists do: 16 hexadecimal digits."""
    content = json.dumps([each.model_dump(mode="json") for each in lists], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def with_list(known: Sequence[PriceList], new: PriceList) -> tuple[PriceList, ...]:
    """The lists in force once `new` is: it replaces every list that begins with it or later, all of them if it has no
    first day. What was used before its first day keeps its price.

    Raises:
        InvalidInput: another currency than what stays.
    """
    stay = sorted((each for each in known if each.first_day < new.first_day), key=lambda each: each.first_day)
    if stay and stay[-1].currency != new.currency:
        raise InvalidInput(
            "currency",
            f"what was used before {new.since} is priced in {stay[-1].currency}, and no sum has two currencies; leave"
            " 'since' out to price everything anew. Nothing was changed",
        )
    return (*stay, new)


def cost(used: Mapping[tuple[date, str], int], lists: Sequence[PriceList]) -> Fraction:
    """The exact cost of metered amounts.

    Args:
        used: by first day of the list in force (`date.min`: before every list) and resource.
        lists: every list there is.
    """
    prices = {each.first_day: each.prices for each in lists}
    total = sum(
        amount * int(prices[begin][resource].scaleb(_PLACES)) * (_COMMON // unit_of(resource).size)
        for (begin, resource), amount in used.items()
        if resource in prices.get(begin, {})
    )
    return Fraction(total, _COMMON * 10**_PLACES)


def used(spans: Iterable[Span], lists: Sequence[PriceList]) -> dict[tuple[date, str], int]:
    """What `spans` used, as `cost` takes it: by first day of the list in force and resource."""
    begins = sorted(each.first_day for each in lists)
    found: dict[tuple[date, str], int] = {}
    for span in spans:
        for day, seconds in days_of(span.since, span.until):
            begin = max((each for each in begins if each <= day), default=date.min)
            for resource, amount in span.amounts.items():
                found[begin, resource] = found.get((begin, resource), 0) + counted(resource, amount) * seconds
    return found


def money(exact: Fraction) -> str:
    """Rounded half up to hundredths, as ``1234.50``."""
    return _decimal(exact, 2)


def quantity(resource: str, amount: int) -> str:
    """A metered amount in the resource's unit, rounded half up to thousandths, as ``12.5``."""
    text = _decimal(Fraction(amount, unit_of(resource).size), 3)
    return text.rstrip("0").rstrip(".")


def _decimal(exact: Fraction, places: int) -> str:
    whole = (exact.numerator * 10**places * 2 + exact.denominator) // (2 * exact.denominator)
    return f"{whole // 10**places}.{whole % 10**places:0{places}d}"
