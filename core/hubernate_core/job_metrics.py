"""What a job says of itself while it runs: numbers by name and step, read line by line from a file that it writes.

The job's own program wrote that file, so that nothing in it is believed: every line is checked and everything that is
kept has an end. Pure.
"""

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

NAMES_MAX = 50
NAME_MAX = 100
POINTS_MAX = 1000
"""Of one name; of a longer series every second, fourth, … point is kept, and always the newest."""
LINE_MIN, LINE_MAX = 25, 1000
"""Bytes. What is shorter says nothing, and costs next to nothing."""
_STEP_END = 2**53
_AHEAD = timedelta(minutes=1)
"""A job's clock may be ahead of ours."""


class Point(BaseModel):
    """One value. `value` is null where it was no finite number; `at` is UTC."""

    model_config = ConfigDict(frozen=True)
    step: int
    value: float | None
    at: datetime


class Series(BaseModel):
    """The points of one name, in the order in which they came."""

    name: str
    points: list[Point] = []
    seen: int = Field(0, exclude=True, description="how many there were, also of those that are not kept")
    every: int = Field(1, exclude=True, description="each so manyth point is kept")

    def add(self, step: int | None, value: float, at: datetime) -> None:
        """Take a point. `step` None: one more than the last, from 0."""
        after = self.points[-1].step + 1 if self.points else 0
        if self.points and (self.seen - 1) % self.every:
            self.points.pop()  # it was there because it was the newest
        self.points.append(
            Point(step=after if step is None else step, value=value if math.isfinite(value) else None, at=at)
        )
        self.seen += 1
        if len(self.points) > POINTS_MAX:
            newest = self.points[-1]
            self.points = self.points[::2]
            self.every *= 2
            if self.points[-1] is not newest:
                self.points.append(newest)


class Metrics(BaseModel):
    """All series of an attempt at a job. `left_out`: what was not kept, in a sentence; empty: all was."""

    series: list[Series] = []
    left_out: str = ""


def take(metrics: Metrics, lines: Iterable[bytes], now: datetime) -> None:
    """Add what `lines` say to `metrics`; a line that says nothing that can be kept is told in `left_out`."""
    known = {each.name: each for each in metrics.series}
    rubbish = too_many = False
    for line in lines:
        try:
            name, value, step, at = _read(line, now)
        except (ValueError, TypeError, LookupError, OverflowError, OSError, RecursionError):
            rubbish = True
            continue
        if name not in known:
            if len(known) >= NAMES_MAX:
                too_many = True
                continue
            known[name] = Series(name=name)
            metrics.series.append(known[name])
        known[name].add(step, value, at)
    if too_many:
        metrics.left_out = f"it has more than {NAMES_MAX} metrics; the first ones are kept"
    elif rubbish:
        metrics.left_out = "some of what the job wrote is no metric"


def _read(line: bytes, now: datetime) -> tuple[str, float, int | None, datetime]:
    if not LINE_MIN <= len(line) <= LINE_MAX:
        raise ValueError("too short or too long")
    told = json.loads(line)
    name, value, step = told["name"], told["value"], told.get("step")
    if not isinstance(name, str) or not 0 < len(name) <= NAME_MAX or not name.isprintable():
        raise ValueError("no name")
    if not isinstance(value, int | float) or not (step is None or isinstance(step, int)):
        raise TypeError("no number")
    if step is not None and not -_STEP_END < step < _STEP_END:
        raise ValueError("no step")
    at = datetime.fromtimestamp(float(told["at"]), UTC)
    return name, float(value), step, min(at, now) if at <= now + _AHEAD else now
