"""People: who a Hub token or a session cookie belongs to. Nothing is stored; after a restart the hub is asked again."""

import hashlib
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from hubernate_core.errors import NotAllowed
from hubernate_core.names import normalise_user

from ..hub_client import Hub
from ..store.servers import ServerRow

_FRESH_S = 60.0
_TOKENS_MAX = 2_000
_SESSIONS_MAX = 10_000


@dataclass(frozen=True)
class Person:
    """A person who may be here. `user` is the normalised name, `hub_name` the hub's spelling; `admin`: platform's."""

    user: str
    hub_name: str
    admin: bool
    groups: tuple[str, ...] = field(default=(), repr=False)

    def owns(self, server: ServerRow) -> bool:
        """Whether it is this person's: two spellings that the hub tells apart are two people (P7)."""
        return (server.user, server.hub_name) == (self.user, self.hub_name)


@dataclass
class Session:
    """One browser. When `hub_session`, the hub's own cookie, differs from the last check, the hub is asked again."""

    token: str
    xsrf: str
    hub_session: str
    person: Person
    checked_at: float


class People:
    """Answers of the hub, kept for at most a minute and in bounded number."""

    def __init__(self, hub: Hub, service_name: str) -> None:
        self._hub = hub
        self._access = {f"access:services!service={service_name}", "access:services"}
        self._tokens: OrderedDict[str, tuple[float, Person]] = OrderedDict()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    async def by_token(self, token: str) -> Person | None:
        """The person of a Hub token; None when the hub does not know it.

        Raises:
            NotAllowed: the token does not allow this service.  Unavailable: the hub does not answer.
        """
        key = hashlib.sha256(token.encode()).hexdigest()
        known = self._tokens.get(key)
        if known is not None and time.monotonic() - known[0] < _FRESH_S:
            return known[1]
        self._tokens.pop(key, None)
        person = await self._ask(token)
        if person is not None:
            self._tokens[key] = (time.monotonic(), person)
            while len(self._tokens) > _TOKENS_MAX:
                self._tokens.popitem(last=False)
        return person

    async def by_cookie(self, cookie: str, hub_session: str) -> Session | None:
        """The session of a cookie; None when it ended. Raises as `by_token`."""
        session = self._sessions.get(cookie)
        if session is None:
            return None
        if time.monotonic() - session.checked_at >= _FRESH_S or session.hub_session != hub_session:
            person = await self._ask(session.token)
            if person is None or person.hub_name != session.person.hub_name:
                self._sessions.pop(cookie, None)
                return None
            session.person, session.hub_session, session.checked_at = person, hub_session, time.monotonic()
        return session

    async def open_session(self, token: str, hub_session: str) -> tuple[str, Session]:
        """A new session for a fresh OAuth token, with the cookie's value. Raises as `by_token`."""
        person = await self._ask(token)
        if person is None:
            raise NotAllowed("the hub does not know the token it just gave; sign in again")
        cookie = secrets.token_urlsafe(32)
        session = Session(token, secrets.token_urlsafe(32), hub_session, person, time.monotonic())
        self._sessions[cookie] = session
        while len(self._sessions) > _SESSIONS_MAX:
            self._sessions.popitem(last=False)
        return cookie, session

    async def _ask(self, token: str) -> Person | None:
        found = await self._hub.who(token)
        if found is None:
            return None
        if not self._access & found.scopes:
            raise NotAllowed("this token does not allow the use of this service (scope access:services)")
        return Person(normalise_user(found.name), found.name, found.admin, found.groups)
