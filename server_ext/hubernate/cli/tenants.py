"""Commands for the teams themselves: list, and delete in two steps."""

from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from hubernate_core.errors import Conflict, InvalidInput
from hubernate_core.quantity import show_bytes

from .groups import Listing
from .output import Context, Form, Output, as_yaml, show
from .platform_api import segment
from .teams import DryRun, Team, api

app = typer.Typer(cls=Listing, help="Teams. Without a command: list them.")


@app.callback()
def _group() -> None:
    """Teams. Without a command: list those you are in."""


@app.command("list")
def list_tenants(
    contains: Annotated[str, typer.Option(help="Only those with this in their name.")] = "",
    context: Context = "",
    output: Output = Form.TABLE,
) -> None:
    """List the teams you are in; for admins of the platform, all. Example: hubernate tenants -o json"""
    found = list(api(context).pages("/tenants", {"q": contains}))
    show(found, output, [("NAME", "name"), ("TITLE", "title")])


@app.command()
def delete(
    team: Team,
    export: Annotated[
        Path | None, typer.Option(help="File for what is written down of it; default: TEAM.yaml.")
    ] = None,
    confirm: Annotated[str, typer.Option(help="The team's name, for scripts; default: you are asked for it.")] = "",
    dry_run: DryRun = False,
    context: Context = "",
) -> None:
    """Delete a team for good: it is suspended and exported, what will go is shown, and you type its name.

    Example: hubernate tenants delete physics
    """
    call, path = api(context), f"/tenants/{segment(team)}"
    if dry_run:
        typer.echo(_told(team, call("GET", f"{path}/deletion")))
        return
    if confirm not in ("", team):
        raise InvalidInput("confirm", f"{confirm!r} is not {team}. Nothing was changed")
    file = export or Path(f"{team}.yaml")
    with _new(file) as written:
        try:
            marked = call("POST", f"{path}/deletion")
        except BaseException:
            file.unlink()
            raise
        written.write(as_yaml(marked["export"]))
    typer.echo(_told(team, marked["goes"]))
    typer.echo(f"What can be written down of it is in {file}; home folders and images are not.")
    typed = confirm or typer.prompt(f"Type {team} to remove all of it for good", default="", show_default=False)
    if typed != team:
        raise Conflict(f"nothing was removed; {team} stays suspended until somebody unsuspends or deletes it")
    call("DELETE", path, query={"confirm": typed})
    typer.echo(f"{team} is deleted; 'hubernate tenants leaving' shows what is still being removed.")


def _new(file: Path) -> TextIO:
    try:
        return file.open("x")
    except FileExistsError as problem:
        raise InvalidInput("export", f"{file} is there already; name another file. Nothing was changed") from problem
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise InvalidInput(
            "export", f"{file} cannot be written: {why}; name another file. Nothing was changed"
        ) from problem


def _told(team: str, goes: dict[str, Any]) -> str:
    size = show_bytes(goes["checkpoint_bytes"])
    lines = [
        f"{goes['servers']} environments with {goes['checkpoints']} checkpoints, {size}",
        f"{goes['team_images']} team images",
        f"{len(goes['homes'])} home folders with everything in them: {', '.join(goes['homes']) or 'none'}",
        f"the registration of {len(goes['sources'])} sources: {', '.join(goes['sources']) or 'none'}",
    ]
    if goes["unsaved"]:
        lines.append(f"NOT YET: unsaved work may be in {', '.join(goes['unsaved'])}; stop them first")
    return "\n".join([f"Deleting {team} removes:", *(f"  {line}" for line in lines)])


@app.command()
def leaving(context: Context = "", output: Output = Form.TABLE) -> None:
    """Show what of deleted teams is still being removed. Example: hubernate tenants leaving"""
    found = api(context)("GET", "/departures")["items"]
    show(
        found,
        output,
        [("ID", "id"), ("TITLE", "title"), ("SINCE", "deleted_at"), ("HOMES", "homes"), ("IMAGES", "images")],
    )
