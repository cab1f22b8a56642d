"""Commands for jobs: submit, look, follow, end. The SDK does the work."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubernate_core.errors import InvalidInput

from .contexts import read_contexts
from .output import Context, Form, Output, show
from .platform_api import segment
from .teams import Team

if TYPE_CHECKING:
    from ..job import Job
    from ..link import Link

app = typer.Typer(no_args_is_help=True, help="Scripts and notebooks that run in a container of their own.")
Id = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]
_COLUMNS = [("JOB", "id"), ("WHAT", "label"), ("PERSON", "user"), ("STATE", "state"), ("COST", "cost"), ("WHY", "why")]

_METRICS = [("METRIC", "name"), ("STEP", "step"), ("VALUE", "value"), ("LOWEST", "lowest"), ("HIGHEST", "highest")]


@app.command(context_settings={"ignore_unknown_options": True})
def submit(  # noqa: PLR0913  each is an option of the command
    team: Team,
    what: Annotated[str, typer.Argument(help="Script (.py, .sh) or notebook (.ipynb) of the current folder.")],
    args: Annotated[list[str] | None, typer.Argument(help="Of the script; name=value for a notebook.")] = None,
    profile: Annotated[str, typer.Option(help="Resources; with --env profile also the image.")] = "",
    env: Annotated[str, typer.Option(help="profile, checkpoint:ID or image:NAME.")] = "profile",
    file: Annotated[list[str] | None, typer.Option(help="File, folder or pattern to send; again for more.")] = None,
    output: Annotated[list[str] | None, typer.Option(help="File or folder to keep; again for more.")] = None,
    priority: Annotated[str, typer.Option(help="high, normal or low.")] = "normal",
    after: Annotated[list[str] | None, typer.Option(help="Job that has to succeed before; again for more.")] = None,
    retries: Annotated[int, typer.Option(help="Further attempts after one that failed.")] = 0,
    timeout_s: Annotated[int, typer.Option(help="Seconds that one attempt may run.")] = 24 * 3600,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print the log until it is over.")] = False,
    context: Context = "",
) -> None:
    """Submit a job. Example: hubernate jobs submit physics train.py --profile base --output model -- --epochs 3"""
    from ..job import submit_by, work_of

    asked: dict[str, Any] = {"env": env, "profile": profile, "outputs": output or [], "priority": priority}
    asked["after"] = after or []
    work = work_of(what, *told(what, args or []))
    job = submit_by(link_of(team, context), work, file or None, **asked, retries=retries, timeout_s=timeout_s)
    typer.echo(job.id)
    if follow:
        job.logs(follow=True)
        _leave_by(job)


@app.command("list")
def list_jobs(
    team: Team,
    everyone: Annotated[bool, typer.Option(help="Everybody's, for admins of the team.")] = False,
    group: Annotated[str, typer.Option(help="Only those of a sweep.")] = "",
    context: Context = "",
    output: Output = Form.TABLE,
) -> None:
    """List your newest jobs. Example: hubernate jobs list physics"""
    found = link_of(team, context).get("", everyone="true" if everyone else None, group=group or None)["items"]
    show(found, output, _COLUMNS)


@app.command("show")
def show_job(team: Team, job: Id, context: Context = "", output: Output = Form.YAML) -> None:
    """Show all of a job. Example: hubernate jobs show physics k3x9q0v2mz"""
    found = link_of(team, context).get(f"/{segment(job)}")
    show([found] if output is Form.TABLE else found, output, _COLUMNS)


@app.command()
def logs(
    team: Team,
    job: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until it is over.")] = False,
    context: Context = "",
) -> None:
    """Print a job's log as it was written. Example: hubernate jobs logs -f physics k3x9q0v2mz"""
    _find(team, job, context).logs(follow=follow)


@app.command()
def cancel(team: Team, job: Id, context: Context = "") -> None:
    """End a job, and wait until it has ended. Example: hubernate jobs cancel physics k3x9q0v2mz"""
    found = _find(team, job, context).cancel().wait()
    typer.echo(f"{found.id} is {found.info.state}.")


@app.command()
def rerun(team: Team, job: Id, context: Context = "") -> None:
    """Run a job of yours again as it was. Example: hubernate jobs rerun physics k3x9q0v2mz"""
    typer.echo(_find(team, job, context).rerun().id)


@app.command()
def metrics(team: Team, job: Id, context: Context = "", output: Output = Form.TABLE) -> None:
    """Show what a job measured of itself. Example: hubernate jobs metrics physics k3x9q0v2mz"""
    found = link_of(team, context).get(f"/{segment(job)}/metrics")
    if found["left_out"]:
        sys.stderr.write(f"not all was kept: {found['left_out']}\n")
    if output is Form.TABLE:
        show([_summary(each) for each in found["series"]], output, _METRICS)
    else:
        show(found["series"], output)


@app.command()
def outputs(
    team: Team,
    job: Id,
    save: Annotated[Path | None, typer.Option(help="Folder to write them to; default: they are listed.")] = None,
    context: Context = "",
    output: Output = Form.TABLE,
) -> None:
    """List or fetch what a job left. Example: hubernate jobs outputs physics k3x9q0v2mz --save results"""
    found = _find(team, job, context)
    if save is None:
        show(found.info.outputs, output, [("OUTPUT", "path"), ("BYTES", "size")])
    else:
        for each in found.outputs():
            typer.echo(each.save(save))
    for why in found.info.left_out:
        sys.stderr.write(f"not kept: {why}\n")


def _summary(series: dict[str, Any]) -> dict[str, Any]:
    newest = series["points"][-1]
    values = [each["value"] for each in series["points"] if each["value"] is not None]
    shown = {"lowest": min(values), "highest": max(values)} if values else {}
    return {"name": series["name"], "step": newest["step"], "value": _number(newest["value"])} | {
        name: _number(value) for name, value in shown.items()
    }


def _number(value: float | None) -> str:
    return "not a number" if value is None else f"{value:.6g}"


def link_of(team: str, context: str, what: str = "jobs") -> "Link":
    """To a team's jobs, or to its ``schedules``."""
    from ..link import Link, Place

    target = read_contexts().target(context)
    url = f"{target.url.rstrip('/')}/services/hubernate"
    return Link(Place(url, f"/api/v1/tenants/{segment(team)}/{what}", target.token))


def _find(team: str, job: str, context: str) -> "Job":
    from ..job import Job

    return Job.find(link_of(team, context), segment(job))


def told(what: str, args: list[str]) -> tuple[list[str], dict[str, str]]:
    """Arguments of a script, or a notebook's parameters."""
    if not what.endswith(".ipynb"):
        return args, {}
    if wrong := next((each for each in args if "=" not in each), None):
        raise InvalidInput("args", f"{wrong!r}: a notebook takes parameters, written name=value")
    return [], {name: value for name, _, value in (each.partition("=") for each in args)}


def _leave_by(job: "Job") -> None:
    done = job.wait().info
    sys.stderr.write(f"{done.id} {done.state}{': ' + done.why if done.why else ''}\n")
    if done.state != "succeeded":
        raise typer.Exit(1)
