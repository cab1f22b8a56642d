"""Nobody grants rights that they do not hold (k8s.io/kubernetes/pkg/registry/rbac/*/policybased).

A service that writes Roles for others must hold those rights itself, or the verbs `escalate` and `bind`.
"""

from . import status
from .rbac import MASTERS, URL, Attributes, Authorizer, Right, Subject, allows, rights
from .resources import CLUSTER_ROLES, ROLES, Object, Resource


def check(authorizer: Authorizer, resource: Resource, found: Object, user: str, groups: tuple[str, ...]) -> None:
    """403 where a role or binding would give more than its author has."""
    if MASTERS in groups or resource.group != "rbac.authorization.k8s.io":
        return
    who, namespace, name = (
        Subject(user, groups),
        found["metadata"].get("namespace", ""),
        found["metadata"].get("name", ""),
    )
    if resource.plural.endswith("roles"):
        verb, wanted, target = "escalate", found.get("rules") or (), (resource.plural, name)
    else:
        reference = found["roleRef"]
        kind = CLUSTER_ROLES if reference["kind"] == "ClusterRole" else ROLES
        role = authorizer.store.find(kind, namespace if kind == ROLES else "", reference["name"])
        if role is None:
            raise status.not_found(resource, reference["name"])
        verb, wanted, target = "bind", role.get("rules") or (), (kind.plural, reference["name"])
    asked = Attributes(verb, resource.group, target[0], "", namespace, target[1])
    if authorizer.allowed(who, asked):
        return
    held = [rule for _, rule in authorizer.rules(who, namespace)]
    missing = sorted({each for rule in wanted for each in rights("", [rule]) if not _held(each, rule, held)})
    if missing:
        missing.sort(key=lambda each: (each.resource.startswith(URL), each))
        text = "\n".join(_worded(each) for each in missing)
        listed = " ".join(f'"{group}"' for group in who.all_groups)
        why = f'user "{user}" (groups=[{listed}]) is attempting to grant RBAC permissions not currently held:\n{text}'
        raise status.forbidden(resource, name, why)


def _held(right: Right, rule: Object, held: list[Object]) -> bool:
    if right.resource.startswith(URL):
        return any(allows(each, Attributes(right.verb, path=right.resource.removeprefix(URL))) for each in held)
    resource, _, subresource = right.resource.partition("/")
    names = rule.get("resourceNames") or [""]
    return all(
        any(allows(each, Attributes(right.verb, right.group, resource, subresource, "", name)) for each in held)
        for name in names
    )


def _worded(right: Right) -> str:
    if right.resource.startswith(URL):
        return f'{{NonResourceURLs:["{right.resource.removeprefix(URL)}"], Verbs:["{right.verb}"]}}'
    return f'{{APIGroups:["{right.group}"], Resources:["{right.resource}"], Verbs:["{right.verb}"]}}'
