"""The pages of jobs: the person's in each team, everybody's for admins of one; one job with the end of its log."""

import asyncio
import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from hubernate_core.job_view import Job
from hubernate_core.names import is_id
from hubernate_core.quantity import show_bytes
from hubernate_core.tenant import Tenant

from ..api.access import Door, Standing, standing_in
from ..api.auth import ContextOf, SignedIn
from ..api.jobs import Which
from ..api.jobs import page as job_page
from ..api.sessions import Person
from ..context import Work
from ..jobs import logs, measures
from ..services import jobs as use_cases
from ..services.jobs import Submitter
from ..store import tenants
from .curves import Curve, curve
from .render import page
from .views import moment

router = APIRouter(include_in_schema=False)
_TEAMS, _JOBS = 100, 50
_TAIL_BYTES = 64 * 1024
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


@router.get("/jobs")
async def job_list(
    request: Request, context: ContextOf, person: SignedIn, everyone: bool = False, group: str = ""
) -> Response:
    """The person's jobs, team by team; with `everyone`, all of those teams that they govern; those of one `group`."""
    door, group = Door(person, Standing.MEMBER), group if is_id(group) else ""

    def use(work: Work) -> dict[str, Any]:
        found: list[tuple[Tenant, list[tuple[Job, Any]]]] = []
        governs = False
        for row in tenants.page(work.tx, after="", limit=_TEAMS, contains="", only=door.mine(work)):
            who = who_is(work, door, row)
            governs = governs or who.governs
            which = Which(everyone=everyone and who.governs, group=group, limit=_JOBS)
            jobs = job_page(work, who, which).items
            if jobs:
                found.append((row, [(each, moment(each.created_at, work.now)) for each in jobs]))
        return {"teams": found, "governs": governs, "everyone": everyone and governs, "group": group}

    values = await context.read(use)
    return await page(request, context, "jobs.html", person=person, there=context.jobs is not None, **values)


@router.get("/jobs/{tenant}/{job}")
async def one_job(request: Request, context: ContextOf, person: SignedIn, tenant: str, job: str) -> Response:
    """One job: what it is, where it stands, the end of its log, what it left."""
    door = Door(person, Standing.MEMBER)

    def use(work: Work) -> dict[str, Any]:
        who = who_is(work, door, door.tenant(work, tenant).tenant)
        row = use_cases.find(work, who, job)
        times: dict[str, Any] = {"created": moment(row.created_at, work.now)}
        for name, at in (("started", row.course.started_at), ("finished", row.course.finished_at)):
            times[name] = moment(at, work.now) if at else None
        return {"job": use_cases.show(work, context.jobs, row), "times": times, "yours": row.hub_name == who.hub_name}

    values = await context.read(use)
    found: Job = values["job"]
    log, size = "", 0
    if context.jobs is not None:
        folder = context.jobs.log_of(found.id, found.attempt)
        log = readable(await asyncio.to_thread(logs.tail, folder, _TAIL_BYTES))
        size = await asyncio.to_thread(logs.size_of, folder)
    curves: list[Curve] = []
    if context.jobs is not None:
        curves = await asyncio.to_thread(_curves, context.jobs.metrics_of(found.id, found.attempt))
    sizes = [(each, show_bytes(each.size)) for each in found.outputs]
    shown = {
        "log": log,
        "log_size": show_bytes(size),
        "cut": size > _TAIL_BYTES,
        "outputs": sizes,
        "tenant": tenant,
        "curves": curves,
    }
    return await page(request, context, "job.html", person=person, **values, **shown)


def _curves(kept: Path) -> list[Curve]:
    return [curve(each, number) for number, each in enumerate(measures.read(kept).series)]


def who_is(work: Work, door: Door, tenant: Tenant) -> Submitter:
    """The person who looks, in one tenant."""
    person: Person = door.person
    standing = standing_in(work, person, tenant.id)
    governs = standing >= Standing.TENANT_ADMIN
    return Submitter(tenant.id, person.user, person.hub_name, door.actor(standing), governs)


def readable(content: bytes) -> str:
    """A log as a page shows it: without colours, a progress bar as it was last drawn, nothing invisible."""
    text = _ESCAPES.sub("", content.decode(errors="replace")).replace("\r\n", "\n")
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return "\n".join("".join(char if char.isprintable() or char == "\t" else "·" for char in line) for line in lines)
