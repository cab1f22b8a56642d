"""The platform service, as the agent sees it: one long poll and one report."""

from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from hubernate_core.errors import Broken, Conflict, NotAllowed, NotFound, Unavailable, shorten
from hubernate_core.names import OperationId
from hubernate_core.wire import Answer, Orders, Poll, Report

_Model = TypeVar("_Model", bound=BaseModel)


class Service:
    """The service's agent API.

    Args:
        url: where it is, without a path.
        token_file: read anew for each request, since the token may be replaced.

    Both methods raise Unavailable (silence, 5xx, 429), NotAllowed (401, 403), NotFound (404), Conflict (409: the
    operation is over or newer) or Broken (it does not understand us, or we it).
    """

    def __init__(self, url: str, token_file: Path, timeout_s: float = 30) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._timeout_s = timeout_s
        self._client = httpx.Client(timeout=httpx.Timeout(timeout_s, connect=5), trust_env=False)

    def poll(self, poll: Poll) -> Orders:
        """Ask for work; answered when there is some or after `poll.wait_s`."""
        return self._post("poll", poll, Orders, self._timeout_s + poll.wait_s)

    def report(self, operation: OperationId, report: Report) -> Answer:
        """Say how far an operation is."""
        return self._post(f"operations/{operation}/report", report, Answer, self._timeout_s)

    def _post(self, path: str, body: BaseModel, kind: type[_Model], timeout_s: float) -> _Model:
        try:
            headers = {
                "Authorization": f"Bearer {self._token_file.read_text().strip()}",
                "Content-Type": "application/json",
            }
            answer = self._client.post(
                f"{self._url}/api/v1/agent/{path}", content=body.model_dump_json(), headers=headers, timeout=timeout_s
            )
        except (httpx.TransportError, OSError, RuntimeError) as problem:
            raise Unavailable(f"platform service: {shorten(str(problem) or type(problem).__name__, 120)}") from problem
        return _understood(answer, kind, path)


def _understood(answer: httpx.Response, kind: type[_Model], path: str) -> _Model:
    status, text = (
        answer.status_code,
        f"platform service answered {answer.status_code} to {path}: {shorten(answer.text, 200)}",
    )
    if status == httpx.codes.CONFLICT:
        raise Conflict(text)
    if status == httpx.codes.NOT_FOUND:
        raise NotFound(text)
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise NotAllowed(text)
    if status >= 500 or status == httpx.codes.TOO_MANY_REQUESTS:
        raise Unavailable(text)
    if status >= 400:
        raise Broken(text)
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as problem:
        raise Broken(f"platform service answered {path} with something else: {shorten(str(problem), 200)}") from problem
