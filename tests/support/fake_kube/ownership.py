"""metadata.managedFields: which manager set which field (structured-merge-diff, without schemas).

A path is a tuple of steps as fieldsV1 writes them: `f:spec`, `k:{"name":"gate"}`, `v:"x"`. A set of paths holds leaves,
and items of lists that are merged by key.
"""

import json
import time
from typing import Any

from .patch import list_keys
from .resources import Object

Path = tuple[str, ...]

ATOMIC = {
    "selector", "podSelector", "namespaceSelector", "nodeSelector", "ingress", "egress", "rules", "subjects",
    "roleRef", "tolerations", "affinity", "args", "command", "accessModes", "add", "drop", "policyTypes",
    "verbs", "scopes", "topologySpreadConstraints", "items", "matchConstraints", "validations", "webhooks",
    "parameters", "mountOptions", "allowedTopologies",
}  # fmt: skip
"""Fields that are one value, though they are maps or lists."""
_IGNORED = {("f:apiVersion",), ("f:kind",), ("f:metadata", "f:name"), ("f:metadata", "f:namespace"),
            ("f:metadata", "f:generateName"), ("f:metadata", "f:resourceVersion"), ("f:metadata", "f:uid"),
            ("f:metadata", "f:creationTimestamp"), ("f:metadata", "f:generation"), ("f:metadata", "f:managedFields"),
            ("f:metadata", "f:deletionTimestamp"), ("f:metadata", "f:deletionGracePeriodSeconds"),
            ("f:metadata", "f:selfLink")}  # fmt: skip


def leaves(value: Any, field: str = "", at: Path = ()) -> dict[Path, Any]:
    """Every path of a value, with what stands there; `.` marks an item of a list that is merged by key."""
    if at in _IGNORED:
        return {}
    if isinstance(value, dict) and field not in ATOMIC:
        found: dict[Path, Any] = {} if value or not at else {at: {}}
        for key, each in value.items():
            found |= leaves(each, key, (*at, f"f:{key}"))
        return found
    if isinstance(value, list) and field not in ATOMIC:
        if field == "finalizers":
            return {(*at, f"v:{json.dumps(each)}"): each for each in value}
        if keys := list_keys(field, value):
            found = {}
            for each in value:
                step = (*at, "k:" + json.dumps({key: each.get(key) for key in keys}, separators=(",", ":")))
                found |= {(*step, "."): True} | leaves(each, "", step)
            return found
    return {at: value}


def tracked(found: Object, old: Object | None, manager: str, subresource: str = "") -> None:
    """Note in `managedFields` that `manager` wrote what differs from `old`."""
    before = leaves(old) if old else {}
    after = {path: value for path, value in leaves(found).items() if _counts(path, subresource)}
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    entries = read_entries(old or {})
    mine = (manager, "Update", subresource)
    result: dict[tuple[str, str, str], set[Path]] = {}
    for key, paths in entries.items():
        left = {path for path in paths if path in after and (path not in changed or key == mine)}
        if left:
            result[key] = left
    if changed:
        result[mine] = result.get(mine, set()) | changed
    write_entries(found, result, {mine} if changed else set(), old)


def _counts(path: Path, subresource: str) -> bool:
    """Status belongs to whoever writes the status; what the server put into a new namespace belongs to nobody."""
    return (path[0] != "f:status" or subresource == "status") and path[:2] != ("f:spec", "f:finalizers")


def read_entries(found: Object) -> dict[tuple[str, str, str], set[Path]]:
    """(manager, operation, subresource) → its paths."""
    return {
        (each["manager"], each["operation"], each.get("subresource", "")): set(_unfold(each.get("fieldsV1") or {}))
        for each in (found.get("metadata") or {}).get("managedFields") or ()
    }


def write_entries(
    found: Object,
    entries: dict[tuple[str, str, str], set[Path]],
    touched: set[tuple[str, str, str]],
    old: Object | None,
) -> None:
    """Put them into the object; the time of those that were not touched stays."""
    times = {
        (each["manager"], each["operation"], each.get("subresource", "")): each.get("time", "")
        for each in ((old or {}).get("metadata") or {}).get("managedFields") or ()
    }
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    found["metadata"]["managedFields"] = [
        {
            "manager": key[0],
            "operation": key[1],
            "apiVersion": found["apiVersion"],
            "time": now if key in touched else times.get(key) or now,
            "fieldsType": "FieldsV1",
            "fieldsV1": _fold(paths),
            **({"subresource": key[2]} if key[2] else {}),
        }
        for key, paths in sorted(entries.items(), key=lambda each: (each[0][1], each[0]))
        if paths
    ]


def _fold(paths: set[Path]) -> Object:
    root: Object = {}
    for path in sorted(paths):
        at = root
        for step in path:
            at = at.setdefault(step, {})
    return root


def _unfold(fields: Object, at: Path = ()) -> list[Path]:
    if not fields:
        return [at] if at else []
    return [path for step, below in fields.items() for path in _unfold(below, (*at, step))]
