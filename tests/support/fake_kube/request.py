"""A URL → what it asks for (k8s.io/apiserver/pkg/endpoints/request/requestinfo.go). Pure."""

from dataclasses import dataclass

from . import selectors, status
from .resources import NAMESPACES, Resource
from .store import Store

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Asked:
    """One request for a resource."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def everywhere(self) -> bool:
        """A namespaced resource, asked for in all namespaces."""
        return self.resource.namespaced and not self.namespace


def parsed(store: Store, method: str, path: str, query: dict[str, str]) -> Asked | None:
    """The request; None for what is not a resource (discovery, /version). 404 unknown resource, 405 method."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"]:
        group, parts = "", parts[1:]
    elif parts[:1] == ["apis"] and len(parts) > 1:
        group, parts = parts[1], parts[2:]
    else:
        return None
    if len(parts) < 2:
        return None
    version, parts = parts[0], parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in NAMESPACES.subresources:
        namespace, parts = parts[1], parts[2:]
    resource = store.by_plural.get((group, parts[0]))
    if group and not any(each.group == group for each in store.resources):
        return None
    if resource is None or resource.version != version or (namespace and not resource.namespaced):
        resource = Resource(group, version, parts[0], "")  # authorization comes before "no such resource"
    name, subresource = (parts[1:2] or [""])[0], "/".join(parts[2:])
    if len(parts) > 3 or (resource.kind and subresource and subresource not in _subresources(resource)):
        raise status.no_such_path()
    verb = _VERBS.get(method, "")
    if not verb or (verb in ("update", "patch") and not name) or (verb == "create" and name and not subresource):
        raise status.method_not_allowed()
    if not name:
        verb = {"get": "list", "delete": "deletecollection"}.get(verb, verb)
    if verb == "list" and is_true(query.get("watch")):
        verb = "watch"
    if verb in ("list", "watch") and not name:
        name = selectors.name_of(query.get("fieldSelector", ""))
    if resource.kind and resource.namespaced and not namespace and verb not in ("list", "watch"):
        raise status.method_not_allowed()
    return Asked(verb, resource, namespace, name, subresource)


def is_true(value: str | None) -> bool:
    """A boolean in a query: whatever is there and not plainly false (apimachinery/pkg/runtime/conversion.go)."""
    return value is not None and value != "0" and value.lower() != "false"


def _subresources(resource: Resource) -> set[str]:
    return set(resource.subresources) | ({"status"} if resource.status else set())
