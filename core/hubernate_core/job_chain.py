"""Jobs that run after others: when one may, and what ends it. There is no cycle, as a job names such as exist only."""

from collections.abc import Iterable
from dataclasses import dataclass

from .job import JobState
from .names import JobId


@dataclass(frozen=True)
class Before:
    """A job that another one is to run after. `state` None: it is forgotten."""

    id: JobId
    label: str
    state: JobState | None

    @property
    def named(self) -> str:
        """For people."""
        return f"{self.label} ({self.id})" if self.label else self.id


def waits_for(before: Iterable[Before]) -> str:
    """What a job still waits for, in a sentence; empty: all of `before` succeeded."""
    left = [each for each in before if each.state is not JobState.SUCCEEDED]
    if not left:
        return ""
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    return f"It waits for {left[0].named}{more} to succeed."


def broken_by(before: Iterable[Before]) -> str:
    """Why a job will never run, in half a sentence; empty: it may."""
    for each in before:
        if each.state is None:
            return f"it was to run after {each.named}, which is forgotten; it was not started"
        if each.state is JobState.CANCELLED:
            return f"it was to run after {each.named}, which was cancelled; it was not started"
        if each.state is JobState.FAILED:
            return f"it was to run after {each.named}, which failed; it was not started"
    return ""
