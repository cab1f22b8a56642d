"""What workers are forked from: a Python with every client imported, that never sees a call, a credential or a source.

Importing them takes most of a second, which a preview has not. It has one thread, so that forking is safe; it opens no
connection; it ends with the service, and its children end with it. What is said is in `..frames`.
"""

import ctypes
import gc
import os
import signal
import socket
import sys
import time

from ..frames import FORK, PID_BYTES
from .main import serve

_PR_SET_PDEATHSIG = 1
_PATIENCE_S = 1.0


def main() -> None:
    """``python -I -c … FD``: fork workers until the service closes that socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        _import_clients()
        gc.freeze()  # what was imported stays shared between the children
        children: set[int] = set()
        try:
            _obey(control, children)
        finally:
            _end(children)


def _obey(control: socket.socket, children: set[int]) -> None:
    dying: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 64, 1)
        if not message:
            return
        if message[:1] == FORK:
            child = _try_to_fork(control, descriptors)
            if child:
                children.add(child)
            control.send(child.to_bytes(PID_BYTES))
        else:
            child = int.from_bytes(message[1:])
            if child in children:
                # Not waited for yet, so the number is still this child's and nobody else's.
                os.kill(child, signal.SIGKILL)
                children.discard(child)
                dying.add(child)
        # One that the kernel holds (a dead NFS server) is looked at again with the next message.
        dying -= _ended(dying)


def _end(children: set[int]) -> None:
    for child in children:
        os.kill(child, signal.SIGKILL)
    until = time.monotonic() + _PATIENCE_S
    while children and time.monotonic() < until:
        children -= _ended(children)
        time.sleep(0.005)


def _ended(children: set[int]) -> set[int]:
    return {child for child in children if os.waitpid(child, os.WNOHANG)[0]}


def _try_to_fork(control: socket.socket, descriptors: list[int]) -> int:
    """The child; 0 if the machine gives none now, which is no reason to end those that are at work."""
    try:
        return _fork(control, descriptors[0])
    except (OSError, IndexError):
        for each in descriptors:
            os.close(each)
        return 0


def _fork(control: socket.socket, descriptor: int) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        os.close(descriptor)
        return child
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            control.close()
            serve(socket.socket(fileno=descriptor))
    finally:
        os._exit(0)  # nothing of the zygote's own end is a child's to do


def _import_clients() -> None:
    from . import database, folder, hdfs, hive, mariadb, postgresql, s3, web  # noqa: F401
    from . import preview_media, preview_parquet, preview_text, scan  # noqa: F401  isort: skip

    s3.warm_up()
