"""Removes what deleted tenants left: rows and images at once, homes with the namespace or by an agent."""

import logging

from ..apart import apart
from ..context import Context
from ..kube.parts import KubeParts
from ..services import departures
from ..store import departures as rows
from ..store.departures import Departure

_log = logging.getLogger(__name__)


async def remove_what_is_left(context: Context) -> None:
    """One round over every deleted tenant; one of which something cannot be removed now keeps nobody else's."""
    leaving = await context.read(departures.under_way)
    for each in leaving:
        which = {"tenant": each.tenant_id, "namespace": each.namespace}
        with apart(context.metrics, "departures", "what a deleted tenant left stays for now", **which):
            context.on_step("departure:before")
            await context.write(departures.let_go, each.tenant_id)
            context.on_step("departure:after")
            if context.kube is not None:
                await _remove_namespace(context, context.kube, each)
    if leaving:
        context.bell.ring(*(f"node:{node}" for node in context.fleet.nodes()))


async def _remove_namespace(context: Context, kube: KubeParts, left: Departure) -> None:
    if left.namespace and not await kube.spaces.remove(left.tenant_id, left.namespace):
        return
    await context.store.write(rows.homes_gone, left.tenant_id)
    if await context.write(departures.finish, left.tenant_id):
        _log.info("nothing of a deleted tenant is left", extra={"tenant": left.tenant_id})
