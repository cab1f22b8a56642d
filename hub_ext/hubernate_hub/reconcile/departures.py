"""Removes what deleted tenants left: rows and images at once, homes with the namespace or by an agent."""

import logging

from hubernate_core.errors import HubernateError

from ..context import Context
from ..services import departures
from ..store import departures as rows

_log = logging.getLogger(__name__)


async def remove_what_is_left(context: Context) -> None:
    """One round over every deleted tenant; one whose namespace cannot be removed now keeps nobody else's."""
    leaving = await context.read(departures.under_way)
    for each in leaving:
        context.on_step("departure:before")
        await context.write(departures.let_go, each.tenant_id)
        context.on_step("departure:after")
        if context.kube is not None:
            try:
                if each.namespace and not await context.kube.spaces.remove(each.tenant_id, each.namespace):
                    continue
            except HubernateError as problem:
                what = {"tenant": each.tenant_id, "namespace": each.namespace, "problem": problem.message}
                _log.warning("a deleted tenant's namespace stays for now", extra=what)
                continue
            await context.store.write(rows.homes_gone, each.tenant_id)
            if await context.write(departures.finish, each.tenant_id):
                _log.info("nothing of a deleted tenant is left", extra={"tenant": each.tenant_id})
    if leaving:
        context.bell.ring(*(f"node:{node}" for node in context.fleet.nodes()))
