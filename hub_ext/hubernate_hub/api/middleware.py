"""Around every request: an id, headers that keep browsers strict, a log line, an observation, no stray exception."""

import logging
import time

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hubernate_core.names import new_id

from ..metrics import Metrics
from .errors import as_problem

_log = logging.getLogger(__name__)
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Around:
    """ASGI middleware; plain, so that streams stay streams."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = new_id()
        started, status = time.monotonic(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = scope["request_id"]
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as problem:
            if status:
                raise  # the answer has begun: only the connection can say that it is not whole
            await as_problem(Request(scope), problem)(scope, receive, sending)
        finally:
            self._note(scope, status, time.monotonic() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(route, str(status)).observe(seconds)
        routine = scope["method"] in ("GET", "HEAD") or route.endswith(("/poll", "/activity"))
        level = logging.DEBUG if routine else logging.INFO
        fields = {"request_id": scope["request_id"], "method": scope["method"], "route": route, "status": status}
        _log.log(level, "request", extra=fields | {"seconds": round(seconds, 3)})
