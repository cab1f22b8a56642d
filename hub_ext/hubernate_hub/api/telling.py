"""Telling the hub that a server goes away: only once its state is recorded, so that nobody is cut off in vain."""

import logging

from hubernate_core.errors import HubernateError

from ..context import Context
from ..store.servers import ServerRow

_log = logging.getLogger(__name__)


async def tell_hub_stopped(context: Context, server: ServerRow) -> None:
    """Ask the hub to stop a server; its `Spawner.stop` then joins the operation.

    A hub that is away finds out by itself: the container's end is what it polls for.
    """
    try:
        await context.hub.stop_server(server.hub_name, server.name)
    except HubernateError as problem:
        _log.warning("the hub was not told of a stop", extra={"server": server.id, "error": problem.message})
