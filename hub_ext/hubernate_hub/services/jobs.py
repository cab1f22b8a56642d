"""Jobs: asked for, looked at, ended. What runs them is `reconcile.jobs`."""

from dataclasses import dataclass, replace
from typing import Protocol

from hubernate_core.checkpoint import Checkpoint
from hubernate_core.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hubernate_core.job import Course, Event
from hubernate_core.job_chain import broken_by
from hubernate_core.job_request import JobRequest
from hubernate_core.job_view import Job
from hubernate_core.names import CheckpointId, JobId, TenantId, is_id
from hubernate_core.operation import Kind, Trigger
from hubernate_core.profile import Profile
from hubernate_core.quota import decide
from hubernate_core.server import ServerState
from hubernate_core.tenant import Tenant

from ..actor import Actor
from ..context import Work
from ..jobs.parts import JobParts
from ..store import checkpoints, jobs, servers, tenants
from ..store.jobs import JobRow
from ..store.servers import ServerRow
from . import awaited_save, ledger, team_images
from .deeds import Deed, note
from .job_checks import check_quota, check_waiting, wanted
from .job_costs import Bills
from .job_course import store
from .opening import Wish, open_operation


class Owned(Protocol):
    """What a person has in a tenant."""

    @property
    def tenant_id(self) -> TenantId:
        """The tenant's id."""

    @property
    def hub_name(self) -> str:
        """The person's name at the hub."""


@dataclass(frozen=True)
class Submitter:
    """Who asks, in one tenant. `server`: the notebook that they ask from; `governs`: an admin of the tenant."""

    tenant_id: TenantId
    user: str
    hub_name: str
    actor: Actor
    governs: bool = False
    server: ServerRow | None = None

    def sees(self, row: Owned) -> bool:
        """Whether it is theirs, or of the tenant that they govern."""
        return row.tenant_id == self.tenant_id and (self.governs or row.hub_name == self.hub_name)


def submit(work: Work, parts: JobParts, who: Submitter, request: JobRequest) -> JobRow:
    """The job of this id: a new one, or the one that the same request made before.

    Raises:
        InvalidInput, NotFound, NotAllowed: it cannot be run; nothing was stored.
        Conflict: the id is another job's, nothing runs that could be saved, or too many wait.
        OverQuota: it would not fit even if nothing ran.
    """
    row = tenants.lock(work.tx, who.tenant_id)
    if row is None or row.suspended:
        raise NotAllowed("that team is suspended; nothing was submitted. Ask an admin")
    before = jobs.lock(work.tx, request.id)
    if before is not None:
        if (before.hub_name, before.tenant_id, before.request) != (who.hub_name, who.tenant_id, request):
            raise Conflict(f"{request.id} is the id of another job; nothing was submitted. Choose another id")
        return before
    _check_after(work, who, request)
    check_waiting(work, parts, row.tenant, who.user)
    made = prepare(work, parts, row.tenant, who, request)
    jobs.add(work.tx, made)
    after = {"work": request.work.label, "env": request.env, "profile": made.profile.name}
    note(work, who.actor, Deed("job.submit", f"{who.user}/{request.label} {made.id}", who.tenant_id, after=after))
    return made


def _check_after(work: Work, who: Submitter, request: JobRequest) -> None:
    for job in request.after:
        try:
            find(work, who, job)
        except NotFound as problem:
            raise NotFound(f"after: {job!r}: {problem.message}; nothing was submitted") from problem
    if why := broken_by(jobs.before(work.tx, request.after).values()):
        raise Conflict(f"{why.replace('it was not started', 'nothing was submitted')}. Run that one again first")


def prepare(work: Work, parts: JobParts, tenant: Tenant, who: Submitter, request: JobRequest) -> JobRow:
    """A job as it would be stored; the save of its environment, if it needs one, is begun.

    Raises:
        InvalidInput, NotFound, NotAllowed, Conflict, OverQuota: it cannot be run.
    """
    if not request.files:
        raise InvalidInput("files", f"send the files of the job first; {request.work.label!r} is to be among them")
    parts.files.find(who.tenant_id, who.user, request.files)
    made = _environment(work, tenant, who, request)
    check_quota(work, tenant, made)
    return made


