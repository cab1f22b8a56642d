"""The service's end of the zygote: asks it for workers, and has it kill them."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys

from hubernate_core.errors import Unavailable

from .frames import CHUNK, FORK, KILL, PID_BYTES
from .process import Process

_PROGRAM = "from hubernate_hub.data.worker.zygote import main; main()"
_START_S = 60.0


class Zygote:
    """Started with the first worker, and anew when it is gone."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    async def fork(self) -> Process:
        """A fresh worker: nothing of the service's memory, environment or files but one end of a socket.

        Raises:
            Unavailable: none can be made.
        """
        made = asyncio.create_task(self._fork(), name="fork a data worker")
        try:
            return await asyncio.shield(made)
        except asyncio.CancelledError:
            made.add_done_callback(_unwanted)
            raise

    async def close(self) -> None:
        """End it and every worker; returns when it has ended."""
        async with self._lock:
            await asyncio.to_thread(self._end)

    async def _fork(self) -> Process:
        ours, theirs = socket.socketpair()
        try:
            async with self._lock:
                pid = await asyncio.to_thread(self._ask, theirs)
            ours.setblocking(False)
            reader, writer = await asyncio.open_unix_connection(sock=ours, limit=2 * CHUNK)
        except BaseException:
            ours.close()  # the worker, where there is one, ends with it
            raise
        finally:
            theirs.close()
        control = self._control
        return Process(pid, reader, writer, lambda: _tell(control, KILL + pid.to_bytes(PID_BYTES)))

    def _ask(self, theirs: socket.socket) -> int:
        try:
            if self._child is None or self._child.poll() is not None:
                self._end()
                self._start()
            assert self._control is not None
            socket.send_fds(self._control, [FORK], [theirs.fileno()])
            answer = self._control.recv(64)
        except OSError as problem:
            self._end()
            raise _none_can_be_made(str(problem)) from problem
        if not answer:
            self._end()
            raise Unavailable("the process that makes those that read sources ended (memory?); try again in a moment")
        child = int.from_bytes(answer)
        if not child:
            raise _none_can_be_made("the machine gave none")
        return child

    def _start(self) -> None:
        # Messages, not a stream: each is taken whole.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_START_S)
        with theirs:
            # -I: no PYTHONPATH, user site or current folder. Its complaints could quote a secret: they go nowhere.
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-c", _PROGRAM, str(theirs.fileno())],
                env={
                    "PATH": os.defpath,
                    "LANG": "C.UTF-8",
                    "OMP_NUM_THREADS": "1",
                    "ARROW_DEFAULT_MEMORY_POOL": "system",
                    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # it forks: no thread may hold a lock
                },
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
            )
        self._control = ours

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._child is not None:
            try:
                self._child.wait(2)
            except subprocess.TimeoutExpired:
                self._child.kill()  # its children go with it
                self._child.wait()
            self._child = None


def _none_can_be_made(why: str) -> Unavailable:
    return Unavailable(
        f"no process can be made that reads sources ({why}); try again in a moment, and look at the memory and the"
        " number of processes of the platform service"
    )


def _unwanted(made: asyncio.Task[Process]) -> None:
    # Whoever asked left meanwhile; the exchange with the zygote had to come to its end.
    if not made.cancelled() and made.exception() is None:
        made.result().kill()


def _tell(control: socket.socket | None, message: bytes) -> None:
    # Without a zygote there is no worker of its either: they end with it.
    if control is not None:
        with contextlib.suppress(OSError):
            control.send(message)
