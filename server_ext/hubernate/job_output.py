"""What a job left: files, and numbers that it said of itself."""

from datetime import datetime
from math import nan
from pathlib import Path
from typing import NamedTuple

from .link import Link


class MetricPoint(NamedTuple):
    """One value of a metric; NaN where it was no finite number. `pandas.DataFrame` takes a list of them."""

    step: int
    value: float
    at: datetime


def metric_point(step: int, value: float | None, at: str) -> MetricPoint:
    return MetricPoint(step, nan if value is None else value, datetime.fromisoformat(at))


class JobOutput:
    """A file that was kept of a job."""

    def __init__(self, link: Link, job: str, path: str, size: int) -> None:
        self._link, self._job, self.path, self.size = link, job, path, size

    def read(self) -> bytes:
        """Its content."""
        with self._link.stream("GET", f"/{self._job}/output", path=self.path) as answer:
            return answer.read()

    def save(self, folder: str | Path = ".") -> Path:
        """Write it below `folder`, by its own path; what is there by that name is replaced."""
        target = Path(folder) / self.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._link.stream("GET", f"/{self._job}/output", path=self.path) as answer, target.open("wb") as file:
            for piece in answer:
                file.write(piece)
        return target

    def __repr__(self) -> str:
        return f"<output {self.path}, {self.size} bytes>"
