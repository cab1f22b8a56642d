"""Commands for team images: list, promote a checkpoint to one, retire."""

from typing import Annotated

import typer

from hubernate_core.errors import Conflict

from .groups import Listing
from .output import Context, Form, Output, show
from .platform_api import segment
from .teams import Team, Yes, api

app = typer.Typer(cls=Listing, help="Environments that a team offers to its members to start from.")
Name = Annotated[str, typer.Argument(help="Name of the image: lower-case letters, digits and hyphens.")]
_COLUMNS = [("NAME", "name"), ("TITLE", "title"), ("MADE FROM", "made_from.user"), ("PROFILE", "profile")]


@app.callback()
def _group() -> None:
    """Environments that a team offers to its members to start from. Without a command: list them."""


@app.command("list")
def list_images(team: Team, context: Context = "", output: Output = Form.TABLE) -> None:
    """List what a team offers, and whose environment it was. Example: hubernate team-images list physics"""
    found = api(context)("GET", f"/tenants/{segment(team)}/images")["items"]
    show(found, output, [*_COLUMNS, ("OFFERED SINCE", "offered_at"), ("BYTES", "size"), ("PROBLEM", "problem")])


@app.command()
def promote(
    team: Team,
    checkpoint: Annotated[str, typer.Argument(help="Id of a checkpoint of one of the team's servers.")],
    name: Name,
    title: Annotated[str, typer.Option(help="For the start form; default: the name.")] = "",
    yes: Yes = False,
    context: Context = "",
) -> None:
    """Offer a checkpoint to the team, once you have read what is in it.

    Example: hubernate team-images promote physics c4d81mw02k torch --title "Torch 2 with our tools"
    """
    call, path = api(context), f"/tenants/{segment(team)}/images"
    body = {"checkpoint": checkpoint, "name": name, "title": title}
    if not yes:
        try:
            call("POST", path, body=body)
        except Conflict as asked:
            if "confirm=contents" not in asked.message:
                raise
            typer.echo(asked.message.partition(". Nothing was offered yet")[0] + ".")
        typer.confirm("Offer it to the whole team?", abort=True)
    made = call("POST", path, body=body, query={"confirm": "contents"})
    typer.echo(f"{made['name']} is being prepared; members can start from it within a minute.")


@app.command()
def retire(team: Team, name: Name, yes: Yes = False, context: Context = "") -> None:
    """Offer an image no more; what runs from it goes on. Example: hubernate team-images retire physics torch"""
    if not yes:
        typer.confirm(f"Offer {name} of {team} no more? What runs from it goes on.", abort=True)
    api(context)("DELETE", f"/tenants/{segment(team)}/images/{segment(name)}")
    typer.echo(f"{name} is offered no more; what runs from it, and what was saved on top of it, stays.")
