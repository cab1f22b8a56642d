"""What a person types into a cell."""

from typing import Any

import hubernate


def as_in_a_cell(source: str) -> Any:
    """The function `f` of a cell: it is of no module that a job could import."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(source, names)
    return names["f"]


def submit(what: Any, *values: Any, **more: Any) -> hubernate.Job:
    """A job in the environment of the tests' profile."""
    return hubernate.submit(what, *values, env="profile", profile="base", **more)
