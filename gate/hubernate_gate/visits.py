"""Somebody else than its owner enters a server: the platform service writes it down first, or they do not come in.

The owner's own way never depends on it.
"""

import asyncio

import aiohttp
from aiohttp.web_request import BaseRequest

from hubernate_core.errors import Unavailable, shorten

from .config import GateSettings
from .sessions import Session

_TIMEOUT = aiohttp.ClientTimeout(total=10)
_REFUSE_S = 5.0
"""So long after it did not answer it is not asked: a page's requests would wait for it one after the other."""
_AGAIN_S = 3600.0
"""A login that was not used for so long and comes back is another visit."""


class Visits:
    """Tells the platform service of visits, each once."""

    def __init__(self, client: aiohttp.ClientSession, settings: GateSettings) -> None:
        self._client = client
        self._settings = settings
        self._ask_at = 0.0
        self._silence = ""

    async def note(self, session: Session, request: BaseRequest) -> None:
        """Have the visit of `session` written down, unless it is the owner's or stands there already.

        Raises:
            Unavailable: the platform service did not take it; the visitor does not come in.
        """
        if session.visitor.name == self._settings.user:
            return
        async with session.noting:  # a page asks for many things at once
            now = asyncio.get_running_loop().time()
            if session.visited_at is None or now - session.visited_at > _AGAIN_S:
                await self._tell(session, _origin(request))
            session.visited_at = now

    async def _tell(self, session: Session, origin: str) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._ask_at:
            raise Unavailable(_refusal(self._silence))
        body = {
            "generation": self._settings.generation,
            "visitor": session.visitor.name,
            "by_token": session.by_token,
            "origin": origin,
        }
        url = f"{self._settings.service_url.rstrip('/')}/api/v1/gate/visits"
        headers = {"Authorization": f"Bearer {self._settings.relay_token}"}
        asked = self._client.post(url, json=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False)
        try:
            async with asked as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._ask_at, self._silence = loop.time() + _REFUSE_S, f"it does not answer ({type(error).__name__})"
            raise Unavailable(_refusal(self._silence)) from error
        if status >= 300:
            raise Unavailable(_refusal(f"it answered {status}"), status=status)


def _refusal(why: str) -> str:
    return (
        "this notebook is somebody else's, so your visit is written down first, and the platform service did not do"
        f" that: {why}. Nothing was opened; try again in a moment"
    )


def _origin(request: BaseRequest) -> str:
    nearest = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return shorten(f"{nearest or request.remote or ''} {request.headers.get('User-Agent', '')}".strip(), 200)
