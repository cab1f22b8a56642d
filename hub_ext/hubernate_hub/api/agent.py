"""For agents: ``/api/v1/agent``. A token is good for one node and its operations."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends

from hubernate_core.errors import HubernateError, NotAllowed
from hubernate_core.names import OperationId
from hubernate_core.operation import Step
from hubernate_core.wire import Answer, Orders, Poll, Report

from .. import bell
from ..context import Context
from ..fleet import Key
from ..kube.parts import KubeParts
from ..services import activity, pods, polling, reporting
from .auth import AgentNode, ContextOf
from .body import reads, takes
from .telling import tell_hub_stopped

router = APIRouter(prefix="/api/v1/agent", tags=["agent"])
_AGAIN_S = 2.0


@router.post("/poll", openapi_extra=takes(Poll))
async def poll(context: ContextOf, node: AgentNode, body: Annotated[Poll, Depends(reads(Poll))]) -> Orders:
    """Ask for work and say what is on the node. Answers at once when there is news, else after `wait_s`."""
    _own(node, body.node)
    deadline = time.monotonic() + body.wait_s
    cores = context.fleet.heard(body, context.clock())
    busy: list[Key] = await context.read(activity.busy_on_cpu, cores) if cores else []
    await context.write(polling.hear, body, busy)
    while True:
        with context.bell.listen(f"node:{node}") as rung:
            orders = await context.read(polling.orders_for, body)
            left = deadline - time.monotonic()
            if left <= 0 or context.stopping or _is_news(context, node, orders):
                return _told(context, node, orders)
            await bell.wait(rung, min(left, _AGAIN_S) if orders.orders else left)


def _is_news(context: Context, node: str, orders: Orders) -> bool:
    """Whether `orders` holds what the agent was not just told; without this an agent at its cap would spin."""
    known = context.fleet.node(node)
    if known is None or known.told is None:
        return orders != Orders()
    if orders == known.told:
        return bool(orders.orders) and time.monotonic() - known.told_at >= _AGAIN_S
    return orders != Orders()


def _told(context: Context, node: str, orders: Orders) -> Orders:
    known = context.fleet.node(node)
    if known is not None:
        known.told, known.told_at = orders, time.monotonic()
    return orders


@router.post("/operations/{operation}/report", openapi_extra=takes(Report))
async def report(
    context: ContextOf, node: AgentNode, operation: str, body: Annotated[Report, Depends(reads(Report))]
) -> Answer:
    """Say what was done. Repeating a report is harmless; an older generation is refused with 409."""
    _own(node, body.node)
    context.on_step(f"{body.step}:before")
    try:
        if context.kube is not None and body.step is Step.RELEASED and not body.kept:
            await _remove_pod(context, context.kube, OperationId(operation), body)
        done = await context.write(reporting.report, OperationId(operation), body)
    except HubernateError:
        context.metrics.reports_refused.inc()
        raise
    context.on_step(f"{body.step}:after")
    if done.ended is not None:
        context.metrics.operation_ended(done.ended)
        context.bell.ring(f"node:{node}", "queue", "jobs")  # the agent has room for another order, the team for a start
    context.bell.ring(f"operation:{operation}", f"server:{done.server.id}")
    if done.tell_hub:
        await tell_hub_stopped(context, done.server)
    return done.answer.model_copy(update={"deleting": context.sight.deleting(done.server)})


async def _remove_pod(context: Context, kube: KubeParts, operation: OperationId, body: Report) -> None:
    """ "Stopped" is said after it is true: the pod is gone before the report is taken (0002, "A stop")."""
    pod = await context.read(pods.pod_to_remove, operation, body)
    if pod is not None:
        await kube.pods.remove(pod)


def _own(node: str, named: str) -> None:
    if node != named:
        raise NotAllowed(f"this token is the agent's of another node than {named!r}")
