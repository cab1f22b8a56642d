"""Teams as files: apply, export, templates and the schema for editors. The same file again changes nothing."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from hubernate_core.errors import InvalidInput, NotFound, shorten
from hubernate_core.tenant import TenantDocument

from .output import Context, Form, Output, as_yaml, show
from .platform_api import PlatformApi, segment
from .teams import DryRun, api

app = typer.Typer()
_OURS = ("id", "version", "role")
_TEMPLATE = """\
# yaml-language-server: $schema=tenant.schema.json
# hubernate apply -f team.yaml      'hubernate template schema > tenant.schema.json' is for your editor.
kind: Tenant
name: physics                       # never changes: 1 to 30 lower-case letters, digits and hyphens
title: Physics
groups: []                          # groups of the identity provider; empty: the one called as the team
quota:
  servers: 20                       # environments that run at the same time
  cpu: "64"
  memory: 256Gi
  per_user: {servers: 2}
culling:
  idle_after: PT1H                  # ISO 8601: one hour without activity
# working_hours: Mon-Fri 08:00-18:00 Europe/Berlin
# off_hours_idle_after: PT15M       # outside of them; goes together with working_hours
# max_age: P3D
# rules:                            # whole rules of their own for some profiles; the first that matches wins
#   - {profiles: [gpu], idle_after: PT30M, gpu_idle_after: PT20M}
retention: {keep_count: 5, keep_age: P90D, notice: P1D}    # and user_bytes, tenant_bytes
members: []                         # beside the groups': - {user: ada, role: admin}
"""


@app.command()
def apply(
    file: Annotated[str, typer.Option("--file", "-f", help="YAML or JSON with teams; '-': standard input.")],
    dry_run: DryRun = False,
    context: Context = "",
    output: Output = Form.TABLE,
) -> None:
    """Make teams as a file says; those that it does not name stay as they are. Example: hubernate apply -f team.yaml"""
    documents = read_documents(file)
    call = api(context)
    done = [{"name": each["name"], "result": _apply(call, each, dry_run=dry_run)} for each in documents]
    show(done, output, [("TEAM", "name"), ("RESULT", "result")])


def read_documents(file: str) -> list[dict[str, Any]]:
    """The documents in `file`, each with a kind and a name; all of them are looked at before any is sent.

    Raises:
        InvalidInput: the file cannot be read, or a document is none of ours.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        found = [each for each in yaml.safe_load_all(text) if each is not None]
    except (OSError, ValueError, yaml.YAMLError) as problem:
        raise InvalidInput(file, shorten(str(problem), 300)) from problem
    for number, each in enumerate(found, start=1):
        if not isinstance(each, dict) or each.get("kind") != "Tenant" or not isinstance(each.get("name"), str):
            raise InvalidInput(f"{file}, document {number}", "has no 'kind: Tenant' with a name; nothing was sent")
    if not found:
        raise InvalidInput(file, "holds no document")
    return found


def _apply(call: PlatformApi, document: dict[str, Any], *, dry_run: bool) -> str:
    path = f"/tenants/{segment(document['name'])}"
    try:
        before: int | None = call("GET", path)["version"]
    except NotFound:
        before = None
    query = {"dry_run": "true"} if dry_run else None
    after = call("PUT", path, body=document, query=query)["version"]
    result = "created" if before is None else "unchanged" if after == before else "changed"
    return f"{result} (dry run)" if dry_run else result


@app.command()
def export(
    teams: Annotated[list[str] | None, typer.Argument(help="Teams; default: every one you administer.")] = None,
    context: Context = "",
    output: Output = Form.YAML,
) -> None:
    """Write teams as files that 'apply' reads. Example: hubernate export > teams.yaml"""
    call = api(context)
    names = teams or [each["name"] for each in call.pages("/tenants")]
    found = [call("GET", f"/tenants/{segment(name)}") for name in names]
    # A member's view leaves out who else is in; applied, it would empty the list.
    mine = [each for each in found if each["role"] in ("tenant-admin", "platform-admin")]
    for each in found:
        if each not in mine:
            typer.echo(f"{each['name']} left out: you are no admin of it", err=True)
    documents = [{"kind": "Tenant", "name": each["name"]} | _without(each, *_OURS) for each in mine]
    if output is Form.JSON:
        show(documents, output)
    else:
        typer.echo("---\n".join(as_yaml(each) for each in documents), nl=False)


@app.command()
def template(what: Annotated[str, typer.Argument(help="'tenant' or 'schema'.")]) -> None:
    """Print a team to start from, or the JSON Schema of one. Example: hubernate template tenant > team.yaml"""
    if what == "tenant":
        typer.echo(_TEMPLATE, nl=False)
    elif what == "schema":
        typer.echo(json.dumps(schema(), indent=2))
    else:
        raise InvalidInput("what", "is 'tenant' or 'schema'")


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of one document of a team's file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | TenantDocument.model_json_schema()


def _without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}
