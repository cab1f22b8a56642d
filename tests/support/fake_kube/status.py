"""Refusals, worded as the API server words them (k8s.io/apimachinery/pkg/api/errors, seen on 1.36)."""

from collections.abc import Sequence
from typing import Any

from .resources import Object, Resource


class Refusal(Exception):
    """An answer that is a failure Status: HTTP code, machine reason, message, details."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def status(self) -> Object:
        """The Status object on the wire."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            **({} if self.details is None else {"details": self.details}),
            "code": self.code,
        }


def _details(resource: Resource, name: str, **more: Any) -> dict[str, Any]:
    group = {"group": resource.group} if resource.group else {}
    return {**({"name": name} if name else {}), **group, "kind": resource.plural, **more}


def not_found(resource: Resource, name: str) -> Refusal:
    """404: no such object."""
    return Refusal(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def no_such_path() -> Refusal:
    """404: no such resource."""
    return Refusal(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: Resource, name: str) -> Refusal:
    """409: the name is taken."""
    return Refusal(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', _details(resource, name))


STALE = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(resource: Resource, name: str, why: str = STALE) -> Refusal:
    """409: a stale resourceVersion, or a precondition that does not hold."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return Refusal(409, "Conflict", message, _details(resource, name))


def precondition_failed(resource: Resource, name: str, why: str) -> Refusal:
    """409: somebody else's object of the same name, or another version. Names the kind, not the plural."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    message = f'Operation cannot be fulfilled on {kind} "{name}": {why}'
    return Refusal(409, "Conflict", message, {**_details(resource, name), "kind": resource.kind})


def forbidden(resource: Resource, name: str, why: str, causes: Sequence[Object] = ()) -> Refusal:
    """403 by admission or authorization."""
    named = f'{resource.qualified} "{name}"' if name else resource.qualified
    more = {"causes": list(causes)} if causes else {}
    return Refusal(403, "Forbidden", f"{named} is forbidden: {why}", _details(resource, name, **more))


def unauthorized() -> Refusal:
    """401: an unknown token."""
    return Refusal(401, "Unauthorized", "Unauthorized")


def bad_request(message: str) -> Refusal:
    """400."""
    return Refusal(400, "BadRequest", message)


def method_not_allowed() -> Refusal:
    """405."""
    return Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def gone(version: int, oldest: int) -> Refusal:
    """410: the history does not reach back that far."""
    return Refusal(410, "Expired", f"too old resource version: {version} ({oldest})")


def too_new(version: int, now: int) -> Refusal:
    """504: a list at a version that is not there yet."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {version}, current: {now}"
    return Refusal(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


def too_many(resource: Resource, name: str, message: str, causes: Sequence[Object] = ()) -> Refusal:
    """429: an eviction that a budget does not allow now."""
    return Refusal(429, "TooManyRequests", message, {"causes": list(causes)} if causes else {})


def invalid(resource: Resource, name: str, *problems: tuple[str, str, str]) -> Refusal:
    """422: problems are (field, cause reason, message)."""
    causes = [{"reason": reason, "message": message, "field": field} for field, reason, message in problems]
    texts = [f"{field}: {message}" for field, _, message in problems]
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = {**_details(resource, name), "kind": resource.kind, "causes": causes}
    return Refusal(422, "Invalid", f'{kind} "{name}" is invalid: {text}', details)
