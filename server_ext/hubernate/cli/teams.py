"""Commands for people and admins of teams: log in, look, change. Everything is the REST API's answer."""

import json
from typing import Annotated, Any

import typer

from hubernate_core.errors import InvalidInput

from .contexts import Target, read_contexts, write_contexts
from .output import Context, Form, Output, show
from .platform_api import PlatformApi, segment

app = typer.Typer()
Team = Annotated[str, typer.Argument(help="Name of the team.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check and show what would be; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def api(context: str) -> PlatformApi:
    """The platform of `context`."""
    return PlatformApi(read_contexts().target(context))


@app.command()
def login(
    url: Annotated[str, typer.Argument(help="Address of the hub, such as https://hub.example.com.")],
    name: Annotated[str, typer.Option(help="Name of the context.")] = "default",
) -> None:
    """Log in to a platform with a token of the hub (its page "Token"), read from the prompt or from standard input.

    The token is kept in a file that only you can read. Example: hubernate login https://hub.example.com < token
    """
    if not url.startswith(("https://", "http://")):
        raise InvalidInput("url", "begins with https:// or http://")
    token = typer.prompt("Token", hide_input=True).strip()
    target = Target(url=url, token=token)
    me = PlatformApi(target)("GET", "/me")
    known = read_contexts()
    write_contexts(known.model_copy(update={"current": name, "targets": known.targets | {name: target}}))
    typer.echo(f"Logged in as {me['name']}{' (admin)' if me['admin'] else ''}; context {name!r} is the current one.")


@app.command()
def quota(team: Team, context: Context = "", output: Output = Form.TABLE) -> None:
    """Show what a team uses of its quota, and who uses it. Example: hubernate quota physics"""
    found = api(context)("GET", f"/tenants/{segment(team)}/use")
    if output is not Form.TABLE:
        show(found, output)
        return
    show(found["use"], output, [("RESOURCE", "label"), ("USED", "shown"), ("YOURS", "my_shown")])
    typer.echo("")
    columns = [("PERSON", "user"), ("RUNNING", "shown.servers"), ("CPU", "shown.cpu"), ("MEMORY", "shown.memory")]
    show(found["people"], output, columns)


@app.command()
def queue(
    team: Annotated[str, typer.Argument(help="Team whose queue to list; default: your own starts in all teams.")] = "",
    cancel: Annotated[str, typer.Option(help="Id of a place to give up: yours, or a member's as their admin.")] = "",
    context: Context = "",
    output: Output = Form.TABLE,
) -> None:
    """List the starts that wait, or give a place up. Example: hubernate queue physics"""
    call = api(context)
    if cancel:
        call("DELETE", f"/queue/{segment(cancel)}")
        typer.echo(f"Given up: {cancel}. Nothing else was changed.")
        return
    found = call("GET", f"/tenants/{segment(team)}/queue" if team else "/queue")["items"]
    columns = [("ID", "id"), ("TEAM", "tenant"), ("PERSON", "user"), ("NAME", "server_name"), ("PROFILE", "profile")]
    show(found, output, [*columns, ("POSITION", "position"), ("OF", "of"), ("SINCE", "since"), ("WHY", "reason")])


@app.command()
def profiles(team: Team, context: Context = "", output: Output = Form.TABLE) -> None:
    """List the profiles that you may start in a team, and whether they fit now. Example: hubernate profiles physics"""
    refusals: dict[str, str] = api(context)("GET", f"/tenants/{segment(team)}/use")["refusals"]
    items = [{"name": name, "fits": not why, "why": why} for name, why in refusals.items()]
    show(items, output, [("PROFILE", "name"), ("FITS NOW", "fits"), ("WHY NOT", "why")])


@app.command()
def servers(
    team: Annotated[str, typer.Argument(help="Team whose servers to list, for its admins; default: your own.")] = "",
    do: Annotated[str, typer.Option("--do", help="start, save, stop or discard one server.")] = "",
    server: Annotated[str, typer.Option("--server", help="Id of the server, with --do.")] = "",
    yes: Yes = False,
    context: Context = "",
    output: Output = Form.TABLE,
) -> None:
    """List servers, or act on one. Example: hubernate servers --do stop --server k3f9a2b7c1"""
    call = api(context)
    if do:
        show(
            [_act(call, do, server, yes=yes)],
            output,
            [("ID", "id"), ("KIND", "kind"), ("STATE", "state"), ("STEP", "step")],
        )
        return
    found = list(call.pages(f"/tenants/{segment(team)}/servers")) if team else call("GET", "/servers")["items"]
    columns = [("ID", "id"), ("USER", "user"), ("NAME", "name"), ("TEAM", "tenant"), ("PROFILE", "profile")]
    show(found, output, [*columns, ("STATE", "state"), ("SLEEPS AT", "sleeps_at")])


def _act(call: PlatformApi, do: str, server: str, *, yes: bool) -> Any:
    if do not in ("start", "save", "stop", "discard") or not server:
        raise InvalidInput("do", "is start, save, stop or discard, with --server ID")
    path = f"/servers/{segment(server)}"
    if do == "start":
        return call("POST", f"{path}/start")
    if do == "discard" and not yes:
        typer.confirm("Throw away what this server changed since its last checkpoint?", abort=True)
    query = {"confirm": "discard"} if do == "discard" else None
    return call("POST", f"{path}/operations", body={"kind": do}, query=query)


@app.command()
def audit(
    team: Annotated[str, typer.Argument(help="Team, for its admins; default: the whole platform.")] = "",
    export: Annotated[bool, typer.Option("--export", help="Everything, as JSON lines, newest first.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Whether the log is as it was written; exit 1 if not.")
    ] = False,
    context: Context = "",
    output: Output = Form.TABLE,
) -> None:
    """Show who did what, newest first. Example: hubernate audit --export > audit.jsonl"""
    call, path = api(context), f"/tenants/{segment(team)}/audit" if team else "/audit"
    if check:
        found = call("GET", "/audit/check")
        typer.echo("whole" if found["whole"] else f"changed or cut at entry {found['first_break']}")
        raise typer.Exit(0 if found["whole"] else 1)
    if export:
        for entry in call.pages(path):
            typer.echo(json.dumps(entry, ensure_ascii=False))
        return
    columns = [
        ("WHEN", "at"),
        ("WHO", "actor"),
        ("AS", "role"),
        ("WHAT", "action"),
        ("TEAM", "tenant"),
        ("TO", "target"),
    ]
    show(call("GET", path, query={"limit": 50})["items"], output, columns)
