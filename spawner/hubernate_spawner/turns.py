"""Turns: how many starts of one team are under way at the platform service and at the Kubernetes API at a time.

Both answer in the order in which they are asked. Without turns one team's 500 starts at the beginning of a class are
asked for first, and somebody of another team waits for all of them.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from .progress import Log

AT_ONCE = 8
"""Enough for some 80 starts a second where a request takes 30 ms; waiting for pods takes no turn."""


class Turns:
    """One line of each team, for all spawners of one hub."""

    def __init__(self) -> None:
        self._of: dict[Hashable, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def take(self, team: Hashable, told: Log | None) -> AsyncIterator[None]:
        """Wait for a turn of `team` and hold it; tells `told` that it waits."""
        line = self._of.setdefault(team, asyncio.Semaphore(AT_ONCE))
        if told is not None and line.locked():
            told.add("Many servers of your team start at the same time; yours is in line", told.percent)
        async with line:
            yield
