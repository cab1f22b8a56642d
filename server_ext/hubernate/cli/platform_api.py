"""The platform service's REST API, as a person with a token calls it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx

from hubernate_core.errors import (
    Broken,
    Conflict,
    HubernateError,
    NotAllowed,
    NotFound,
    Stale,
    Unavailable,
    UserError,
    shorten,
)

from .contexts import Target

_REFUSALS: dict[int, type[HubernateError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    412: Stale,
}


class PlatformApi:
    """Calls below ``/services/hubernate/api/v1``. `url` of the target is where a browser finds the hub."""

    def __init__(self, target: Target, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=f"{target.url.rstrip('/')}/services/hubernate/api/v1",
            headers={"Authorization": f"token {target.token}", "User-Agent": "hubernate-cli"},
            timeout=30,
            transport=transport,
        )

    def __call__(self, method: str, path: str, *, body: Any = None, query: dict[str, Any] | None = None) -> Any:
        """One call; the answer's JSON, None where there is none.

        Raises:
            UserError: refused, with the service's own words.  Unavailable: it did not answer.  Broken: no JSON came.
        """
        answer = self._send(method, path, body, query)
        return None if answer.status_code == 204 else answer.json()

    def text(self, path: str, query: dict[str, Any] | None = None) -> str:
        """What a GET answers, as it came. Raises as a call."""
        return self._send("GET", path, None, query).text

    def _send(self, method: str, path: str, body: Any, query: dict[str, Any] | None) -> httpx.Response:
        try:
            answer = self._http.request(method, path, json=body, params=query)
        except httpx.HTTPError as problem:
            raise Unavailable(
                f"{self._http.base_url.host} did not answer ({type(problem).__name__}); try later"
            ) from problem
        if answer.is_success and answer.headers.get("content-type", "").startswith("text/csv"):
            return answer
        try:
            data = None if answer.status_code == 204 else answer.json()
        except ValueError as problem:
            raise Broken(
                f"{method} {path}: the answer ({answer.status_code}) is no JSON; is this a Hubernate?"
            ) from problem
        if answer.is_success:
            return answer
        raise _refusal(answer.status_code, data)

    def pages(self, path: str, query: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page."""
        cursor = ""
        while True:
            page = self("GET", path, query={**(query or {}), "cursor": cursor, "limit": 500})
            yield from page["items"]
            if not page["next"]:
                return
            cursor = page["next"]


def segment(text: str) -> str:
    """`text` as one part of a path."""
    return quote(text, safe="")


def _refusal(status: int, data: Any) -> HubernateError:
    problem = data if isinstance(data, dict) else {}
    message = shorten(str(problem.get("detail") or f"the platform answered {status}"), 2000)
    if problem.get("request_id") and status >= 500:
        message += f" (request {problem['request_id']})"
    if status >= 500:
        return Unavailable(message)
    return _REFUSALS.get(status, UserError)(message)
