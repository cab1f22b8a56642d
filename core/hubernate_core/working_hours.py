"""Working hours of a team: days and times of its own zone, daylight saving time included. Pure.

Written as one line, ``Mon-Fri 08:00-18:00 Europe/Berlin``; days may be a list (``Mon-Thu,Sat``), and hours that end
before they begin end on the next day, as do those that end when they begin: ``Sat 00:00-00:00`` is the whole day.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WRITTEN = re.compile(r"(?P<days>[A-Za-z,-]+) (?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d) (?P<zone>[A-Za-z0-9_+/-]+)")
_FORM = "write days, times and an IANA zone, such as 'Mon-Fri 08:00-18:00 Europe/Berlin'"


@dataclass(frozen=True)
class Hours:
    """Working hours, taken apart. `days` are 0 (Monday) to 6, those on which the hours begin."""

    days: frozenset[int]
    begin: time
    end: time
    zone: ZoneInfo

    def span_at(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """The working hours that `moment` lies in, from and until, UTC; None: it lies outside."""
        today = moment.astimezone(self.zone).date()
        spans = (self._span(today - timedelta(days=back)) for back in (1, 0))
        return next((each for each in spans if each is not None and each[0] <= moment < each[1]), None)

    def next_begin(self, moment: datetime) -> datetime:
        """When the next working hours after `moment` begin, UTC."""
        today = moment.astimezone(self.zone).date()
        # Over two weeks: hours that lie in the one which clocks leave out in spring are none in that week.
        spans = (self._span(today + timedelta(days=ahead)) for ahead in range(16))
        return next(each[0] for each in spans if each is not None and each[0] > moment)

    def next_outside(self, moment: datetime) -> datetime | None:
        """The first moment outside of the hours that is not before `moment`, UTC; None: they go on round the week."""
        for _ in range(len(DAYS) + 2):  # whole days adjoin
            span = self.span_at(moment)
            if span is None:
                return moment
            moment = span[1]
        return None

    def _span(self, day: date) -> tuple[datetime, datetime] | None:
        if day.weekday() not in self.days:
            return None
        last = day if self.begin < self.end else day + timedelta(days=1)
        # A time that a change of the clocks leaves out is read by the offset before the change (PEP 495, fold=0).
        begin, end = (
            datetime.combine(when, at, self.zone).astimezone(UTC) for when, at in ((day, self.begin), (last, self.end))
        )
        return (begin, end) if begin < end else None


@lru_cache(maxsize=1024)
def read_hours(text: str) -> Hours:
    """`text` taken apart.

    Raises:
        ValueError: saying what is wrong with it.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(_FORM)
    try:
        begin, end = (time.fromisoformat(found[name]) for name in ("begin", "end"))
    except ValueError as problem:
        raise ValueError(f"times go from 00:00 to 23:59, and 00:00-00:00 is the whole day; {_FORM}") from problem
    try:
        zone = ZoneInfo(found["zone"])
    except (KeyError, ValueError, OSError) as problem:  # an unknown name, one that is a path, a folder's
        raise ValueError(f"there is no zone {found['zone']!r}; {_FORM}") from problem
    return Hours(_read_days(found["days"]), begin, end, zone)


def _read_days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError(f"days are {', '.join(DAYS)}; {_FORM}")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days |= {number % 7 for number in range(begin, end + 1 if begin <= end else end + 8)}
    return frozenset(days)


def _checked(text: str) -> str:
    read_hours(text)
    return text


WorkingHours = Annotated[str, Field(max_length=120), AfterValidator(_checked)]
"""A field that is written as this module says."""
