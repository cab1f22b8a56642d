"""What the service and a worker say to each other: a kind, a length, bytes. Both ends use this one definition.

service → worker   CALL (JSON), then for an upload DATA…, END or ABORT
worker  → service  HEAD (JSON), DATA…, END; or ERROR (JSON) at any time

service → zygote   FORK with one end of a socket pair, KILL with a process id: messages of a socket of their own
zygote  → service  after FORK the worker's process id
"""

import json
import socket
import struct
from typing import Any

CALL, HEAD, DATA, END, ERROR, ABORT = b"C", b"H", b"D", b"E", b"X", b"A"
FORK, KILL = b"F", b"K"
PID_BYTES = 8
HEADER = struct.Struct(">cI")
CHUNK = 1024 * 1024
"""Bytes of one DATA frame, at most."""
_FRAME_MAX = 32 * 1024**2


class Gone(Exception):
    """The other end is not there any more, or speaks nonsense."""


def check_length(length: int) -> int:
    """`length` if a frame may be that long.

    Raises:
        Gone: it is nonsense.
    """
    if length > _FRAME_MAX:
        raise Gone(f"a frame of {length} bytes")
    return length


def pack(kind: bytes, content: bytes | memoryview = b"") -> bytes:
    """One frame."""
    return HEADER.pack(kind, len(content)) + bytes(content)


def pack_json(kind: bytes, content: Any) -> bytes:
    """One frame with JSON in it."""
    return pack(kind, json.dumps(content, default=str).encode())


class Channel:
    """The worker's end: blocking, because a worker has nothing else to do."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._in = end.makefile("rb", buffering=CHUNK)

    def receive(self) -> tuple[bytes, bytes]:
        """The next frame.

        Raises:
            Gone: the service closed the channel.
        """
        header = self._in.read(HEADER.size)
        if len(header) < HEADER.size:
            raise Gone("the service is gone")
        kind, length = HEADER.unpack(header)
        content = self._in.read(check_length(length))
        if len(content) < length:
            raise Gone("the service is gone")
        return kind, content

    def send(self, kind: bytes, content: bytes | memoryview = b"") -> None:
        """One frame; a large one in two system calls instead of a copy."""
        if len(content) < 4096:
            self._socket.sendall(pack(kind, content))
            return
        self._socket.sendall(HEADER.pack(kind, len(content)))
        self._socket.sendall(content)

    def send_json(self, kind: bytes, content: Any) -> None:
        """One frame with JSON in it."""
        self._socket.sendall(pack_json(kind, content))
