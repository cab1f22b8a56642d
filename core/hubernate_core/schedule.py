"""What becomes of a schedule's times: which run, which wait, which are passed over. Pure.

A schedule never has two runs at the same time. Of the times that came while nobody looked, or while the run before went
on, the newest alone counts.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from .names import JobId, ScheduleId, id_of


class Overlap(StrEnum):
    """What happens to a time that comes while the run before is not over."""

    SKIP = "skip"  # it does not run
    WAIT = "wait"  # it runs once that one is over
    REPLACE = "replace"  # that one is ended, then it runs


class Missed(StrEnum):
    """What happens to times that came while the platform was away."""

    SKIP = "skip"  # they do not run
    ONCE = "once"  # the newest of them runs, late


@dataclass(frozen=True)
class Look:
    """A schedule as it stands: `planned` is its next time, `held` one that waits for the run before, `going` whether
    that run is not over. `due` is the newest of its times up to now; None: `planned` is still to come.
    """

    due: datetime | None
    held: datetime | None
    going: bool
    overlap: Overlap
    missed: Missed


@dataclass(frozen=True)
class Verdict:
    """`run` this time now; keep `held` until the run before is over, which is to be ended if `end`. `why` one did not
    run, for the person; empty: none was passed over.
    """

    run: datetime | None = None
    held: datetime | None = None
    end: bool = False
    why: str = ""


def decide(look: Look, now: datetime, late: timedelta) -> Verdict:
    """What to do with the times that came.

    Args:
        late: how late a time may be found without having been missed.
    """
    due, why = look.due, ""
    if due is not None and look.missed is Missed.SKIP and now - due > late:
        due, why = None, "the platform was away, and missed times are skipped"
    if due is not None and look.going and look.overlap is Overlap.SKIP:
        due, why = None, "the run before was still going"
    chosen = due or look.held
    if chosen is None:
        return Verdict(why=why)
    if look.going:
        return Verdict(held=chosen, end=look.overlap is Overlap.REPLACE, why=why)
    return Verdict(run=chosen, why=why)


def run_id(schedule: ScheduleId, planned: datetime) -> JobId:
    """The id of the job that runs for this time: the same whoever asks, so that it never runs twice."""
    told = f"{schedule} {planned.astimezone(UTC).isoformat()}".encode()
    return JobId(id_of(int.from_bytes(hashlib.sha256(told).digest()[:16])))