def _environment(work: Work, tenant: Tenant, who: Submitter, request: JobRequest) -> JobRow:
    """The job's row, with what it runs in as far as that is known already."""
    catalogue = work.context.catalogue
    chosen = catalogue.profile(request.profile, tenant) if request.profile else None
    kind, _, name = request.env.partition(":")
    if kind == "current":
        server = _running(who)
        opened = open_operation(work, server.id, Wish(Kind.SAVE, Trigger.JOB, by=who.user))
        row = _row(work, who, request, chosen or server.profile)
        return replace(row, server_id=server.id, operation_id=opened.operation.id)
    if kind == "checkpoint":
        found = _checkpoint_of(work, who, CheckpointId(name))
        row = _row(work, who, request, chosen or catalogue.profile(found.profile, tenant))
        return with_checkpoint(work, row, found)
    if kind == "image":
        image = team_images.profile_of(work, tenant, name)
        return replace(_row(work, who, request, chosen or image), image=image.image)
    profile = catalogue.profile(request.profile, tenant)
    return replace(_row(work, who, request, profile), image=profile.image)


def _row(work: Work, who: Submitter, request: JobRequest, profile: Profile) -> JobRow:
    return JobRow(
        id=request.id,
        tenant_id=who.tenant_id,
        user=who.user,
        hub_name=who.hub_name,
        request=request,
        course=Course(retries=request.retries),
        profile=profile,
        created_at=work.now,
    )


def _running(who: Submitter) -> ServerRow:
    if who.server is None:
        raise InvalidInput(
            "env", "'current' is the environment of the notebook that asks, and no notebook does; choose a checkpoint"
            " (checkpoint:ID), a team image (image:NAME) or a profile"
        )  # fmt: skip
    if who.server.state is not ServerState.RUNNING:
        raise Conflict("this notebook does not run any more; nothing was submitted", server=who.server.id)
    return who.server


def _checkpoint_of(work: Work, who: Submitter, checkpoint: CheckpointId) -> Checkpoint:
    found = checkpoints.get(work.tx, checkpoint)
    server = None if found is None else servers.get(work.tx, found.server_id)
    if found is None or server is None or (server.tenant_id, server.user) != (who.tenant_id, who.user):
        raise NotFound("you have no such checkpoint in this team; nothing was submitted")
    if not found.usable:
        raise Conflict("this checkpoint's image is missing from the registry; choose another. Nothing was submitted")
    return found


def with_checkpoint(work: Work, row: JobRow, found: Checkpoint) -> JobRow:
    """`row`, to run in a saved environment.

    Raises:
        Broken: the checkpoint's record is not ours.
    """
    work.context.signer.check(found)
    image = f"{work.context.settings.registry}/{found.repository}@{found.digest}"
    return replace(row, checkpoint_id=found.id, image=image)


def take_environment(work: Work, job: JobId) -> tuple[str, ...]:
    """A queued job whose environment was being saved goes on, or fails, once that save is over; which bells to ring.

    Raises:
        HubernateError: the environment has to be saved once more, which cannot be begun now; or its record is not ours.
    """
    row = jobs.lock(work.tx, job)
    if row is None or row.course.state.over or row.image or row.operation_id is None:
        return ()
    save = awaited_save.look(work, row.operation_id, row.created_at, row.user)
    if save is None:
        return ()
    if save.again is not None:
        jobs.save(work.tx, replace(row, operation_id=save.again.id))
        return f"job:{job}", f"node:{save.again.node}"
    if save.checkpoint is None:
        store(work, row, Event.REFUSED, f"the notebook's environment could not be saved: {save.problem}")
    else:
        jobs.save(work.tx, with_checkpoint(work, row, save.checkpoint))
    return (f"job:{job}",)


