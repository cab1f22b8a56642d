"""Events on pods, on Kubernetes: `kubectl describe` shows which operation saves a server and what came of it.

For people alone: what cannot be told is logged and holds nothing up.
"""

import logging
from datetime import datetime, timedelta

from hubernate_core.errors import Broken, Conflict, NotFound
from hubernate_core.manifests.events import PodRef, make_events
from hubernate_core.names import KUBE_INSTANCE, KUBE_SERVER, KUBE_TENANT, server_pod

from ..context import Context, Work
from ..kube.errors import Refused
from ..kube.parts import KubeParts
from ..kube.resources import EVENTS, Object, name_of
from ..store import operations, servers, tenants

_LOOK_BACK = timedelta(minutes=10)
"""So long an operation's end is worth telling when the API server, or this service, was away."""
_SETTLES = timedelta(minutes=1)
"""So much later than its own time an end may be written down: a transaction that waited for others."""
_log = logging.getLogger(__name__)


class Telling:
    """Makes each Event once. The first round looks back and finds those that are there already; the others go on from
    the last that told everything."""

    def __init__(self, context: Context, kube: KubeParts) -> None:
        self._context, self._kube = context, kube
        self._told: set[str] = set()
        self._since: datetime | None = None

    async def round(self) -> None:
        """Tell what is new.

        Raises:
            Unavailable: the API server is away; the next round tells it.
        """
        began = self._context.clock()
        events = await self._context.read(worth_telling, self._since)
        self._told &= {name_of(each)[1] for each in events}
        for event in events:
            namespace, name = name_of(event)
            if name in self._told:
                continue
            try:
                await self._kube.api.create(EVENTS, event, namespace)
            except Conflict:
                _log.debug("told before", extra={"event": name})
            # The namespace goes away, a right is missing, or it is not accepted: the others are told all the same.
            except (NotFound, Refused, Broken) as problem:
                _log.warning("not told on the pod", extra={"namespace": namespace, "cause": problem.message})
            self._told.add(name)
        self._since = began - _SETTLES


def worth_telling(work: Work, since: datetime | None) -> list[Object]:
    """The Events of operations that are open or ended after `since`, oldest first, and never of older ones than
    `_LOOK_BACK`."""
    found: list[Object] = []
    oldest = work.now - _LOOK_BACK
    for row in operations.open_or_ended_since(work.tx, oldest if since is None else max(since, oldest)):
        server = servers.get(work.tx, row.operation.server_id)
        if server is None or not row.container_id:
            continue
        # Its own start's, also when the next one has begun by now.
        pod = PodRef(
            tenants.namespace_of(work.tx, server.tenant_id),
            server_pod(work.context.settings.instance, server.id, row.operation.generation),
            row.container_id,
        )
        labels = {
            KUBE_INSTANCE: work.context.settings.instance,
            KUBE_TENANT: server.tenant_id,
            KUBE_SERVER: server.id,
        }
        found += make_events(row.operation, pod, labels)
    return found
