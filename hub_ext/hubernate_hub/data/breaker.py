"""A source that keeps failing is left alone for a while, so that nobody waits for it. Pure: the clock comes in."""

from dataclasses import dataclass
from enum import StrEnum

_LONGEST_S = 300.0


class State(StrEnum):
    """closed: calls go through · open: they do not · trying: one goes through to see."""

    CLOSED = "closed"
    OPEN = "open"
    TRYING = "trying"


@dataclass
class Breaker:
    """Of one source of one tenant. Times are seconds of a monotonic clock."""

    failures_to_open: int
    open_for_s: float
    failures: int = 0
    opened: int = 0
    until: float = 0.0
    trying: bool = False
    reason: str = ""

    def state(self, now: float) -> State:
        """How it stands."""
        if self.failures < self.failures_to_open:
            return State.CLOSED
        return State.OPEN if now < self.until or self.trying else State.TRYING

    def may_call(self, now: float) -> bool:
        """Whether a call may go through; in state `TRYING` only the first one that asks."""
        state = self.state(now)
        if state is State.TRYING:
            self.trying = True
        return state is not State.OPEN

    def wait_s(self, now: float) -> float:
        """Seconds until the next try."""
        return max(1.0, self.until - now)

    def succeeded(self) -> None:
        """The source answered: everything is forgotten."""
        self.failures, self.opened, self.trying, self.reason = 0, 0, False, ""

    def failed(self, now: float, reason: str) -> None:
        """It did not, for `reason`."""
        self.failures += 1
        self.reason, self.trying = reason, False
        if self.failures >= self.failures_to_open:
            self.until = now + min(_LONGEST_S, self.open_for_s * 2.0 ** min(self.opened, 10))
            self.opened += 1

    def gave_up(self) -> None:
        """A try ended without an answer either way: its reader left."""
        self.trying = False
