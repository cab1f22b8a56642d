"""The one map from errors to HTTP: ``application/problem+json`` (RFC 9457) with a request id that the log has too."""

import logging

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from hubernate_core.errors import (
    Broken,
    Conflict,
    HubernateError,
    InvalidInput,
    NotAllowed,
    NotFound,
    OverQuota,
    Stale,
    Unavailable,
    UserError,
)

_log = logging.getLogger(__name__)


class NotSignedIn(NotAllowed):
    """Nobody, or nobody we know: sign in, or show a valid token."""


class TooLarge(InvalidInput):
    """The body is larger than any request needs."""


_STATUS: tuple[tuple[type[HubernateError], int], ...] = (
    (NotSignedIn, 401),
    (TooLarge, 413),
    (InvalidInput, 422),
    (NotFound, 404),
    (NotAllowed, 403),
    (Stale, 412),
    (Conflict, 409),
    (Unavailable, 503),
    (Broken, 500),
)
_TITLES = {
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    422: "Invalid input",
    503: "Unavailable",
}


def request_id(request: Request) -> str:
    """The id that the middleware gave this request."""
    return str(request.scope.get("request_id", ""))


def status_of(error: HubernateError) -> int:
    """The HTTP status of an error of ours."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def as_problem(request: Request, error: Exception) -> Response:
    """The response for any exception; what is not ours shows nothing but the request id."""
    if isinstance(error, HubernateError):
        return _ours(request, error)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return _ours(request, InvalidInput(field, str(first["msg"])))
    if isinstance(error, HTTPException):
        headers = dict(error.headers or {})
        detail = {404: "there is nothing here"}.get(error.status_code, str(error.detail))
        return _problem(request, error.status_code, detail, headers=headers)
    _log.error("unexpected", exc_info=error, extra={"request_id": request_id(request), "path": request.url.path})
    detail = "something unexpected happened; nothing of yours was deleted. Tell an admin the request id"
    return _problem(request, 500, detail)


def _ours(request: Request, error: HubernateError) -> Response:
    status = status_of(error)
    if not isinstance(error, UserError):
        ids = {"request_id": request_id(request), "path": request.url.path, "detail": error.message}
        _log.warning("refused", extra=ids)
    headers: dict[str, str] = {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s or 5)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    more: dict[str, object] = dict(error.ids)
    if isinstance(error, OverQuota):
        more["shortfalls"] = error.shortfalls
    return _problem(request, status, error.message, more=more, headers=headers)


def _problem(
    request: Request,
    status: int,
    detail: str,
    *,
    more: dict[str, object] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    title = _TITLES.get(status, "Error")
    content: dict[str, object] = {
        "type": f"urn:hubernate:{title.lower().replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id(request),
    }
    content |= {key: value for key, value in (more or {}).items() if key not in content}
    return JSONResponse(content, status, headers=headers, media_type="application/problem+json")
