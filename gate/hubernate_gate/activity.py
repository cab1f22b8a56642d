"""What counts as a person's activity.

An open tab polls, reconnects and saves its layout by itself; none of that keeps a server awake. A person runs code,
types into a terminal, saves or opens something.
"""

import asyncio
from collections.abc import Mapping

from . import xsrf
from .config import Gate
from .headers import is_navigation
from .target import Target

_BY_ITSELF = (b'"kernel_info_request"', b'["set_size"')
"""In messages that JupyterLab sends on its own whenever it connects to a kernel or a terminal."""
_MESSAGES = ("api/kernels/", "terminals/websocket/")
_AWAY_S = 30.0
"""Whoever did nothing for so long has come back with the next thing they do."""


class Activity:
    """What was seen of a server so far; it outlives a reload. Moments are the loop's time; None: never.

    `person_at`: a person last did something. `busy_at`: a kernel or terminal was last seen at work. `kernels_busy`,
    `terminals_busy`: how many were, when the notebook last said. `gpu`: share of its busiest GPU in use; None: it does
    not say. `came_back`: set when a person begins again; an idle
    server that is being saved goes on if that is told at once (F39).
    """

    def __init__(self) -> None:
        self.person_at: float | None = None
        self.busy_at: float | None = None
        self.kernels_busy = 0
        self.terminals_busy = 0
        self.gpu: float | None = None
        self.came_back = asyncio.Event()
        self._polling: tuple[str, ...] = ()
        self._sockets: tuple[str, ...] = ()

    def follow(self, gate: Gate) -> None:
        """Judge by these settings from now on."""
        self._polling = tuple(gate.polling_paths)
        self._sockets = tuple(gate.activity_sockets)

    def saw_request(self, method: str, headers: Mapping[str, str], target: Target) -> None:
        """A request was answered by the notebook."""
        by_person = is_navigation(method, headers) or not xsrf.is_safe(method)
        if by_person and not target.tail.startswith(self._polling):
            self.saw_person()

    def saw_message(self, target: Target, beginning: bytes) -> None:
        """A client sent a data message on a WebSocket; kernels', terminals' and those the admin names count."""
        by_person = target.tail.startswith(_MESSAGES) and not any(sign in beginning for sign in _BY_ITSELF)
        if by_person or target.tail.startswith(self._sockets):
            self.saw_person()

    def saw_person(self) -> None:
        """A person did something just now."""
        now = asyncio.get_running_loop().time()
        if self.person_at is None or now - self.person_at >= _AWAY_S:
            self.came_back.set()
        self.person_at = now
