"""Server-side apply: the applied configuration, who owns what, conflicts. (Kubernetes docs, "Server-Side Apply".)"""

from typing import Any

from . import status
from .ownership import Path, leaves, read_entries, write_entries
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
        raise _conflict(conflicts, entries, old or {})
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
    """`given` merged over `target`: maps by key, keyed lists by item, the rest as one value. Nulls are values left out."""
    from .ownership import ATOMIC

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
    import json

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


def _conflict(conflicts: dict[tuple[str, str, str], list[Path]], entries: Any, old: Object) -> status.Refusal:
    times = {each["manager"]: each.get("time", "") for each in old["metadata"].get("managedFields") or ()}
    causes, parts = [], []
    for key, paths in sorted(conflicts.items()):
        said = f'conflict with "{key[0]}"'
        if key[2]:
            said += f' with subresource "{key[2]}"'
        if key[1] == "Update":
            said += f" using {old['apiVersion']}" + (f" at {times[key[0]]}" if times.get(key[0]) else "")
        names = sorted("".join(_dotted(step) for step in path) for path in paths)
        causes += [{"reason": "FieldManagerConflict", "message": said, "field": name} for name in names]
        parts.append(
            f"{said}: {names[0]}" if len(names) == 1 else f"{said}:\n" + "\n".join(f"- {name}" for name in names)
        )
    count = len(causes)
    message = f"Apply failed with {count} conflict{'s' if count > 1 else ''}: " + (
        parts[0] if len(parts) == 1 else "conflicts with " + ", ".join(parts)
    )
    return status.Refusal(409, "Conflict", message, {"causes": causes})


def _dotted(step: str) -> str:
    if step.startswith("f:"):
        return f".{step[2:]}"
    if step.startswith("k:"):
        return "[" + step[3:-1].replace('":', "=").replace('"', "", 1).replace(',"', ",") + "]"
    return f"[={step[2:]}]" if step.startswith("v:") else ""
