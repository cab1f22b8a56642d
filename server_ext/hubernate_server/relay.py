"""The gate's relay as the notebook's server uses it: the one way to the platform; the gate adds the narrow token."""

import os
from typing import Any

from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse

from hubernate_core.gate_file import RELAY_PORT


def with_query(handler: web.RequestHandler, path: str) -> str:
    """`path` with the query that `handler` was asked with."""
    query = handler.request.query
    return f"{path}?{query}" if query else path


async def ask(method: str, path: str, **options: Any) -> HTTPResponse:
    """The platform's answer, whatever its status.

    Args:
        path: below ``/api/v1/relay/``, with its query.
        options: of tornado's `HTTPRequest`.

    Raises:
        web.HTTPError: 503, the platform does not answer.
    """
    relay = os.environ.get("HUBERNATE_RELAY", f"http://127.0.0.1:{RELAY_PORT}")
    url = f"{relay}/api/v1/relay/{path}"
    try:
        return await AsyncHTTPClient().fetch(url, method=method, raise_error=False, **options)
    except (HTTPClientError, OSError) as problem:
        raise web.HTTPError(503, "the platform does not answer; your work goes on") from problem
