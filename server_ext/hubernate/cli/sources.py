"""Commands for a team's sources of data: look, register, test, remove."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from hubernate_core.errors import InvalidInput, shorten

from .output import Context, Form, Output, show
from .platform_api import PlatformApi, segment
from .teams import Team, Yes, api

app = typer.Typer(no_args_is_help=True, help="A team's sources of data.")
Name = Annotated[str, typer.Argument(help="Name of the source.")]


@app.command("list")
def list_sources(team: Team, context: Context = "", output: Output = Form.TABLE) -> None:
    """List the sources that you may use. Example: hubernate sources list physics"""
    found = api(context)("GET", f"/tenants/{segment(team)}/sources")["items"]
    show(found, output, [("NAME", "name"), ("KIND", "kind"), ("YOU MAY", "level"), ("TITLE", "title")])


@app.command()
def add(
    team: Team,
    file: Annotated[Path, typer.Option("--file", "-f", help="YAML of the source: name, place, grants.")],
    credential: Annotated[
        Path | None, typer.Option(help="YAML of its credential, name: value; never an argument.")
    ] = None,
    context: Context = "",
) -> None:
    """Register a source, then test it. Example: hubernate sources add physics -f lake.yaml --credential key.yaml"""
    body: dict[str, Any] = {"source": _mapping(file, "file")}
    if credential is not None:
        body["credential"] = {"values": _mapping(credential, "credential")}
    call = api(context)
    made = call("POST", f"/tenants/{segment(team)}/sources", body=body)
    typer.echo(f"Registered {made['name']}.")
    _test(call, team, made["name"])


@app.command()
def test(team: Team, source: Name, context: Context = "") -> None:
    """Ask a source: reachable, there, allowed; exit 1 if not. Example: hubernate sources test physics lake"""
    _test(api(context), team, source)


@app.command()
def remove(team: Team, source: Name, yes: Yes = False, context: Context = "") -> None:
    """Forget a source and its credential; its data stays. Example: hubernate sources remove physics lake"""
    if not yes:
        typer.confirm(f"Forget the source {source} of {team}? Notebooks that read it get an error.", abort=True)
    api(context)("DELETE", f"/tenants/{segment(team)}/sources/{segment(source)}")
    typer.echo(f"{source} is forgotten; its data is where it was.")


@app.command("rotate-keys")
def rotate_keys(context: Context = "") -> None:
    """Put every credential under a new key. For admins of the platform. Example: hubernate sources rotate-keys"""
    done = api(context)("POST", "/data/rotate-key")
    typer.echo(f"Credentials under a new key: {done['credentials']}. Back up the file of keys.")
    typer.echo(f"On Kubernetes, then: hubernate kubernetes forget-data-keys {done['key']}")


def _test(call: PlatformApi, team: str, source: str) -> None:
    checks = call("POST", f"/tenants/{segment(team)}/sources/{segment(source)}/test")["checks"]
    columns = [("QUESTION", "question"), ("YES", "ok"), ("ANSWER", "answer"), ("WHAT TO DO", "advice")]
    show(checks, Form.TABLE, columns)
    if any(each["ok"] is False for each in checks):
        raise typer.Exit(1)


def _mapping(path: Path, field: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as problem:
        raise InvalidInput(field, f"{path} cannot be read: {problem}") from problem
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "somewhere"
        raise InvalidInput(field, f"{path} is no YAML ({where}); nothing was sent") from problem
    if not isinstance(found, dict):
        raise InvalidInput(field, f"{shorten(str(path), 80)} holds no mapping of names to values; nothing was sent")
    return found
