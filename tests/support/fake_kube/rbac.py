"""Who may do what, from the Role and Binding objects in the store; and which rights were ever used."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import status
from .resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, Object, Resource
from .store import Store

MASTERS = "system:masters"
URL = "url:"
"""Begins the resource of a right on something that is not a resource."""


@dataclass(frozen=True)
class Subject:
    """A user or service account: what a token stands for. `extra` as in TokenReview."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def all_groups(self) -> tuple[str, ...]:
        """With the groups that everybody with a token is in."""
        return (*self.groups, *(each for each in ("system:authenticated",) if each not in self.groups))


@dataclass(frozen=True)
class Attributes:
    """What is asked for. `path` for what is not a resource."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """`pods/eviction`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, order=True)
class Right:
    """One atom of a role: one verb on one resource."""

    role: str
    group: str
    resource: str
    verb: str


def allows(rule: Object, asked: Attributes) -> bool:
    """Whether one rule covers the request."""
    if asked.path:
        return _has(rule, "verbs", asked.verb) and any(
            url == asked.path or (url.endswith("*") and asked.path.startswith(url[:-1]))
            for url in rule.get("nonResourceURLs") or ()
        )
    resources = rule.get("resources") or ()
    named = (
        asked.full_resource in resources
        or "*" in resources
        or (bool(asked.subresource) and f"*/{asked.subresource}" in resources)
    )
    names = rule.get("resourceNames") or ()
    return (
        named
        and _has(rule, "verbs", asked.verb)
        and _has(rule, "apiGroups", asked.group)
        and (not names or asked.name in names)
    )


def _has(rule: Object, key: str, value: str) -> bool:
    found = rule.get(key) or ()
    return value in found or "*" in found


class Authorizer:
    """RBAC over what the store holds now."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lock = threading.Lock()
        self.used: dict[Right, int] = {}
        """How often each right was the one that let a request through."""

    def check(self, who: Subject, asked: Attributes, resource: Resource | None = None) -> None:
        """403 in the server's words unless some rule allows it."""
        if MASTERS in who.groups or self.allowed(who, asked):
            return
        if asked.path:
            message = f'forbidden: User "{who.user}" cannot {asked.verb} path "{asked.path}"'
            raise status.Refusal(403, "Forbidden", message, {})
        scope = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
        what = f'resource "{asked.full_resource}" in API group "{asked.group}"'
        why = f'User "{who.user}" cannot {asked.verb} {what} {scope}'
        kind = resource or Resource(asked.group, "", asked.resource, "")
        raise status.forbidden(kind, asked.name, why)

    def allowed(self, who: Subject, asked: Attributes) -> bool:
        """Whether a rule allows it; the first that does is written down as used."""
        for role, rule in self.rules(who, asked.namespace):
            if allows(rule, asked):
                right = Right(role, asked.group, URL + asked.path if asked.path else asked.full_resource, asked.verb)
                with self._lock:
                    self.used[right] = self.used.get(right, 0) + 1
                return True
        return False

    def rules(self, who: Subject, namespace: str) -> Iterator[tuple[str, Object]]:
        """(role name, rule) of every role bound to the subject, cluster-wide and in that namespace."""
        for binding in self.store.all(CLUSTER_ROLE_BINDINGS):
            if _binds(binding, who, ""):
                yield from self._role(binding["roleRef"], "")
        for binding in self.store.all(ROLE_BINDINGS, namespace) if namespace else ():
            if _binds(binding, who, namespace):
                yield from self._role(binding["roleRef"], namespace)

    def _role(self, reference: Object, namespace: str) -> Iterator[tuple[str, Object]]:
        cluster_wide = reference["kind"] == "ClusterRole"
        found = self.store.find(
            CLUSTER_ROLES if cluster_wide else ROLES, "" if cluster_wide else namespace, reference["name"]
        )
        for rule in (found or {}).get("rules") or ():
            yield reference["name"], rule

    def unused(self, roles: Iterable[str]) -> list[Right]:
        """Rights of those roles that no request has needed yet; `*` counts as used when anything of it was."""
        found = set()
        for each in [*self.store.all(ROLES), *self.store.all(CLUSTER_ROLES)]:
            if each["metadata"]["name"] in roles:
                found |= set(rights(each["metadata"]["name"], each.get("rules") or ()))
        return sorted(right for right in found if not any(_covers(right, used) for used in self.used))


def rights(role: str, rules: Iterable[Object]) -> Iterator[Right]:
    """The atoms of rules."""
    for rule in rules:
        for verb in rule.get("verbs") or ():
            for path in rule.get("nonResourceURLs") or ():
                yield Right(role, "", URL + path, verb)
            for group in rule.get("apiGroups") or ():
                for resource in rule.get("resources") or ():
                    yield Right(role, group, resource, verb)


def _covers(right: Right, used: Right) -> bool:
    return (
        right.role == used.role
        and right.group in (used.group, "*")
        and right.resource in (used.resource, "*")
        and right.verb in (used.verb, "*")
    )


def _binds(binding: Object, who: Subject, namespace: str) -> bool:
    for subject in binding.get("subjects") or ():
        kind, name = subject["kind"], subject["name"]
        if kind == "User" and name == who.user:
            return True
        if kind == "Group" and name in who.all_groups:
            return True
        if (
            kind == "ServiceAccount"
            and f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}" == who.user
        ):
            return True
    return False
