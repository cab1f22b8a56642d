"""Schedules of jobs, for members. The same routes for notebooks (by relay) and for people."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from hubernate_core.errors import NotAllowed
from hubernate_core.schedule_request import Schedule, ScheduleRequest

from ..context import Work
from ..services import schedules as use_cases
from ..services.jobs import Submitter
from ..store import operations, schedules
from .access import Standing
from .auth import ContextOf
from .body import reads, takes
from .door import needs
from .jobs import Parts, member, notebook
from .paging import Limit, Offset


class Schedules(BaseModel):
    """One page of schedules, newest first."""

    items: list[Schedule]
    total: int


class Secret(BaseModel):
    """What calls of a webhook are signed with."""

    secret: str = Field(description="key of the HMAC in 'Hubernate-Signature'; 64 hexadecimal digits, used as text")


def _make(prefix: str, who: Callable[..., Awaitable[Submitter]], extra: dict[str, Any]) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["schedules"])
    asking = Annotated[Submitter, Depends(who)]
    _making(router, asking)
    _looking(router, asking)
    for route in router.routes:
        if isinstance(route, APIRoute):
            route.openapi_extra = (route.openapi_extra or {}) | extra
    return router


def _making(router: APIRouter, Asking: Any) -> None:
    @router.post("", status_code=201, openapi_extra=takes(ScheduleRequest))
    async def schedule(
        context: ContextOf,
        parts: Parts,
        who: Asking,
        body: Annotated[ScheduleRequest, Depends(reads(ScheduleRequest))],
    ) -> Schedule:
        """Schedule a job. The same request again is answered with the same schedule."""

        def use(work: Work) -> tuple[Schedule, str]:
            row = use_cases.create(work, parts, who, body)
            found = None if row.operation_id is None else operations.get(work.tx, row.operation_id)
            return use_cases.show(work, row), "" if found is None else found.operation.node

        shown, node = await context.write(use)
        context.bell.ring("schedules", *([f"node:{node}"] if node else []))
        return shown

    async def switch(context: ContextOf, who: Submitter, schedule: str, *, on: bool) -> Schedule:
        def use(work: Work) -> Schedule:
            row = use_cases.switch(work, who.actor, use_cases.find(work, who, schedule), on=on)
            return use_cases.show(work, row)

        return await context.write(use)

    @router.post("/{schedule}/pause")
    async def pause(context: ContextOf, who: Asking, schedule: str) -> Schedule:
        """No further times run, until it is resumed. What runs goes on."""
        return await switch(context, who, schedule, on=False)

    @router.post("/{schedule}/resume")
    async def resume(context: ContextOf, who: Asking, schedule: str) -> Schedule:
        """Go on with the next time; those that came meanwhile are not made up for."""
        return await switch(context, who, schedule, on=True)

    @router.delete("/{schedule}", status_code=204)
    async def unschedule(context: ContextOf, who: Asking, schedule: str) -> Response:
        """Delete a schedule. Its runs stay, also one that goes on."""

        def use(work: Work) -> None:
            use_cases.remove(work, who.actor, use_cases.find(work, who, schedule))

        await context.write(use)
        return Response(status_code=204)


def _looking(router: APIRouter, Asking: Any) -> None:
    @router.get("")
    async def list_schedules(
        context: ContextOf, who: Asking, everyone: bool = False, limit: Limit = 100, offset: Offset = 0
    ) -> Schedules:
        """Your schedules in the team; with `everyone`, for its admins, all."""
        if everyone and not who.governs:
            raise NotAllowed("only admins of the team see everyone's schedules")
        return await context.read(page, who, everyone=everyone, limit=limit, offset=offset)

    @router.get("/{schedule}")
    async def one_schedule(context: ContextOf, who: Asking, schedule: str) -> Schedule:
        """One schedule, with its next times and why the newest did not run."""
        return await context.read(lambda work: use_cases.show(work, use_cases.find(work, who, schedule)))

    @router.get("/{schedule}/secret")
    async def secret(context: ContextOf, who: Asking, schedule: str) -> Secret:
        """The secret of a schedule of yours, by which its webhook knows us."""
        found = await context.read(lambda work: use_cases.secret(work, who, use_cases.find(work, who, schedule)))
        return Secret(secret=found)


def page(work: Work, who: Submitter, *, everyone: bool, limit: int, offset: int) -> Schedules:
    """A page of a tenant's schedules, of one person or of all."""
    name = None if everyone else who.hub_name
    rows, total = schedules.page(work.tx, who.tenant_id, hub_name=name, limit=limit, offset=offset)
    return Schedules(items=use_cases.show_each(work, rows), total=total)


relay = _make("/api/v1/relay/schedules", notebook, {})
people = _make("/api/v1/tenants/{tenant}/schedules", member, needs(Standing.MEMBER))
