"""A web server that hangs, trickles, breaks off or sends elsewhere, by path."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Misbehaving:
    """Its port, what was asked of it, and where ``/elsewhere`` leads."""

    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    elsewhere: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    hanging: bool = True


@contextmanager
def misbehaving(host: str = "127.0.0.1") -> Iterator[Misbehaving]:
    """The server on a free port of `host`."""
    told = Misbehaving()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            told.asked.append((self.command, self.headers.get("Authorization", "")))
            name = self.path.rpartition("/")[2]
            if name == "elsewhere":
                self.send_response(302)
                self.send_header("Location", told.elsewhere)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if name == "hang" and told.hanging:
                told.released.wait(60)
                return
            if name == "wrong":
                self.send_error(400)
                return
            self.send_response(200)
            if name == "packed":
                self.send_header("Content-Encoding", "gzip")
            if name == "unknown":
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", "100000")
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(b"x" * (100_000 if name != "broken" else 1000))
            if name == "broken":
                self.close_connection = True
            if name == "stall":
                told.released.wait(60)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever asks is killed: that is the point."""

    server = Server((host, 0), Handler)
    told.port = int(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield told
    finally:
        told.released.set()
        server.shutdown()
        server.server_close()
