"""What the cell of a notebook tagged ``parameters`` sets, so that a form can show it. Pure; nothing is run."""

import ast
import json
from typing import Any


def parameters_of(notebook: str) -> dict[str, Any]:
    """Names and values of the plain assignments (``n = 3``) in that cell; values that are no JSON are left out.

    Args:
        notebook: the file's content. What is no notebook, or no Python, has none.
    """
    try:
        cells = json.loads(notebook)["cells"]
        tagged = next(each for each in cells if "parameters" in each["metadata"].get("tags", []))
        source = tagged["source"]
        lines = ast.parse(source if isinstance(source, str) else "".join(source)).body
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, SyntaxError, RecursionError):
        return {}
    return {name: value for line in lines for name, value in _assigned(line)}


def _assigned(line: ast.stmt) -> list[tuple[str, Any]]:
    targets = line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
    value = getattr(line, "value", None)
    if len(targets) != 1 or not isinstance(targets[0], ast.Name) or value is None:
        return []
    try:
        found = ast.literal_eval(value)
        json.dumps(found, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return []
    return [(targets[0].id, found)]
