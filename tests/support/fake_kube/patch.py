"""Patches → the object that they mean. Pure.

JSON merge patch: RFC 7386. JSON patch: RFC 6902. Strategic merge: k8s.io/apimachinery/pkg/util/strategicpatch, with the
merge keys below.
"""

from typing import Any

from . import status
from .resources import Object, copied

MERGE_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "taints": ("key",),
    "addresses": ("type",),
    "hostAliases": ("ip",),
}
_PORTS = {True: ("containerPort",), False: ("port",)}
_SETS = {"finalizers"}


def merged(target: Any, change: Any) -> Any:
    """A JSON merge patch applied."""
    if not isinstance(change, dict):
        return copied(change)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def strategic(target: Any, change: Any, field: str = "") -> Any:
    """A strategic merge patch applied: `$patch: delete|replace`, `$deleteFromPrimitiveList/…`, lists by their keys."""
    if isinstance(change, dict):
        return _strategic_map(target, change)
    if isinstance(change, list) and isinstance(target, list):
        if field in _SETS:
            return target + [each for each in change if each not in target]
        if keys := list_keys(field, [*target, *change]):
            return _strategic_list(target, change, keys)
    return copied(change)


def list_keys(field: str, items: list[Any]) -> tuple[str, ...]:
    """The keys by which items of that list are told apart; empty where the list is one value."""
    if field == "ports" and items and all(isinstance(each, dict) for each in items):
        return _PORTS["containerPort" in items[0]]
    return MERGE_KEYS.get(field, ())


def _strategic_map(target: Any, change: Object) -> Any:
    if change.get("$patch") == "replace":
        return copied({key: value for key, value in change.items() if key != "$patch"})
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [each for each in result.get(name) or [] if each not in value]
        elif key.startswith(("$setElementOrder/", "$retainKeys", "$patch")):
            continue
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = strategic(result.get(key), value, key)
    return result


def _strategic_list(target: list[Any], change: list[Any], keys: tuple[str, ...]) -> list[Any]:
    if any(each.get("$patch") == "replace" for each in change):
        return copied([each for each in change if "$patch" not in each])
    result = list(target)

    def place(each: Object) -> int | None:
        found = [n for n, old in enumerate(result) if all(old.get(key) == each.get(key) for key in keys)]
        return found[0] if found else None

    for each in change:
        at = place(each)
        if each.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append(copied(each))
        else:
            result[at] = strategic(result[at], each)
    return result


def json_patched(target: Object, operations: list[Object]) -> Object:
    """A JSON patch applied. 422 where it cannot be."""
    result = {"": copied(target)}
    for each in operations:
        try:
            _operate(result, each)
        except (KeyError, IndexError, ValueError, TypeError) as e:
            text = "the server rejected our request due to an error in our request"
            raise status.Refusal(422, "Invalid", text, {}) from e
    patched: Object = result[""]
    return patched


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]


def _operate(root: Object, operation: Object) -> None:
    kind, path = operation["op"], operation["path"]
    if kind in ("move", "copy"):
        value = _read(root, operation["from"])
        if kind == "move":
            _operate(root, {"op": "remove", "path": operation["from"]})
        return _operate(root, {"op": "add", "path": path, "value": copied(value)})
    if kind == "test":
        if _read(root, path) != operation["value"]:
            raise ValueError("the test failed")
        return None
    *upper, last = _steps(path)
    at: Any = root
    for step in upper:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if isinstance(at, list):
        _operate_list(at, kind, last, operation)
    elif kind == "remove":
        del at[last]
    elif kind == "replace" and last not in at:
        raise KeyError(path)
    else:
        at[last] = copied(operation["value"])
    return None


def _operate_list(at: list[Any], kind: str, last: str, operation: Object) -> None:
    if kind == "remove":
        del at[int(last)]
    elif kind == "replace":
        at[int(last)] = copied(operation["value"])
    else:
        at.insert(len(at) if last == "-" else int(last), copied(operation["value"]))


def _read(root: Object, pointer: str) -> Any:
    at: Any = root
    for step in _steps(pointer):
        at = at[int(step)] if isinstance(at, list) else at[step]
    return at
