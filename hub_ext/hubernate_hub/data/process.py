"""One worker process as the service holds it: frames out, frames in, and death at once."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from typing import Any

from .frames import CALL, CHUNK, HEADER, Gone, check_length, pack, pack_json

_PROGRAM = "from hubernate_hub.data.worker.main import main; main()"


class Process:
    """Started by `start`; whoever holds it has it alone."""

    def __init__(
        self, child: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._child, self._reader, self._writer = child, reader, writer

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @classmethod
    async def start(cls) -> "Process":
        """A fresh one: nothing of this process's memory, environment or files but one end of a socket."""
        ours, theirs = socket.socketpair()
        try:
            # -I: no PYTHONPATH, user site or current folder. Its complaints could quote a secret: they go nowhere.
            child = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, "-I", "-c", _PROGRAM, str(theirs.fileno())],
                env={
                    "PATH": os.defpath,
                    "LANG": "C.UTF-8",
                    "OMP_NUM_THREADS": "1",
                    "ARROW_DEFAULT_MEMORY_POOL": "system",
                },
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=2 * CHUNK)
        return cls(child, reader, writer)

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
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(signal.SIGKILL)

    def is_gone(self) -> bool:
        """Whether it has ended, and was taken note of."""
        return self._child.poll() is not None

    async def _send(self, frame: bytes) -> None:
        try:
            self._writer.write(frame)
            await self._writer.drain()
        except OSError as problem:
            raise Gone("the worker ended") from problem
