"""What goes wrong on purpose: slowness, refusals, lost answers, old lists. A rule sees each request first."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from .calls import Call


@dataclass(frozen=True)
class Fault:
    """What happens to a request, after `delay_s`.

    `status` instead of serving it (with `retry_after_s` as header); `cut` the connection before it is served;
    `lose_answer`: serve it, then cut the connection, so that the caller does not know. All unset: only the delay.
    """

    delay_s: float = 0
    status: int = 0
    reason: str = "InternalError"
    message: str = "a fault made by the test"
    retry_after_s: int = 0
    cut: bool = False
    lose_answer: bool = False


Rule = Callable[[Call], "Fault | None"]
"""A request → what happens to it; None: nothing."""


class Faults:
    """The rules in force; the first that answers decides."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def rule(self, rule: Rule) -> Callable[[], None]:
        """Add a rule; what comes back takes it off."""
        with self._lock:
            self._rules.append(rule)
        return lambda: self._rules.remove(rule) if rule in self._rules else None

    def add(self, fault: Fault, times: int | None = None, **wanted: str) -> Callable[[], None]:
        """That fault for requests whose fields are as given, the first `times` of them (None: all)."""
        left = [times]

        def decide(call: Call) -> Fault | None:
            if any(getattr(call, key) != value for key, value in wanted.items()) or left[0] == 0:
                return None
            left[0] = None if left[0] is None else left[0] - 1
            return fault

        return self.rule(decide)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._rules.clear()

    def of(self, call: Call) -> Fault:
        """What happens to that request."""
        with self._lock:
            for rule in self._rules:
                if found := rule(call):
                    return found
        return Fault()
