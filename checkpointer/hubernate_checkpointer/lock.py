"""One agent at a time on a state folder: two would save, freeze and remove the same containers against each other."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubernate_core.errors import Conflict

_NAME = "agent.lock"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold `folder` for this agent; the kernel lets go when the process dies, however it dies.

    Raises:
        Conflict: another agent holds it, in this container or another one; nothing was touched.
    """
    with (folder / _NAME).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise Conflict(
                f"This agent does not start: another one works in {folder}. Nothing was touched, and the other one "
                "goes on. Stop it first, or give this one a CheckpointAgent.state_dir of its own."
            ) from problem
        yield
