"""Metrics of a job: a number by name and step, appended to a file that the platform reads while the job runs."""

import json
import os
import sys
import time
from typing import SupportsFloat, SupportsIndex

from hubernate_core.errors import InvalidInput

_FILE = "HUBERNATE_METRICS"
_told: set[str] = set()


def log_metric(name: str, value: SupportsFloat, step: SupportsIndex | None = None) -> None:
    """Say that `name` is `value` now: it is plotted on the job's page while the job runs. Elsewhere nothing is kept.

    Args:
        value: a number, or what `float` makes one of, such as a tensor of one element.
        step: such as the epoch; None: one more than the last, from 0.

    Raises:
        InvalidInput: the name has not 1 to 100 printable characters.  TypeError, ValueError: `value` is no number.
    """
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise InvalidInput("name", "a metric's name has 1 to 100 printable characters")
    point = {"name": name, "value": float(value), "step": None if step is None else step.__index__(), "at": time.time()}
    if _FILE not in os.environ:
        _tell("log_metric: this is no job, so nothing is kept.")
        return
    # One write a point: what forks or is killed neither loses nor doubles any.
    try:
        file = os.open(os.environ[_FILE], os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, json.dumps(point).encode() + b"\n")
        finally:
            os.close(file)
    except OSError as problem:  # hours of training are worth more than a point
        _tell(f"log_metric: points could not be kept ({problem.strerror}).")


def _tell(what: str) -> None:
    """Once in a process."""
    if what not in _told:
        _told.add(what)
        sys.stderr.write(f"hubernate.{what}\n")
