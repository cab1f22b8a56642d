"""The one error tree. A class says what the caller should do; the message says what is still safe and what comes next.

HubernateError
├── UserError            show it: somebody can act on it
│   ├── InvalidInput     fix the named field
│   ├── NotFound         the thing is not there, or not yours
│   ├── NotAllowed       you may not, whoever asks for you
│   └── Conflict         it clashes with what is going on now; look, then repeat
│       ├── OverQuota    it does not fit into what the team may use
│       └── Stale        it was changed since you read it
├── Unavailable          an outside system did not answer; repeat later, nothing was lost
└── Broken               stored data or a peer contradicts itself: a person must look
"""

from collections.abc import Mapping, Sequence
from typing import Any


class HubernateError(Exception):
    """Root of everything this project raises on purpose."""

    def __init__(self, message: str, **ids: str | int | None) -> None:
        super().__init__(message)
        self.message = message
        self.ids: Mapping[str, str | int] = {key: value for key, value in ids.items() if value is not None}


class UserError(HubernateError):
    """Its message may be shown to the person who asked."""


class InvalidInput(UserError):
    """A value was refused; nothing was created or changed.

    Args:
        field: path of the refused value, such as ``profile.memory``.
        reason: what is wrong and what would be right.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}", field=field)
        self.field = field
        self.reason = reason


class NotFound(UserError):
    """No such thing for this person; the same answer whether it does not exist or belongs to another."""


class NotAllowed(UserError):
    """The person, node or token may not do this."""


class Conflict(UserError):
    """The request clashes with the present state; `ids` names what it clashes with."""


class OverQuota(Conflict):
    """It does not fit into what a tenant, or one person in it, may use; nothing was started.

    Args:
        shortfalls: one mapping for each resource of which there is not enough (`quota.Shortfall`), at least one.
    """

    def __init__(self, message: str, shortfalls: Sequence[Mapping[str, Any]], **ids: str | int | None) -> None:
        if not shortfalls:
            raise ValueError("nothing is short: that is no refusal by a quota")
        super().__init__(message, **ids)
        self.shortfalls = tuple(shortfalls)


class Stale(Conflict):
    """The thing was changed since the caller read it; read it again, then decide."""


class Unavailable(HubernateError):
    """An outside system (registry, engine, hub, database) failed or timed out; trying again may work.

    Args:
        retry_after_s: seconds the other side asked us to wait, if it did.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, **ids: str | int | None) -> None:
        super().__init__(message, **ids)
        self.retry_after_s = retry_after_s


class Broken(HubernateError):
    """Stored data or a peer contradicts itself; we stop rather than guess."""


def shorten(text: str, limit: int = 300) -> str:
    """`text` on one line with control characters escaped and at most `limit` characters: safe to log or show."""
    line = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return line if len(line) <= limit else line[: limit - 1] + "…"
