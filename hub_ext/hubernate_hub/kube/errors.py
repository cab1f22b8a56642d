"""What an answer of the API server means for the caller.

HubernateError
├── NotFound             404: the object is not there
├── Conflict             409: it is another one than was meant, or changed since
├── Broken               400, 422: the API server does not accept what we send; a person must look
└── Unavailable          no answer, 429, 5xx: try again later
    ├── Expired          410: that resourceVersion is too old; list anew
    └── Refused          401, 403: a right, a quota or a policy is in the way; an admin must change something first
"""

from typing import Any

from hubernate_core.errors import Broken, Conflict, HubernateError, NotFound, Unavailable, shorten


class Expired(Unavailable):
    """The API server no longer has the changes since that resourceVersion: list, and watch from there."""


class Refused(Unavailable):
    """The API server does not let us; trying again helps once an admin changed something."""


_ADVICE = {
    401: "the API server does not know this service's token; nothing was changed",
    403: "the API server does not allow it; compare the rights in config/kubernetes with the cluster's",
}


def error_of(status: int, content: Any, what: str, retry_after_s: float | None = None) -> HubernateError:
    """The error for an answer of `status` with the decoded body `content` (a Status object, if all is well).

    Args:
        what: the request in words, such as ``DELETE pods hubernate-t-…/…``.
    Source: k8s.io/apimachinery/pkg/api/errors, reasons and codes.
    """
    said = shorten(str(content.get("message", "")) if isinstance(content, dict) else str(content), 300)
    text = f"{what}: {status} {said}".rstrip()
    if status == 404:
        return NotFound(text)
    if status == 409:
        return Conflict(text)
    if status == 410:
        return Expired(text)
    if status in _ADVICE:
        return Refused(f"{text}. {_ADVICE[status]}", retry_after_s=retry_after_s)
    if status == 429 or status >= 500:
        return Unavailable(text, retry_after_s=retry_after_s)
    return Broken(f"{text}. The API server does not accept what this platform sends; tell its developers")
