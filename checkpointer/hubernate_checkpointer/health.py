"""Health and metrics on a unix socket: the agent listens on nothing else."""

import os
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from threading import Thread
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_STUCK_S = 180
_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """What the agent counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.operations = Counter(
            "hubernate_agent_operations", "Operations by outcome", ["outcome"], registry=self.registry
        )
        self.busy = Gauge("hubernate_agent_operations_running", "Operations under way", registry=self.registry)
        self.frozen = Histogram(
            "hubernate_agent_frozen_seconds", "How long notebooks stood still", registry=self.registry, buckets=_BUCKETS
        )
        self.saved = Counter(
            "hubernate_agent_saved_bytes", "Compressed bytes of recorded images", registry=self.registry
        )
        self.turned_at = time.monotonic()
        self.polled = Gauge(
            "hubernate_agent_last_poll_seconds", "When the service last answered", registry=self.registry
        )


class _Handler(BaseHTTPRequestHandler):
    metrics: ClassVar[Metrics]
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        """Answer the two paths."""
        if self.path == "/healthz":
            stuck = time.monotonic() - self.metrics.turned_at > _STUCK_S
            self._answer(b"the loop hangs\n" if stuck else b"ok\n", "text/plain", 503 if stuck else 200)
        elif self.path == "/metrics":
            self._answer(generate_latest(self.metrics.registry), CONTENT_TYPE_LATEST)
        else:
            self.send_error(404)

    def _answer(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """A unix socket has no address."""
        return "unix"

    def log_message(self, *_: object) -> None:
        """Nothing: probes are no news."""


def serve(path: Path, metrics: Metrics) -> ThreadingUnixStreamServer:
    """Answer on the socket at `path` (mode 0600) from a thread; close with ``shutdown()``."""
    path.unlink(missing_ok=True)
    handler = type("Handler", (_Handler,), {"metrics": metrics})
    before = os.umask(0o177)
    try:
        server = ThreadingUnixStreamServer(str(path), handler)
    finally:
        os.umask(before)
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
