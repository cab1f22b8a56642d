"""Collects sub-commands, runs one, and turns our errors into a message and an exit code.

0 done · 1 something is wrong, look · 2 the request or this machine must be changed first · 3 an outside system did not
answer: repeat later.
"""

import sys
from importlib.metadata import EntryPoint, entry_points, version

import typer
from rich.console import Console

from hubernate_core.errors import Broken, HubernateError, Unavailable, UserError

from . import (
    checkpoints,
    context_commands,
    culling,
    documents,
    jobs,
    schedules,
    sources,
    team_images,
    teams,
    tenants,
    usage,
)

GROUP = "hubernate.commands"
jobs.app.add_typer(schedules.app)
EXIT_CODES: tuple[tuple[type[HubernateError], int], ...] = ((UserError, 2), (Unavailable, 3), (Broken, 1))


def make_app() -> typer.Typer:
    """The root command with every installed sub-command.

    An entry point is a `typer.Typer`: with a callback of its own it becomes a group under the entry point's name,
    otherwise its commands are added beside ours.
    """
    app = typer.Typer(name="hubernate", no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.callback()(_root)
    for own in (teams.app, usage.app, documents.app):
        app.add_typer(own)
    groups = {
        "contexts": context_commands.app,
        "tenants": tenants.app,
        "checkpoints": checkpoints.app,
        "culling": culling.app,
        "team-images": team_images.app,
        "sources": sources.app,
        "jobs": jobs.app,
    }
    for name, commands in groups.items():
        app.add_typer(commands, name=name)
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        _add(app, entry)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(version("hubernate"))
        raise typer.Exit


def _root(
    _version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_print_version, help="Print the version and leave."
    ),
) -> None:
    """JupyterHub that hibernates.

    Exit codes: 0 done; 1 something is wrong, look; 2 the request or this machine must be changed first; 3 an outside
    system did not answer, repeat later. Completion for your shell: hubernate --install-completion.
    """


def _add(app: typer.Typer, entry: EntryPoint) -> None:
    try:
        commands: typer.Typer = entry.load()
    except ModuleNotFoundError as missing:
        # An extra that is not installed here: its commands are simply not offered.
        if (missing.name or "").startswith("hubernate"):
            raise
        return
    app.add_typer(commands, name=entry.name if commands.registered_callback else None)


def main() -> None:
    """Run the command line in `sys.argv`; leaves the process."""
    try:
        make_app()()
    except HubernateError as problem:
        Console(stderr=True, highlight=False).print(f"[red]✗[/] {_plain(problem.message)}", soft_wrap=True)
        sys.exit(next((code for kind, code in EXIT_CODES if isinstance(problem, kind)), 1))


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
