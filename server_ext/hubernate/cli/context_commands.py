"""Commands for the platforms that you are logged in to."""

from typing import Annotated

import typer

from .contexts import read_contexts, write_contexts
from .groups import Listing
from .output import Form, Output, show

app = typer.Typer(cls=Listing, help="Platforms you are logged in to. Without a command: list them.")
Name = Annotated[str, typer.Argument(help="Name of the context, as 'login --name' gave it.")]


@app.callback()
def _group() -> None:
    """Platforms you are logged in to. Without a command: list them."""


@app.command("list")
def list_contexts(output: Output = Form.TABLE) -> None:
    """List the platforms, and which one commands speak to; never a token. Example: hubernate contexts"""
    known = read_contexts()
    rows = [{"name": each, "url": known.targets[each].url, "current": each == known.current} for each in known.targets]
    show(rows, output, [("NAME", "name"), ("ADDRESS", "url"), ("CURRENT", "current")])


@app.command()
def use(name: Name) -> None:
    """Let commands speak to this platform from now on. Example: hubernate contexts use work"""
    known = read_contexts()
    target = known.target(name)
    write_contexts(known.model_copy(update={"current": name}))
    typer.echo(f"Commands speak to {target.url} now.")


@app.command()
def remove(name: Name) -> None:
    """Forget a platform and its token; the token stays valid at the hub. Example: hubernate contexts remove work"""
    known = read_contexts()
    known.target(name)
    left = {each: target for each, target in known.targets.items() if each != name}
    current = "" if name == known.current else known.current
    write_contexts(known.model_copy(update={"targets": left, "current": current}))
    typer.echo(f"{name} is forgotten. Its token is still valid: revoke it on the hub's page 'Token'.")
