"""Commands for checkpoints: list, pin, and look at what retention will let go."""

from typing import Annotated, Any

import typer

from hubernate_core.errors import InvalidInput, shorten

from .groups import Listing
from .output import Context, Form, Output, show
from .platform_api import segment
from .teams import Team, api

app = typer.Typer(cls=Listing, help="Saved environments. Without a command: list one server's.")
Checkpoint = Annotated[str, typer.Argument(help="Id of the checkpoint.")]
_COLUMNS = [("ID", "id"), ("NAME", "name"), ("SAVED", "created_at"), ("BYTES", "size"), ("PINNED", "pinned")]


@app.callback()
def _group() -> None:
    """Saved environments. Without a command: list one server's."""


@app.command("list")
def list_checkpoints(
    server: Annotated[str, typer.Argument(help="Id of the server.")], context: Context = "", output: Output = Form.TABLE
) -> None:
    """List a server's checkpoints, newest first. Example: hubernate checkpoints k3f9a2b7c1"""
    found = api(context)("GET", f"/servers/{segment(server)}/checkpoints", query={"limit": 500})["items"]
    show(found, output, [*_COLUMNS, ("USABLE", "usable"), ("GOES", "goes_at"), ("BECAUSE OF", "goes_why")])


@app.command()
def pin(checkpoint: Checkpoint, context: Context = "", output: Output = Form.TABLE) -> None:
    """Keep a checkpoint until somebody deletes it. Example: hubernate checkpoints pin c4d81mw02k"""
    show([_change(context, checkpoint, pinned=True)], output, _COLUMNS)


@app.command()
def unpin(checkpoint: Checkpoint, context: Context = "", output: Output = Form.TABLE) -> None:
    """Let retention decide about a checkpoint again. Example: hubernate checkpoints unpin c4d81mw02k"""
    show([_change(context, checkpoint, pinned=False)], output, _COLUMNS)


def _change(context: str, checkpoint: str, *, pinned: bool) -> Any:
    return api(context)("PATCH", f"/checkpoints/{segment(checkpoint)}", body={"pinned": pinned})


@app.command()
def preview(
    team: Team,
    rule: Annotated[
        list[str] | None,
        typer.Option(help="As if the rule were so: keep_count=3, keep_age=P30D, user_bytes=50Gi, tenant_bytes=2Ti."),
    ] = None,
    context: Context = "",
    output: Output = Form.TABLE,
) -> None:
    """Show what retention will let go within 30 days, by the team's rule or by another; nothing is changed.

    Example: hubernate checkpoints preview physics --rule keep_count=3
    """
    other = dict(_read(each) for each in rule or ())
    call, path = api(context), f"/tenants/{segment(team)}/retention"
    found = call("GET", path)
    if other:
        found = call("POST", f"{path}/preview", body=found["rule"] | other)
    columns = [("GOES", "goes_at"), ("BECAUSE OF", "why"), ("CHECKPOINT", "checkpoint"), ("USER", "user")]
    more = [("SERVER", "server_name"), ("NAME", "name"), ("SAVED", "saved_at"), ("BYTES", "size")]
    show(found["items"] if output is Form.TABLE else found, output, [*columns, *more])


def _read(text: str) -> tuple[str, int | str]:
    name, given, value = text.partition("=")
    if not given:
        raise InvalidInput("rule", f"{shorten(text, 60)!r}: write FIELD=VALUE, such as keep_count=3")
    return name, int(value) if value.isascii() and value.isdigit() and name == "keep_count" else value
