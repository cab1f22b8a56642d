"""Wakes long polls: whoever changes something rings its topic, whoever waits for it looks again."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Bell:
    """Topics are texts such as ``node:local`` and ``operation:abc…``. For one event loop; nothing is kept."""

    def __init__(self) -> None:
        self._listening: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def listen(self, *topics: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever one of `topics` rings. Look at the state after this, not before, to miss
        nothing."""
        event = asyncio.Event()
        for topic in topics:
            self._listening.setdefault(topic, set()).add(event)
        try:
            yield event
        finally:
            for topic in topics:
                others = self._listening[topic]
                others.discard(event)
                if not others:
                    del self._listening[topic]

    def ring(self, *topics: str) -> None:
        """Wake everyone who listens to one of `topics`."""
        for topic in topics:
            for event in self._listening.get(topic, ()):
                event.set()

    def ring_all(self) -> None:
        """Wake everyone: the service is about to end."""
        self.ring(*self._listening)


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Whether `event` was set within `seconds`; it is cleared for the next time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True
