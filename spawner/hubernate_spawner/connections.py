"""HTTP connections of the hub's one process to services and gates.

aiohttp, as KubeSpawner's own client: with hundreds of starts under way httpx takes ten times the hub's time for a
request, and its pool of 100 connections is full when a hundred stops wait at the service for their saves.
"""

import asyncio
from typing import Any

import aiohttp

_CONNECT_S = 5


class Connections:
    """A session, opened at the first request in the event loop and closed when that ends."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._held: asyncio.Task[None] | None = None

    def request(self, method: str, url: str, *, timeout_s: float, **options: Any) -> Any:
        """A request as a context manager, as `aiohttp.ClientSession.request`; at most `timeout_s` seconds in all.

        Redirects are not followed, cookies not kept: nobody there may send the hub elsewhere or be remembered by it.
        """
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
        return self._open().request(method, url, timeout=timeout, allow_redirects=False, **options)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # No limit: who waits must not keep others from asking. No proxy of the environment either: it would get
            # the token, and knows no way there.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
            self._held = asyncio.create_task(_hold(self._session), name="connections")
        return self._session


async def _hold(session: aiohttp.ClientSession) -> None:
    """Close the session when the event loop ends, which cancels what is left in it."""
    async with session:
        await asyncio.Event().wait()
