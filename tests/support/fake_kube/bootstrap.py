"""What a new cluster holds before anybody did anything."""

from .resources import Object
from .writing import Writer

_GROUP = "rbac.authorization.k8s.io"


_HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")


def _rule(group: str, resource: str, verb: str) -> Object:
    return {"apiGroups": [group], "resources": [resource], "verbs": [verb]}


def _paths(*paths: str, verb: str = "get") -> Object:
    return {"nonResourceURLs": list(paths), "verbs": [verb]}


def _role(name: str, *rules: Object) -> Object:
    return {"apiVersion": f"{_GROUP}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}


def _binding(name: str, group: str) -> Object:
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": _GROUP, "kind": "Group", "name": group}],
    }


OBJECTS: tuple[Object, ...] = (
    *(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in ("default", "kube-system", "kube-public", "kube-node-lease")
    ),
    _role("cluster-admin", _rule("*", "*", "*"), _paths("*", verb="*")),
    _role("system:discovery", _paths(*_HEALTH, "/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*")),
    _role("system:public-info-viewer", _paths(*_HEALTH)),
    _role("system:basic-user", _rule("authorization.k8s.io", "selfsubjectaccessreviews", "create")),
    _binding("cluster-admin", "system:masters"),
    _binding("system:discovery", "system:authenticated"),
    _binding("system:public-info-viewer", "system:unauthenticated"),
    _binding("system:basic-user", "system:authenticated"),
)  # fmt: skip


def fill(writer: Writer) -> None:
    """Create them."""
    for each in OBJECTS:
        resource = writer.store.by_kind[each["apiVersion"], each["kind"]]
        writer.create(resource, "", each)
