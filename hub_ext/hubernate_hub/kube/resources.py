"""The kinds of object we touch, and their paths. Source: Kubernetes API concepts, "Resource URIs"."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hubernate_core.errors import Broken

Object = Mapping[str, Any]
"""One Kubernetes object, as JSON has it."""


@dataclass(frozen=True)
class Resource:
    """One kind. `version` is ``v1`` or ``GROUP/VERSION``."""

    version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "") -> str:
        """Of one object, or of the collection; of all namespaces where none is given."""
        root = f"/api/{self.version}" if "/" not in self.version else f"/apis/{self.version}"
        inside = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{root}{inside}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")


NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
NODES = Resource("v1", "Node", "nodes", namespaced=False)
PODS = Resource("v1", "Pod", "pods")
EVENTS = Resource("v1", "Event", "events")
TOKEN_REVIEWS = Resource("authentication.k8s.io/v1", "TokenReview", "tokenreviews", namespaced=False)

_OF_A_TENANT = (
    NAMESPACES,
    Resource("v1", "ResourceQuota", "resourcequotas"),
    Resource("v1", "LimitRange", "limitranges"),
    Resource("v1", "Secret", "secrets"),
    Resource("v1", "ConfigMap", "configmaps"),
    Resource("v1", "ServiceAccount", "serviceaccounts"),
    Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
)
_KNOWN = {(each.version, each.kind): each for each in _OF_A_TENANT}


def resource_of(manifest: Object) -> Resource:
    """The kind of a manifest that we may apply.

    Raises:
        Broken: a kind that is not in the table, so nobody thought about the right to it.
    """
    key = (str(manifest.get("apiVersion")), str(manifest.get("kind")))
    if key not in _KNOWN:
        raise Broken(f"{key[0]} {key[1]} is no kind that this service applies")
    return _KNOWN[key]


def name_of(thing: Object) -> tuple[str, str]:
    """Namespace (empty for a cluster's object) and name."""
    metadata = thing.get("metadata", {})
    return str(metadata.get("namespace", "")), str(metadata.get("name", ""))
