"""Small files that survive a crash: written whole, synced, renamed into place."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as JSON; after a crash it has either the old content or the new."""
    write_lines(path, [value])


def write_lines(path: Path, values: Iterable[Any]) -> None:
    """As `write_json`, with one value a line, so that a long list is never in memory as text."""
    part = path.with_name(path.name + ".part")
    with part.open("w") as file:
        for value in values:
            file.write(json.dumps(value, separators=(",", ":")) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    _sync_folder(path.parent)


def remove(path: Path) -> None:
    """Delete `path` for good."""
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
