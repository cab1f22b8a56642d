"""What is shown of a source's data: answers of a test, a schema, a sample, a listing. Shapes only."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(_View):
    """One question of a test: ``reachable``, ``exists``, ``readable``, ``writable``. `ok` None: not asked."""

    question: str
    ok: bool | None
    answer: str = ""
    advice: str = ""


class Entry(_View):
    """One thing in a listing. `path` is relative to the source."""

    path: str
    type: str = Field(description="'file', 'folder', 'table' or 'partition'")
    size: int | None = Field(None, description="bytes")
    etag: str = ""
    modified_at: datetime | None = None


class Listing(_View):
    """One page of a folder, in the order of the store. `next` continues; empty: the end."""

    entries: tuple[Entry, ...]
    next: str = ""


class Column(_View):
    """One column. `type` is Arrow's name, or the database's."""

    name: str
    type: str
    nullable: bool | None = None
    partition: bool = Field(False, description="comes from the folder's name, not from the file")


class Schema(_View):
    """Columns of a table or file."""

    columns: tuple[Column, ...]
    format: str = Field("", description="'parquet', 'csv', 'json', 'orc', 'text', 'table', 'media'")
    rows: int | None = Field(None, description="where the format says so without reading it all")


class Sample(_View):
    """The first rows, bounded in rows, bytes and cell width; cells are JSON values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    format: str = ""
    note: str = Field("", description="what was cut, and why")
    thumbnails: dict[str, str] = Field({}, description="of images, where cheap: url → small JPEG as a data: URI")


class Shown(_View):
    """A view with its age: it comes from our database while the source cannot be asked."""

    path: str
    taken_at: datetime
    stale: bool = Field(False, description="older than asked for: the source did not answer")
    why_stale: str = ""


class ShownSchema(Shown):
    """A schema with its age and what changed since the one before."""

    found: Schema
    drift: tuple[str, ...] = ()


class ShownSample(Shown):
    """A sample with its age."""

    found: Sample


def drift(before: Schema, after: Schema) -> tuple[str, ...]:
    """What changed from one schema to the next, in words; at most 50 lines."""
    old, new = ({column.name: column for column in each.columns} for each in (before, after))
    lines = [f"column {name} is gone" for name in old if name not in new]
    lines += [f"column {name} ({new[name].type}) is new" for name in new if name not in old]
    lines += [
        f"column {name} was {old[name].type}, is {new[name].type}"
        for name in new
        if name in old and old[name].type != new[name].type
    ]
    return tuple(lines[:50])
