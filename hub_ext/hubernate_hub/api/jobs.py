"""Jobs, for members: submitted, looked at, ended. The same routes for notebooks (by relay) and for people."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core.errors import Conflict, NotAllowed, NotFound
from hubernate_core.job_files import RESULT_FILE
from hubernate_core.job_form import JobKind
from hubernate_core.job_metrics import Metrics
from hubernate_core.job_request import JobRequest
from hubernate_core.job_view import Job, JobInLine
from hubernate_core.names import JobId

from .. import bell
from ..actor import Actor
from ..context import Context, Work
from ..jobs import logs, measures
from ..jobs.parts import JobParts
from ..services import job_lists
from ..services import jobs as use_cases
from ..services.job_costs import Bills
from ..services.jobs import Submitter
from ..store import jobs, operations, tenants
from ..store.jobs import JobRow
from .access import Standing, standing_in
from .auth import ContextOf, RelayedServer
from .body import reads, takes
from .door import Entered, needs

Wait = Annotated[float, Query(ge=0, le=30, description="seconds to wait for news")]
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="sha256 of the tar")]
_BYTES = {"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff"}


class Jobs(BaseModel):
    """One page of jobs, newest first."""

    items: list[Job]
    total: int


class Which(BaseModel):
    """Which jobs a list has."""

    everyone: bool = Field(False, description="everybody's, for admins of the team")
    group: str = Field("", pattern=r"^([a-z][a-z0-9]{9})?$", description="only those of a sweep")
    limit: int = Field(100, ge=1, le=500)
    offset: int = Field(0, ge=0, le=1_000_000)


class Piece(BaseModel):
    """Which piece of a log."""

    offset: int = Field(0, ge=0, le=2**62, description="bytes from the beginning")
    tail: int = Field(0, ge=0, le=2**62, description="not before the last so many bytes; 0: all")
    wait_s: float = Field(0, ge=0, le=30, description="seconds to wait for news")


class JobLine(BaseModel):
    """Jobs of a team that run, and then those that wait, first those that start first; at most 200."""

    items: list[JobInLine]


class JobKinds(BaseModel):
    """Every kind of job."""

    kinds: list[JobKind]


class NewId(BaseModel):
    """The id of the job that is to be made, as in `JobRequest`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: JobId = Field(pattern=r"^[a-z][a-z0-9]{9}$")


async def job_parts(context: ContextOf) -> JobParts:
    if context.jobs is None:
        raise Conflict(
            "this platform runs on Kubernetes, and jobs run on the Docker backend only so far; nothing was submitted."
            " Until they are there, run the program in a notebook"
        )
    return context.jobs


Parts = Annotated[JobParts, Depends(job_parts)]


async def notebook(row: RelayedServer) -> Submitter:
    """The owner of the notebook that asks, in the tenant it runs in."""
    return Submitter(row.tenant_id, row.user, row.hub_name, Actor(row.hub_name, "owner", origin="notebook"), server=row)


async def member(context: ContextOf, door: Entered, tenant: str) -> Submitter:
    """The person in the tenant of this name. Raises as `Door.tenant`."""

    def use(work: Work) -> Submitter:
        row, person = door.tenant(work, tenant), door.person
        standing = standing_in(work, person, row.id)
        governs = standing >= Standing.TENANT_ADMIN
        return Submitter(row.id, person.user, person.hub_name, door.actor(standing), governs)

    return await context.read(use)


def _make(prefix: str, who: Callable[..., Awaitable[Submitter]], extra: dict[str, Any]) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["jobs"])
    asking = Annotated[Submitter, Depends(who)]
    for add in (_submitting, _looking, _kept):
        add(router, asking)
    for route in router.routes:
        if isinstance(route, APIRoute):
            route.openapi_extra = (route.openapi_extra or {}) | extra
    return router


def _submitting(router: APIRouter, Asking: Any) -> None:
    @router.put("/files/{digest}", status_code=204)
    async def send_files(request: Request, context: ContextOf, parts: Parts, who: Asking, digest: Digest) -> Response:
        """Send a tar with the files of a job, once; a job names them by their sha256. Only files and folders."""
        await parts.files.keep(parts.files.path(who.tenant_id, who.user, digest), request.stream())
        return Response(status_code=204)

    @router.post("", status_code=202, openapi_extra=takes(JobRequest))
    async def submit(
        context: ContextOf, parts: Parts, who: Asking, body: Annotated[JobRequest, Depends(reads(JobRequest))]
    ) -> Job:
        """Submit a job. The same request again is answered with the same job."""
        return await _submitted(context, parts, lambda work: use_cases.submit(work, parts, who, body))

    @router.post("/{job}/rerun", status_code=202, openapi_extra=takes(NewId))
    async def rerun(
        context: ContextOf, parts: Parts, who: Asking, job: str, body: Annotated[NewId, Depends(reads(NewId))]
    ) -> Job:
        """Run a job of yours again, as a new one, in the very environment that it ran in."""

        def use(work: Work) -> JobRow:
            return use_cases.rerun(work, parts, who, use_cases.find(work, who, job), body.id)

        return await _submitted(context, parts, use)


