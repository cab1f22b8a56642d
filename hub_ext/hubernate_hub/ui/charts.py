"""Columns over days as SVG shapes and words: values only, so that templates decide nothing. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from hubernate_core import cost

_STEP, _WIDTH, _HEIGHT = 10, 7, 100  # of one day's place, in the drawing's own units


@dataclass(frozen=True)
class Column:
    """One day. `x`, `y`, `width` and `height` are in the drawing's units, y downwards."""

    day: str
    value: str
    x: float
    y: float
    width: int
    height: float
    partial: bool


@dataclass(frozen=True)
class Chart:
    """One quantity over days. `summary` says in words what the columns show."""

    id: str
    title: str
    total: str
    peak: str
    summary: str
    first: str
    last: str
    width: int
    columns: list[Column]


@dataclass(frozen=True)
class Series:
    """What a chart is drawn from: exact values by day; days that are not there are zero."""

    id: str
    title: str
    values: Mapping[date, Fraction]
    money: str = ""


def chart(series: Series, first: date, last: date, today: date) -> Chart:
    """The chart of `series` from the first to the last day; `today` is not over yet."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    values = [series.values.get(day, Fraction(0)) for day in days]
    highest = max(values)
    return Chart(
        id=series.id,
        title=series.title,
        total=_shown(series, sum(values, Fraction(0))),
        peak=_shown(series, highest),
        summary=_summary(series, days, values),
        first=f"{first:%-d %b}",
        last="today" if last == today else f"{last:%-d %b}",
        width=len(days) * _STEP,
        columns=[
            _column(series, number, day, value, highest, partial=day == today)
            for number, (day, value) in enumerate(zip(days, values, strict=True))
        ],
    )


def short(value: Fraction) -> str:
    """Three digits that count, with thousands apart: ``0``, ``0.31``, ``12.5``, ``1,234``."""
    if value >= 100 or value == 0:
        return f"{round(value):,}"
    return f"{float(value):.3g}" if value >= Fraction(1, 1000) else "under 0.001"


def _column(series: Series, number: int, day: date, value: Fraction, highest: Fraction, *, partial: bool) -> Column:
    height = round(float(value / highest) * _HEIGHT, 2) if highest else 0.0
    if value:
        height = max(height, 1.0)  # a little is not nothing
    x = number * _STEP + (_STEP - _WIDTH) / 2
    said = f"{day:%-d %B}" + (" so far" if partial else "")
    return Column(said, _shown(series, value), x, round(_HEIGHT - height, 2), _WIDTH, height, partial)


def _summary(series: Series, days: list[date], values: list[Fraction]) -> str:
    highest = max(values)
    if not highest:
        return "Nothing in these days."
    most = days[values.index(highest)]
    used = sum(1 for each in values if each)
    return f"{used} of {len(days)} days with use; the most on {most:%-d %B}: {_shown(series, highest)}."


def _shown(series: Series, value: Fraction) -> str:
    if not series.money:
        return short(value)
    return f"{cost.money(value)} {series.money}"
