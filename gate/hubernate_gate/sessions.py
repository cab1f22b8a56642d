"""Logins that the gate remembers: a bounded table, in memory only. What a browser holds is a random key into it."""

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whom the hub says a token belongs to, and what that token may do."""

    name: str
    scopes: frozenset[str]


@dataclass(slots=True, eq=False)
class Session:
    """One login, or one API token in use.

    `checked_at` is the loop's time of the hub's last word on it; while the hub does not answer it is asked again at
    `retry_at`. `hub_session` is the hub's own session cookie: it changes when a person logs out there. `visited_at` is
    when somebody else's login was last used (`Visits`).
    """

    key: str
    token: str = field(repr=False)
    visitor: Visitor
    checked_at: float
    by_token: bool = False
    hub_session: str = field(default="", repr=False)
    doubted: bool = False
    retry_at: float = 0.0
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    visited_at: float | None = None
    noting: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    checking: "asyncio.Task[None] | None" = field(default=None, repr=False)


class Sessions:
    """At most `limit` logins; the one unused for longest gives way to a new one and ends."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.secret = secrets.token_bytes(32)
        """Signs what browsers keep for us; a gate that starts anew has every login made anew, without a question."""
        self._all: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def get(self, key: str) -> Session | None:
        """The session of that key, marked as just used."""
        session = self._all.get(key)
        if session is not None:
            self._all.move_to_end(key)
        return session

    def add(self, session: Session) -> None:
        """Remember `session`."""
        self._all[session.key] = session
        while len(self._all) > self.limit:
            _, oldest = self._all.popitem(last=False)
            oldest.ended.set()

    def end(self, session: Session) -> None:
        """Forget `session`; what is open in its name (WebSockets) sees `ended`."""
        if self._all.get(session.key) is session:
            del self._all[session.key]
        session.ended.set()

    def doubt_all(self) -> None:
        """Have every session checked before its next use."""
        for session in self._all.values():
            session.doubted = True


def new_key() -> str:
    """An unguessable name for a login: 256 bits."""
    return secrets.token_urlsafe(32)
