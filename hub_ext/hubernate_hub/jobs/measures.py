"""The file that a running job's metrics come by, and what is kept of them: one JSON file for each attempt.

The container's user writes the one, mounted into the container, as it likes; the service alone writes the other.
"""

import os
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, Field

from hubernate_core.job_metrics import LINE_MAX, Metrics, take

from .logs import CHUNK, give_back

_AT_ONCE = 128 * 1024
"""So much is read in some 30 ms, whatever it is: others wait no longer for the interpreter."""
RAW_MAX = 16 * 1024 * 1024
"""Bytes that may be on disk, or not taken yet."""


class _Kept(BaseModel):
    offset: int = Field(0, description="where the file of the job is read on")
    every: dict[str, tuple[int, int]] = Field({}, description="of each series, what `Series` does not show")
    metrics: Metrics = Metrics()


class Measures:
    """The metrics of one attempt. `raw` is the job's file, `kept` ours; goes on where an earlier one was killed."""

    def __init__(self, raw: Path, kept: Path) -> None:
        self._raw, self._file = raw, kept
        self._kept = _read(kept)

    def take(self, now: datetime) -> bool:
        """Keep what came since, up to 128 KiB of it; whether there was anything."""
        if not self._raw.exists():
            return False
        with self._raw.open("r+b", buffering=0) as file:
            found = os.fstat(file.fileno())
            if found.st_size < self._kept.offset:  # the job emptied it
                self._kept.offset = 0
            if max(found.st_size - self._kept.offset, found.st_blocks * 512) > RAW_MAX:
                self._kept.offset = 0
                self._kept.metrics.left_out = "some came faster than they could be kept"
                self._write()  # before: a service that is killed in between empties it again
                file.truncate(0)
                return True
            content = os.pread(file.fileno(), _AT_ONCE, self._kept.offset)
            end = content.rfind(b"\n") + 1
            if not end and len(content) <= LINE_MAX:
                return False  # nothing, or a line that is being written
            content = content[: end or len(content)]
            take(self._kept.metrics, content.splitlines(), now)
            self._kept.offset += len(content)
            self._write()
            give_back(file.fileno(), self._kept.offset // CHUNK * CHUNK)
        return True

    def _write(self) -> None:
        self._kept.every = {each.name: (each.seen, each.every) for each in self._kept.metrics.series}
        new = self._file.with_suffix(".new")
        new.write_text(self._kept.model_dump_json())
        new.replace(self._file)


def read(kept: Path) -> Metrics:
    """What is kept of an attempt; nothing where nothing is."""
    return _read(kept).metrics


def _read(kept: Path) -> _Kept:
    try:
        found = _Kept.model_validate_json(kept.read_bytes())
    except FileNotFoundError:
        return _Kept()
    except ValueError:  # ours, so that the disk lost it; the job is worth more
        return _Kept(metrics=Metrics(left_out="what was kept before cannot be read any more"))
    for each in found.metrics.series:
        each.seen, each.every = found.every[each.name]
    return found
