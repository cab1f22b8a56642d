"""Commands for schedules, among those of jobs. The SDK does the work."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .jobs import link_of, told
from .output import Context, Form, Output, show
from .platform_api import segment
from .teams import Team

if TYPE_CHECKING:
    from ..timetable import Schedule

app = typer.Typer()
Id = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Id of the schedule.")]
_COLUMNS = [("SCHEDULE", "id"), ("WHAT", "label"), ("PERSON", "user"), ("CRON", "request.cron"), ("NEXT", "first")]
_COLUMNS += [("NEWEST RUN", "job_state"), ("PROBLEM", "problem")]


@app.command(context_settings={"ignore_unknown_options": True})
def schedule(  # noqa: PLR0913  each is an option of the command
    team: Team,
    what: Annotated[str, typer.Argument(help="Script (.py, .sh) or notebook (.ipynb) of the current folder.")],
    args: Annotated[list[str] | None, typer.Argument(help="Of the script; name=value for a notebook.")] = None,
    cron: Annotated[str, typer.Option(help="Minute, hour, day of month, month, day of week.")] = "",
    zone: Annotated[str, typer.Option(help="IANA time zone of those.")] = "UTC",
    overlap: Annotated[str, typer.Option(help="While the run before goes on: skip, wait or replace.")] = "skip",
    missed: Annotated[str, typer.Option(help="After downtime: once or skip.")] = "once",
    webhook: Annotated[str, typer.Option(help="URL to call when a run fails, and when one succeeds again.")] = "",
    mail: Annotated[list[str] | None, typer.Option(help="Address to write to then; again for more.")] = None,
    profile: Annotated[str, typer.Option(help="Resources; with --env profile also the image.")] = "",
    env: Annotated[str, typer.Option(help="profile, checkpoint:ID or image:NAME.")] = "profile",
    file: Annotated[list[str] | None, typer.Option(help="File, folder or pattern to send; again for more.")] = None,
    output: Annotated[list[str] | None, typer.Option(help="File or folder to keep; again for more.")] = None,
    priority: Annotated[str, typer.Option(help="high, normal or low.")] = "normal",
    retries: Annotated[int, typer.Option(help="Further attempts after one that failed.")] = 0,
    timeout_s: Annotated[int, typer.Option(help="Seconds that one attempt may run.")] = 24 * 3600,
    context: Context = "",
) -> None:
    """Run a job by the clock.

    Example: hubernate jobs schedule physics report.ipynb day={yesterday} --cron '0 7 * * 1-5' --zone Europe/Berlin
    --profile base
    """
    from ..job import work_of
    from ..timetable import schedule_by

    timing: dict[str, Any] = {"cron": cron, "zone": zone, "overlap": overlap, "missed": missed, "env": env}
    timing["notify"] = {"webhook": webhook, "mail": mail or []}
    job: dict[str, Any] = {"profile": profile, "outputs": output or [], "priority": priority}
    links = link_of(team, context, "schedules"), link_of(team, context)
    work = work_of(what, *told(what, args or []))
    made = schedule_by(*links, work, file or None, timing, **job, retries=retries, timeout_s=timeout_s)
    typer.echo(made.id)


@app.command()
def schedules(
    team: Team,
    everyone: Annotated[bool, typer.Option(help="Everybody's, for admins of the team.")] = False,
    context: Context = "",
    output: Output = Form.TABLE,
) -> None:
    """List your schedules with their next times. Example: hubernate jobs schedules physics"""
    found = link_of(team, context, "schedules").get("", everyone="true" if everyone else None)["items"]
    if output is Form.TABLE:
        found = [each | {"first": each["next"][0] if each["next"] else "paused"} for each in found]
    show(found, output, _COLUMNS)


@app.command()
def pause(team: Team, schedule: Id, context: Context = "") -> None:
    """Let no further times run. Example: hubernate jobs pause physics k3x9q0v2mz"""
    _find(team, schedule, context).pause()
    typer.echo(f"{schedule} is paused.")


@app.command()
def resume(team: Team, schedule: Id, context: Context = "") -> None:
    """Go on with the next time. Example: hubernate jobs resume physics k3x9q0v2mz"""
    found = _find(team, schedule, context).resume()
    typer.echo(f"{schedule} runs next at {found.info.next[0]}.")


@app.command()
def unschedule(team: Team, schedule: Id, context: Context = "") -> None:
    """Delete a schedule; what runs goes on. Example: hubernate jobs unschedule physics k3x9q0v2mz"""
    _find(team, schedule, context).delete()
    typer.echo(f"{schedule} is deleted.")


def _find(team: str, schedule: str, context: str) -> "Schedule":
    from ..timetable import Schedule

    return Schedule.find(link_of(team, context, "schedules"), segment(schedule))
