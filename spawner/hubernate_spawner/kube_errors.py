"""What the Kubernetes API server refuses, as our errors: pure, from the status and the body of its answer.

Sources: k8s.io/apimachinery/pkg/apis/meta/v1 Status; k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go
(wording of a quota refusal: only the resources that would go over are named).
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from hubernate_core.errors import Broken, Conflict, HubernateError, NotAllowed, NotFound, Unavailable, shorten

_QUOTA = re.compile(r"exceeded quota: (?P<name>\S+), requested: (?P<requested>\S+), used: (?P<used>\S+), limited: (?P<limited>\S+?)(?:[,\]]? |\]|$)")  # fmt: skip # noqa: E501
_WORDS = {
    "cpu": "CPU cores",
    "ephemeral-storage": "disk",
    "storage": "storage of homes",
    "pods": "servers",
    "persistentvolumeclaims": "homes",
}


@dataclass(frozen=True)
class Excess:
    """One resource of which a team's quota has not enough; amounts as Kubernetes writes them."""

    resource: str
    requested: str
    used: str
    limited: str

    def __str__(self) -> str:
        word = _WORDS.get(self.resource, self.resource)
        return f"{word}: {self.used} of {self.limited} in use, {self.requested} more wanted"


class QuotaRefused(NotAllowed):
    """The tenant's quota on the cluster has no room; nothing was made."""

    def __init__(self, excesses: tuple[Excess, ...], used_by: tuple[str, ...] = ()) -> None:
        self.excesses = excesses
        who = f" Running now: {', '.join(used_by)}." if used_by else ""
        super().__init__(
            f"your team's quota has no room for it. {'; '.join(map(str, excesses))}.{who}"
            " Stop a server of the team, or ask its admin for more."
        )


def refusal(what: str, status: int, body: bytes, retry_after: str = "") -> HubernateError:
    """The error that an answer of the API server stands for.

    Args:
        what: what was asked, to follow "could not".
        body: a Status object; anything else is quoted shortened.
        retry_after: the answer's Retry-After header.
    """
    message = _message(body)
    said = f"could not {what}: the Kubernetes API answered {status}: {shorten(message, 400)}"
    if status == 404:
        return NotFound(said)
    if status == 409:
        return Conflict(said)
    if status == 403:
        return _forbidden(said, message)
    if status in (400, 401, 405, 413, 415, 422):
        return Broken(f"{said}. This is a fault of the platform or of the cluster's settings; an admin has to look")
    return Unavailable(said, retry_after_s=float(retry_after) if retry_after.isdecimal() else None)


def _forbidden(said: str, message: str) -> HubernateError:
    if excesses := quota_excesses(message):
        return QuotaRefused(excesses)
    if "being terminated" in message:
        return Conflict("your team's namespace is being deleted on the cluster; nothing was started")
    if "cannot " in message and "User " in message:  # RBAC: User "…" cannot create resource "pods" …
        return Broken(
            f"{said}. The hub lacks this right; 'hubernate doctor --kubernetes' names the missing RoleBinding"
        )
    if "violates PodSecurity" in message:
        return Broken(f"{said}. The pod does not meet the namespace's Pod Security level; an admin has to look")
    return NotAllowed(f"the cluster does not allow it: {shorten(message, 400)}")


def quota_excesses(message: str) -> tuple[Excess, ...]:
    """The numbers of a quota refusal; empty for any other text. A resource is named once: limits before requests."""
    found: dict[str, Excess] = {}
    for match in _QUOTA.finditer(message):
        requested, used, limited = (_amounts(match[part]) for part in ("requested", "used", "limited"))
        for key in sorted(requested, key=lambda each: each.startswith("requests.")):
            resource = key.removeprefix("limits.").removeprefix("requests.").removeprefix("count/")
            excess = Excess(resource, requested[key], used.get(key, "?"), limited.get(key, "?"))
            found.setdefault(resource, excess)
    return tuple(found.values())


def _amounts(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)


def _message(body: bytes) -> str:
    try:
        data: Any = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    message = data.get("message") if isinstance(data, dict) else None
    return message if isinstance(message, str) else ""
