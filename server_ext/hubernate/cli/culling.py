"""Commands for a team's rules of sleep: show, change, and try without keeping."""

from typing import Annotated, Any

import typer
import yaml

from hubernate_core.errors import InvalidInput

from .output import Context, Form, Output, show
from .platform_api import segment
from .teams import DryRun, Team, api

app = typer.Typer(no_args_is_help=True, help="When a team's environments go to sleep.")
Changes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FIELD=VALUE",
        help="Fields of the team's own rule: idle_after=PT30M max_age=none gpu_idle_after=PT20M"
        " working_hours='Mon-Fri 08:00-18:00 Europe/Berlin' off_hours_idle_after=PT15M warn_before=PT10M"
        " keep_awake=PT4H. 'none': without.",
    ),
]


@app.command("show")
def show_rules(team: Team, context: Context = "", output: Output = Form.YAML) -> None:
    """Show a team's rules. Example: hubernate culling show physics"""
    _print(api(context)("GET", f"/tenants/{segment(team)}")["culling"], output)


@app.command("set")
def set_rule(
    team: Team, changes: Changes = None, dry_run: DryRun = False, context: Context = "", output: Output = Form.YAML
) -> None:
    """Change a team's own rule; those of profiles stand in its file.

    Example: hubernate culling set physics idle_after=PT30M
    """
    query = {"dry_run": "true"} if dry_run else None
    patch = {"culling": _read(changes or [])}
    _print(api(context)("PATCH", f"/tenants/{segment(team)}", body=patch, query=query)["culling"], output)


@app.command()
def preview(team: Team, changes: Changes = None, context: Context = "", output: Output = Form.TABLE) -> None:
    """Say which environments would be put to sleep, when and why; with changes, by rules that are tried and not kept.

    Example: hubernate culling preview physics idle_after=PT30M
    """
    tried = {"culling": _read(changes or [])}
    found = api(context)("POST", f"/tenants/{segment(team)}/culling/preview", body=tried)
    columns = [("USER", "user"), ("NAME", "name"), ("PROFILE", "profile"), ("RULE", "rule"), ("WOULD SLEEP", "state")]
    columns += [("DUE AT", "due_at"), ("SLEEPS AT", "sleeps_at"), ("BECAUSE", "because")]
    show(found["items"] if output is Form.TABLE else found, output, columns)
    if output is Form.TABLE:
        typer.echo(f"\n{found['asleep_now']} of {found['total']} would be put to sleep now. Nothing was changed.")


def _read(changes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in changes:
        name, equals, text = each.partition("=")
        try:
            found[name] = None if text == "none" else yaml.safe_load(text)
        except yaml.YAMLError as problem:
            raise InvalidInput(name, f"{text!r} cannot be read; quote it") from problem
        if not equals:
            raise InvalidInput(each, "write FIELD=VALUE, such as idle_after=PT30M; nothing was sent")
    return found


def _print(rules: dict[str, Any], output: Form) -> None:
    columns = [("IDLE AFTER", "idle_after"), ("MAX AGE", "max_age"), ("GPU IDLE AFTER", "gpu_idle_after")]
    columns += [("WORKING HOURS", "working_hours"), ("OFF HOURS", "off_hours_idle_after"), ("WARNS", "warn_before")]
    rows = [rules | {"for": "all"}, *(each | {"for": _matches(each)} for each in rules["rules"])]
    show(rows if output is Form.TABLE else rules, output, [("PROFILES", "for"), *columns])


def _matches(rule: dict[str, Any]) -> str:
    return ", ".join([*rule["profiles"], *(f"{key}={value}" for key, value in rule["labels"].items())])
