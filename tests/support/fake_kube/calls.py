"""What was asked of the API server: one line a request, and counts of them."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """A request as authorization sees it, and how it ended (0: still going on, or cut)."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    subject: str
    query: dict[str, str] = field(default_factory=dict)
    path: str = ""
    at: float = field(default_factory=time.monotonic)
    status: int = 0


class CallLog:
    """Requests in the order in which they were answered; watches count when they begin."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []

    def add(self, call: Call) -> None:
        """Write one down."""
        with self._lock:
            self._calls.append(call)

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._calls.clear()

    def select(self, **wanted: Any) -> list[Call]:
        """Those whose fields are as given: `select(verb="create", resource="pods", status=201)`."""
        with self._lock:
            calls = tuple(self._calls)
        return [call for call in calls if all(getattr(call, key) == value for key, value in wanted.items())]

    def count(self, **wanted: Any) -> int:
        """How many of them."""
        return len(self.select(**wanted))

    def __len__(self) -> int:
        return len(self._calls)
