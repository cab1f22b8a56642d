"""Whether an object is as we want it. Pure.

What the API server adds (defaults, status, who manages what) is no difference; what we say and it does not is one.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from hubernate_core.errors import InvalidInput
from hubernate_core.quantity import parse_quantity

from .resources import Object


def differences(wanted: Object, found: Object) -> list[str]:
    """Paths such as ``spec.hard.pods`` at which `found`, of the same kind, does not hold what `wanted` says."""
    # An object in a list does not say its kind.
    return _differ({key: value for key, value in wanted.items() if key not in ("apiVersion", "kind")}, found, "")


def _differ(wanted: Any, found: Any, path: str) -> list[str]:
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            # An empty one is left out by the API server, and means the same.
            return [path] if wanted or found is not None else []
        return [
            each
            for key, value in wanted.items()
            for each in _differ(value, found.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        if not wanted and found is None:
            return []
        if not isinstance(found, Sequence) or len(found) != len(wanted):
            return [path]
        pairs = zip(wanted, found, strict=True)
        return [each for number, pair in enumerate(pairs) for each in _differ(*pair, f"{path}[{number}]")]
    return [] if wanted == found or _same_amount(wanted, found) else [path]


def _same_amount(wanted: Any, found: Any) -> bool:
    """The API server writes amounts its own way: ``1000m`` comes back as ``1``."""
    amounts = _amount(wanted), _amount(found)
    return None not in amounts and amounts[0] == amounts[1]


def _amount(value: Any) -> Fraction | None:
    try:
        return parse_quantity(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    except InvalidInput:
        return None
