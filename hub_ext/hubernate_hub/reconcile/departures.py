"""Removes what deleted tenants left: rows and images at once, homes with the namespace or by an agent."""

import logging

from hubernate_core.errors import Conflict

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
            if context.kube is not None and each.namespace:
                await _check_nothing_runs(context.kube, each.namespace)
            context.on_step("departure:before")
            await context.write(departures.let_go, each.tenant_id)
            context.on_step("departure:after")
            if context.kube is not None:
                await _remove_namespace(context, context.kube, each)
    if leaving:
        context.bell.ring(*(f"node:{node}" for node in context.fleet.nodes()))


async def _check_nothing_runs(kube: KubeParts, namespace: str) -> None:
    """Of what the API server has now, whatever any watch told: with the namespace its pods would go.

    Raises:
        Conflict: a pod may hold work.  Unavailable: the API server does not answer.
    """
    begun = await kube.pods.begun_in(namespace)
    if begun:
        raise Conflict(
            f"{', '.join(begun[:5])} in namespace {namespace} may hold unsaved work; nothing was removed. Look at what"
            " they hold, then delete them"
        )


async def _remove_namespace(context: Context, kube: KubeParts, left: Departure) -> None:
    if left.namespace and not await kube.spaces.remove(left.tenant_id, left.namespace):
        return
    await context.store.write(rows.homes_gone, left.tenant_id)
    if await context.write(departures.finish, left.tenant_id):
        _log.info("nothing of a deleted tenant is left", extra={"tenant": left.tenant_id})
