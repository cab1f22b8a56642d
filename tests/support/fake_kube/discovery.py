"""What clients ask before they begin: /version, /api, /apis, resource lists."""

from .resources import Object
from .store import Store

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.2-fake",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "go1.26",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def answer(store: Store, path: str) -> Object | str | None:
    """The document or text at that path; None where there is none."""
    path = path.rstrip("/")
    if path == "/version":
        return dict(VERSION)
    if path in ("/healthz", "/livez", "/readyz"):
        return "ok"
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        groups = sorted({each.group for each in store.resources if each.group})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(store, each) for each in groups]}
    parts = path.split("/")[1:]
    if parts[0] == "apis" and len(parts) == 2 and any(each.group == parts[1] for each in store.resources):
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(store, parts[1])}
    group, version = ("", parts[-1]) if parts[0] == "api" and len(parts) == 2 else ("/".join(parts[1:-1]), parts[-1])
    found = [each for each in store.resources if each.group == group and each.version == version]
    if not found:
        return None
    listed: list[Object] = []
    for each in found:
        row = {"name": each.plural, "singularName": each.kind.lower(), "namespaced": each.namespaced, "kind": each.kind}
        listed.append({**row, "verbs": ["create"] if each.virtual else _VERBS})
        names = set(each.subresources) | ({"status"} if each.status else set())
        listed += [
            {**row, "name": f"{each.plural}/{name}", "verbs": ["create", "get", "patch", "update"]}
            for name in sorted(names)
        ]
    version_text = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version_text, "resources": listed}


def _group(store: Store, name: str) -> Object:
    versions = sorted({each.version for each in store.resources if each.group == name})
    listed = [{"groupVersion": f"{name}/{each}", "version": each} for each in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}
