"""Server-side apply: the applied configuration, who owns what, conflicts. (Kubernetes docs, "Server-Side Apply".)"""

import json
from typing import Any

from . import status
from .ownership import ATOMIC, Path, leaves, read_entries, write_entries
from .patch import list_keys
from .resources import Object, Resource, copied


def applied(resource: Resource, old: Object | None, given: Object, manager: str, force: bool) -> Object:
    """The object after `manager` applied `given`. 409 where others own a field with another value, unless forced."""
    wanted = leaves(given)
    mine = (manager, "Apply", "")
    entries = read_entries(old or {})
    current = leaves(old) if old else {}
    conflicts: dict[tuple[str, str, str], list[Path]] = {}
    for key, paths in entries.items():
        clash = [path for path in wanted if path in paths and path[-1] != "." and current.get(path) != wanted[path]]
        if key != mine and clash:
            conflicts[key] = clash
    if conflicts and not force:
        raise _conflict(conflicts, old or {})
    result = combined(copied(old), given) if old else copied(given)
    others = set().union(*(paths for key, paths in entries.items() if key != mine)) if entries else set()
    for path in sorted(entries.get(mine, set()) - set(wanted), key=len, reverse=True):
        if path not in others:
            _drop(result, path)
    for key, paths in conflicts.items():
        entries[key] = entries[key] - set(paths)
    result.setdefault("metadata", {})
    result["apiVersion"], result["kind"] = resource.api_version, resource.kind
    touched = {mine} if old is None or entries.get(mine) != set(wanted) or conflicts else set()
    entries[mine] = set(wanted)
    write_entries(result, entries, touched, old)
    return result


def combined(target: Any, given: Any, field: str = "") -> Any:
    """`given` merged over `target`: maps by key, keyed lists by item, the rest as one value."""
    if isinstance(given, dict) and isinstance(target, dict) and field not in ATOMIC:
        result = dict(target)
        for key, value in given.items():
            result[key] = combined(target.get(key), value, key)
        return result
    if isinstance(given, list) and isinstance(target, list) and field not in ATOMIC:
        if field == "finalizers":
            return target + [each for each in given if each not in target]
        if keys := list_keys(field, [*given, *target]):
            result_list = list(target)
            for each in given:
                at = [n for n, old in enumerate(result_list) if all(old.get(k) == each.get(k) for k in keys)]
                if at:
                    result_list[at[0]] = combined(result_list[at[0]], each)
                else:
                    result_list.append(copied(each))
            return result_list
    return copied(given)


def _drop(root: Any, path: Path) -> None:
    """Remove what a manager no longer wants and nobody else owns; empty parents stay, as the server leaves them."""
    at = root
    for number, step in enumerate(path):
        last = number == len(path) - 1 or (number == len(path) - 2 and path[-1] == ".")
        if step == ".":
            return
        if step.startswith("f:"):
            key = step[2:]
            if not isinstance(at, dict) or key not in at:
                return
            if last:
                del at[key]
                return
            at = at[key]
        else:
            wanted = json.loads(step[2:])
            if not isinstance(at, list):
                return
            found = [
                n for n, each in enumerate(at)
                if (each == wanted if step.startswith("v:") else all(each.get(k) == v for k, v in wanted.items()))
            ]  # fmt: skip
            if not found:
                return
            if last:
                del at[found[0]]
                return
            at = at[found[0]]


def _conflict(conflicts: dict[tuple[str, str, str], list[Path]], old: Object) -> status.Refusal:
    causes, parts = [], []
    for key, paths in sorted(conflicts.items()):
        said = f'"{key[0]}"' + (f' with subresource "{key[2]}"' if key[2] else "")
        said += f" using {old['apiVersion']}" if key[1] == "Update" else ""
        names = sorted("".join(_dotted(step) for step in path) for path in paths)
        causes += [
            {"reason": "FieldManagerConflict", "message": f"conflict with {said}", "field": name} for name in names
        ]
        parts.append((said, names))
    if len(causes) == 1:
        text = f"1 conflict: conflict with {parts[0][0]}: {parts[0][1][0]}"
    else:
        listed = ["\n".join([f"conflicts with {said}:", *(f"- {name}" for name in names)]) for said, names in parts]
        text = f"{len(causes)} conflicts: " + "\n".join(listed)
    return status.Refusal(409, "Conflict", f"Apply failed with {text}", {"causes": causes})


def _dotted(step: str) -> str:
    if step.startswith("f:"):
        return f".{step[2:]}"
    if step.startswith("k:"):
        return "[" + step[3:-1].replace('":', "=").replace('"', "", 1).replace(',"', ",") + "]"
    return f"[={step[2:]}]" if step.startswith("v:") else ""
