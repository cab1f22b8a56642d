"""What commands print: a table for people, JSON or YAML for programs. Only the answer goes to standard output."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text


class Form(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Output = Annotated[Form, typer.Option("--output", "-o", help="table, json or yaml.")]
Context = Annotated[str, typer.Option("--context", help="Platform to speak to; default: the one logged in to last.")]


def show(data: Any, form: Form, columns: Sequence[tuple[str, str]] = ()) -> None:
    """Print `data`; as a table its items' `columns` (heading, field, dots go deeper)."""
    if form is Form.JSON:
        typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
    elif form is Form.YAML:
        typer.echo(as_yaml(data), nl=False)
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading, _ in columns:
            table.add_column(heading)
        for each in data:
            table.add_row(*(Text(_cell(each, field)) for _, field in columns))  # Text: nothing in it is markup
        Console(soft_wrap=True).print(table)


def as_yaml(data: Any) -> str:
    """`data` as YAML, in its own order."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)


def _cell(item: dict[str, Any], field: str) -> str:
    value: Any = item
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    text = "" if value is None else "yes" if value is True else "no" if value is False else str(value)
    return "".join(char if char.isprintable() else "�" for char in text)
