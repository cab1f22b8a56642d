"""A value of any table as JSON for a sample: short, exact where JSON can be exact, text elsewhere."""

import json
import math
from typing import Any

CELL_MAX = 500


def as_json(value: Any) -> Any:
    """`value` as a JSON value of at most `CELL_MAX` characters."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        held = bytes(value[:16])
        return f"{len(value)} bytes: {held.hex(' ')}{'…' if len(value) > 16 else ''}"
    if isinstance(value, dict | list):
        value = json.dumps(value, default=str, ensure_ascii=False)
    text = str(value)
    return text if len(text) <= CELL_MAX else text[: CELL_MAX - 1] + "…"