def _looking(router: APIRouter, Asking: Any) -> None:
    @router.get("")
    async def list_jobs(context: ContextOf, parts: Parts, who: Asking, which: Annotated[Which, Query()]) -> Jobs:
        """Your jobs in the team; with `everyone`, for its admins, all."""
        if which.everyone and not who.governs:
            raise NotAllowed("only admins of the team see everyone's jobs")
        return await context.read(page, who, which)

    @router.get("/line")
    async def line(context: ContextOf, parts: Parts, who: Asking) -> JobLine:
        """Who waits and who runs in the team, for each member: whose job it is and what it takes, not what it does."""
        return JobLine(items=await context.read(job_lists.line, parts, who))

    @router.get("/kinds")
    async def kinds(context: ContextOf, parts: Parts, who: Asking) -> JobKinds:
        """The kinds of jobs, each with the JSON Schema of a request: what a form asks, and what you may choose from."""
        return JobKinds(kinds=await context.read(job_lists.kinds, who))

    @router.get("/{job}")
    async def one_job(
        context: ContextOf,
        parts: Parts,
        who: Asking,
        job: str,
        wait_s: Wait = 0,
        known: Annotated[str, Query(max_length=20, description="answer once the state is another")] = "",
    ) -> Job:
        """One job: at once, or with `wait_s` once its state is not `known` any more."""
        with context.bell.listen(f"job:{job}") as rung:
            found = await context.read(_show, who, job)
            while wait_s > 0 and found.state == known and not found.state.over and not context.stopping:
                if not await bell.wait(rung, wait_s):
                    break
                found = await context.read(_show, who, job)
        return found

    @router.post("/{job}/cancel", status_code=202)
    async def cancel(context: ContextOf, parts: Parts, who: Asking, job: str) -> Job:
        """End a job. It is `cancelled` once nothing of it runs any more; one that is over stays as it is."""

        def use(work: Work) -> Job:
            row = use_cases.cancel(work, who.actor, use_cases.find(work, who, job))
            return use_cases.show(work, parts, row)

        found = await context.write(use)
        context.bell.ring(f"job:{job}", f"end:{job}", "jobs")
        return found


def _kept(router: APIRouter, Asking: Any) -> None:
    @router.get("/{job}/log", response_class=Response)
    async def log(
        context: ContextOf,
        parts: Parts,
        who: Asking,
        job: str,
        piece: Annotated[Piece, Query()],
    ) -> Response:
        """At most 1 MiB of the newest attempt's log from `offset` on, or within its last `tail` bytes, as it was
        written. `Log-Next` is where it goes on, `Log-Attempt` says which attempt it is, and `Log-Over` is there when
        nothing will come after it."""
        with context.bell.listen(f"job:{job}") as rung:
            row = await context.read(use_cases.find, who, job)
            offset = piece.offset
            if piece.tail:
                offset = max(offset, logs.size_of(parts.log_of(row.id, row.course.attempt)) - piece.tail)
            part = logs.read(parts.log_of(row.id, row.course.attempt), offset)
            if not part.content and piece.wait_s > 0 and not row.course.state.over:
                await bell.wait(rung, piece.wait_s)
                row = await context.read(use_cases.find, who, job)
                part = logs.read(parts.log_of(row.id, row.course.attempt), offset)
        headers = _BYTES | {"Log-Next": str(part.next), "Log-Attempt": str(row.course.attempt)}
        if row.course.state.over and part.next >= logs.size_of(parts.log_of(row.id, row.course.attempt)):
            headers["Log-Over"] = "yes"
        return Response(part.content, headers=headers)

    @router.get("/{job}/metrics")
    async def metrics(context: ContextOf, parts: Parts, who: Asking, job: str) -> Metrics:
        """What the newest attempt said of itself by `hubernate.log_metric`, also while it runs. Of a long series
        points in between are left out; `value` is null where it was no finite number."""
        row = await context.read(use_cases.find, who, job)
        return await asyncio.to_thread(measures.read, parts.metrics_of(row.id, row.course.attempt))

    @router.get("/{job}/output", response_class=Response)
    async def output(
        context: ContextOf, parts: Parts, who: Asking, job: str, path: Annotated[str, Query(max_length=4096)]
    ) -> Response:
        """A file that was kept of a job: one of its `outputs`."""
        row = await context.read(use_cases.find, who, job)
        if path not in {each.path for each in row.outputs}:
            raise NotFound("no such output was kept of this job")
        if path == RESULT_FILE and row.request.work.kind == "function" and row.hub_name != who.hub_name:
            raise NotAllowed(
                "only who submitted a job reads what its function returned: to unpickle it runs what they wrote"
            )
        name = path.rpartition("/")[2]
        kept = parts.outputs_of(row.id, row.course.attempt) / path
        return FileResponse(kept, filename=name, media_type="application/octet-stream", headers=_BYTES)


async def _submitted(context: Context, parts: JobParts, make: Callable[[Work], JobRow]) -> Job:
    def use(work: Work) -> tuple[Job, str]:
        row = make(work)
        found = None if row.operation_id is None else operations.get(work.tx, row.operation_id)
        return use_cases.show(work, parts, row), "" if found is None else found.operation.node

    shown, node = await context.write(use)
    topics = [f"node:{node}", f"operation:{shown.operation_id}"] if node else []
    context.bell.ring("jobs", *topics)
    return shown


def page(work: Work, who: Submitter, which: Which) -> Jobs:
    """A page of a tenant's jobs."""
    rows, total = jobs.page(
        work.tx,
        who.tenant_id,
        hub_name=None if which.everyone else who.hub_name,
        group=which.group,
        limit=which.limit,
        offset=which.offset,
    )
    bills = Bills(work, [row.id for row in rows])
    tenant = tenants.with_ids(work.tx, [who.tenant_id])[who.tenant_id].name
    return Jobs(items=[use_cases.show(work, work.context.jobs, row, bills, tenant) for row in rows], total=total)


def _show(work: Work, who: Submitter, job: str) -> Job:
    return use_cases.show(work, work.context.jobs, use_cases.find(work, who, job))


relay = _make("/api/v1/relay/jobs", notebook, {})
people = _make("/api/v1/tenants/{tenant}/jobs", member, needs(Standing.MEMBER))