def admit(work: Work, job: JobId) -> JobRow | None:
    """The job, as one that is being started, if it still waits and fits; else None. The row is the reservation (P6)."""
    found = jobs.get(work.tx, job)
    tenant = None if found is None else tenants.lock(work.tx, found.tenant_id)
    row = jobs.lock(work.tx, job)
    if row is None or tenant is None or tenant.suspended or not row.image or row.course.state.over:
        return None
    if row.course.state.holds or decide(
        tenant.tenant.quota, ledger.held_in(work, tenant.tenant), row.user, wanted(row)
    ):
        return None
    # What is told of it is the new attempt's from now on.
    anew = replace(row, exit_code=None, outputs=(), left_out=(), log_bytes=0)
    return store(work, anew, Event.ADMITTED)


def cancel(work: Work, actor: Actor, row: JobRow) -> JobRow:
    """End a job: one that waits at once, one that runs once its container has ended; one that is over stays so."""
    held = jobs.lock(work.tx, row.id)
    if held is None or held.course.state.over or held.course.cancelling:
        return row if held is None else held
    made = store(work, replace(held, cancelled_by=actor.name), Event.CANCEL)
    note(work, actor, Deed("job.cancel", f"{row.user}/{row.request.label} {row.id}", row.tenant_id))
    return made


def rerun(work: Work, parts: JobParts, who: Submitter, row: JobRow, new: JobId) -> JobRow:
    """The same again under a new id, now, in the very environment in which it ran before. Raises as `submit`."""
    if row.hub_name != who.hub_name:
        raise NotAllowed("only who submitted a job can run it again: it runs in their environment, with their home")
    env = row.request.env if row.checkpoint_id is None else f"checkpoint:{row.checkpoint_id}"
    return submit(work, parts, who, row.request.model_copy(update={"id": new, "env": env, "after": ()}))


def find(work: Work, who: Submitter, job: str) -> JobRow:
    """A job that is the person's, or of a tenant that they govern.

    Raises:
        NotFound: the same for a foreign one as for one that does not exist.
    """
    row = jobs.get(work.tx, JobId(job)) if is_id(job) else None
    if row is None or not who.sees(row):
        raise NotFound("you have no such job in this team")
    return row


def show(work: Work, parts: JobParts | None, row: JobRow, bills: Bills | None = None, tenant: str = "") -> Job:
    """A job for people. `bills`, and the `tenant` by name: of several, where there are several to show."""
    bills = bills or Bills(work, [row.id])
    place = None if parts is None else parts.places.get(row.id)
    course = row.course
    waits = place if course.state == "queued" and row.image else None
    return Job(
        id=row.id,
        label=row.request.label,
        user=row.user,
        tenant=tenant or tenants.with_ids(work.tx, [row.tenant_id])[row.tenant_id].name,
        state=course.state,
        cancelling=course.cancelling,
        why=_why(row, _not_looked_at(row) if waits is None else waits.why),
        position=0 if waits is None else waits.position,
        of=0 if waits is None else waits.of,
        attempt=course.attempt,
        preempted=course.preempted,
        profile=row.profile.name,
        image=row.image,
        checkpoint_id=row.checkpoint_id,
        operation_id=row.operation_id,
        exit_code=row.exit_code,
        outputs=row.outputs,
        left_out=row.left_out,
        log_bytes=row.log_bytes,
        attempts=bills.attempts(row.id),
        cost=bills.total(row.id),
        currency=bills.currency,
        request=row.request,
        created_at=row.created_at,
        started_at=course.started_at,
        finished_at=course.finished_at,
    )


def _not_looked_at(row: JobRow) -> str:
    return f"It waits for {', '.join(row.request.after)} to succeed." if row.request.after else ""


def _why(row: JobRow, waits: str) -> str:
    course = row.course
    if course.state == "cancelled" or course.cancelling:
        return f"cancelled by {row.cancelled_by or 'the platform'}"
    if course.state == "queued":
        what = waits or "It starts as soon as it is its turn."
        if not row.image:
            what = "The notebook's environment is being saved; the notebook goes on."
        return f"Attempt {course.attempt}: {course.reason}. {what}" if course.reason else what
    return course.reason
