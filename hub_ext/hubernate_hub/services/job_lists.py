"""What a member sees around jobs: who stands in the team's line, and what a job may be made of."""

from sys import maxsize

from hubernate_core.errors import NotFound
from hubernate_core.job import JobState
from hubernate_core.job_form import Choice, JobKind
from hubernate_core.job_form import kinds as kinds_of
from hubernate_core.job_view import JobInLine
from hubernate_core.tenant import Tenant

from ..context import Work
from ..jobs.parts import JobParts
from ..store import checkpoints, jobs, servers, tenants
from ..store.jobs import AtWork
from . import team_images
from .jobs import Submitter

_SHOWN = 200
_CHECKPOINTS = 20


def line(work: Work, parts: JobParts, who: Submitter) -> list[JobInLine]:
    """Jobs of the tenant that run, and then those that wait, first those that start first."""

    def show(row: AtWork) -> JobInLine:
        place = parts.places.get(row.id) if row.state is JobState.QUEUED else None
        return JobInLine(
            id=row.id,
            user=row.user,
            yours=row.hub_name == who.hub_name,
            state=row.state,
            priority=row.priority,
            profile=row.profile,
            position=0 if place is None else place.position,
            of=0 if place is None else place.of,
            why="" if place is None else place.why,
            created_at=row.created_at,
            started_at=row.started_at,
        )

    shown = map(show, jobs.at_work(work.tx, who.tenant_id))
    return sorted(shown, key=lambda each: (each.state is JobState.QUEUED, each.position or maxsize))[:_SHOWN]


def kinds(work: Work, who: Submitter) -> tuple[JobKind, ...]:
    """The kinds of jobs with what this person may choose.

    Raises:
        NotFound: the tenant is gone.
    """
    tenant = tenants.with_ids(work.tx, [who.tenant_id]).get(who.tenant_id)
    if tenant is None:
        raise NotFound("that team is gone")
    allowed = work.context.catalogue.allowed(tenant)
    profiles = [Choice(value=each.name, title=f"{each.title} ({each.name})") for each in allowed.values()]
    return kinds_of(profiles, _environments(work, tenant, who))


def _environments(work: Work, tenant: Tenant, who: Submitter) -> list[Choice]:
    found = [Choice(value="profile", title="A profile's own, as it comes")]
    if who.server is not None:
        found.insert(0, Choice(value="current", title="This notebook's, as it is now"))
    for name, (image, _) in team_images.startable(work, tenant).items():
        found.append(Choice(value=f"image:{name}", title=f"Team image {image.title or name}"))
    mine = servers.of_user(work.tx, who.user, who.hub_name)
    here = [each.id for each in mine if each.tenant_id == who.tenant_id]
    usable = [each for each in checkpoints.of_servers(work.tx, here) if each.usable]
    for each in usable[:_CHECKPOINTS]:
        named = f", {each.name}" if each.name else ""
        found.append(
            Choice(value=f"checkpoint:{each.id}", title=f"Checkpoint of {each.created_at:%Y-%m-%d %H:%M} UTC{named}")
        )
    return found
