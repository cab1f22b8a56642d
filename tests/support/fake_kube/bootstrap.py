"""What a new cluster holds before anybody did anything."""

from .resources import Object
from .writing import Writer

_GROUP = "rbac.authorization.k8s.io"


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
    _role("cluster-admin", {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}),
    _role("system:discovery", {"nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*",
                                                   "/readyz", "/version", "/version/"], "verbs": ["get"]}),
    _role("system:public-info-viewer", {"nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"], "verbs": ["get"]}),
    _role("system:basic-user", {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews",
                                                                                     "selfsubjectrulesreviews"], "verbs": ["create"]}),
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
