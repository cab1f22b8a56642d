"""Looking around: the team's sources, and files as files."""

from dataclasses import dataclass
from typing import Any

from .fs import HubFileSystem
from .link import link


@dataclass(frozen=True)
class Source:
    """A source as its users see it. `level` is ``read`` or ``write``; `state` ``open`` means that it is left alone."""

    name: str
    kind: str
    title: str
    description: str
    level: str
    state: str
    why: str = ""


def sources() -> list[Source]:
    """The sources that you may use."""
    names = Source.__dataclass_fields__
    return [Source(**{name: each[name] for name in names}) for each in link().get("")["items"]]


def open(path: str, mode: str = "rb", **options: Any) -> Any:
    """A file of a source, ``hub://SOURCE/path``. Modes are those of Python's own `open`, without appending."""
    return HubFileSystem().open(path, mode, **options)
