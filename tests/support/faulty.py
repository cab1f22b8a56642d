"""A proxy in front of a registry that fails on purpose: refuses, answers something else, dawdles, or breaks
connections."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Thread

Rule = Callable[[str, str, int], "Fault | None"]
"""Method, path, how many requests came before → what happens to this one (None: nothing)."""


@dataclass(frozen=True)
class Fault:
    """What happens to a request: an answer instead of the registry's, a break after some bytes of its body, or
    slowness."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = "{}"
    break_after: int | None = None
    bytes_per_s: float = 0


class FaultyProxy:
    """Listens on 127.0.0.1 (at port `listen`, if given) and passes requests on to `port`, one a connection."""

    def __init__(self, port: int, listen: int = 0) -> None:
        self._target = port
        self.rule: Rule = lambda method, path, count: None
        self.requests: list[tuple[str, str]] = []
        self._listener = socket.create_server(("127.0.0.1", listen), backlog=64)
        self.name = f"127.0.0.1:{self._listener.getsockname()[1]}"
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                self._one(client)
        except OSError:
            return  # either side went away, which is the point

    def _one(self, client: socket.socket) -> None:
        head, rest = _head(client)
        if not head:
            return
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        fault = self.rule(method, path, len(self.requests)) or Fault()
        self.requests.append((method, path))
        if fault.status:
            lines = [f"HTTP/1.1 {fault.status} Fault", f"Content-Length: {len(fault.body)}", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in fault.headers.items()]
            client.sendall(("\r\n".join(lines) + "\r\n\r\n" + fault.body).encode())
            client.shutdown(socket.SHUT_WR)
            time.sleep(0.2)
            return
        with socket.create_connection(("127.0.0.1", self._target)) as upstream:
            upstream.sendall(head[:-2] + b"Connection: close\r\n\r\n" + rest)
            Thread(target=_pump, args=(client, upstream, fault), daemon=True).start()
            while data := upstream.recv(1 << 16):
                client.sendall(data)


def _head(sock: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(1 << 16)
        if not part:
            return b"", b""
        data += part
    end = data.index(b"\r\n\r\n") + 4
    return data[:end], data[end:]


def _pump(client: socket.socket, upstream: socket.socket, fault: Fault) -> None:
    moved = 0
    try:
        while data := client.recv(1 << 14 if fault.bytes_per_s else 1 << 16):
            moved += len(data)
            if fault.break_after is not None and moved > fault.break_after:
                client.shutdown(socket.SHUT_RDWR)
                upstream.shutdown(socket.SHUT_RDWR)
                return
            if fault.bytes_per_s:
                time.sleep(len(data) / fault.bytes_per_s)
            upstream.sendall(data)
    except OSError:
        return
