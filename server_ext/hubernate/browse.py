"""Looking around: the team's sources, and files as files."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from hubernate_core.errors import NotFound

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


def demo(name: str = "team-data") -> Path:
    """Copy a demo notebook into the present folder and say where it is; an own one of that name stays.

    Raises:
        NotFound: there is no such demo.
    """
    found = {Path(each.name).stem: each for each in files("hubernate.demos").iterdir() if each.name.endswith(".ipynb")}
    if name not in found:
        raise NotFound(f"there is no demo {name!r}; there are: {', '.join(sorted(found))}")
    target = Path(f"{name}.ipynb")
    if not target.exists():
        target.write_bytes(found[name].read_bytes())
    return target.resolve()
