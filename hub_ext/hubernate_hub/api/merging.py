"""JSON merge patch (RFC 7396)."""

from typing import Any


def merge(present: Any, patch: Any) -> Any:
    """`present` with `patch` applied (section 2)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(present) if isinstance(present, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged
