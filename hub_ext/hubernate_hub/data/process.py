"""One worker process as the service holds it: frames out, frames in, and death at once."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from .frames import CALL, HEADER, Gone, check_length, pack, pack_json


class Process:
    """Made by `Zygote.fork`; whoever holds it has it alone."""

    def __init__(
        self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kill: Callable[[], None]
    ) -> None:
        self.pid = pid
        self._reader, self._writer, self._kill = reader, writer, kill

    async def call(self, asked: dict[str, Any]) -> None:
        """Send a call. Raises Gone."""
        await self._send(pack_json(CALL, asked))

    async def send(self, kind: bytes, content: bytes = b"") -> None:
        """Send a part of an upload. Raises Gone."""
        await self._send(pack(kind, content))

    async def receive(self) -> tuple[bytes, bytes]:
        """The next frame.

        Raises:
            Gone: the process ended.
        """
        try:
            kind, length = HEADER.unpack(await self._reader.readexactly(HEADER.size))
            return kind, await self._reader.readexactly(check_length(length))
        except (asyncio.IncompleteReadError, OSError) as problem:
            raise Gone("the worker ended") from problem

    async def receive_json(self) -> tuple[bytes, Any]:
        """The next frame, JSON."""
        kind, content = await self.receive()
        return kind, json.loads(content) if content else None

    def kill(self) -> None:
        """Now, whatever it does. A process that the kernel holds (a dead NFS server) goes when it can."""
        self._writer.close()
        self._kill()

    def is_gone(self) -> bool:
        """Whether it has ended, or was told to."""
        return self._reader.at_eof() or self._writer.is_closing()

    async def _send(self, frame: bytes) -> None:
        try:
            self._writer.write(frame)
            await self._writer.drain()
        except OSError as problem:
            raise Gone("the worker ended") from problem
