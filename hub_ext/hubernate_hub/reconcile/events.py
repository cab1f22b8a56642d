"""Events on pods, on Kubernetes: `kubectl describe` shows which operation saves a server and what came of it.

For people alone: what cannot be told is logged and holds nothing up.
"""

import logging
from datetime import timedelta

from hubernate_core.errors import Broken, Conflict, NotFound
from hubernate_core.manifests.events import PodRef, make_events
from hubernate_core.names import KUBE_INSTANCE, KUBE_SERVER, KUBE_TENANT

from ..context import Context, Work
from ..kube.errors import Refused
from ..kube.parts import KubeParts
from ..kube.resources import EVENTS, Object, name_of
from ..services.pods import pod_of
from ..store import operations, servers

_LOOK_BACK = timedelta(minutes=10)
"""So long an operation's end is worth telling when the API server, or this service, was away."""
_log = logging.getLogger(__name__)


class Telling:
    """Makes each Event once; after a restart it finds those that are there already."""

    def __init__(self, context: Context, kube: KubeParts) -> None:
        self._context, self._kube = context, kube
        self._told: set[str] = set()

    async def round(self) -> None:
        """Tell what is new.

        Raises:
            Unavailable: the API server is away; the next round tells it.
        """
        events = await self._context.read(worth_telling)
        self._told &= {name_of(each)[1] for each in events}
        for event in events:
            namespace, name = name_of(event)
            if name in self._told:
                continue
            try:
                await self._kube.api.create(EVENTS, event, namespace)
            except Conflict:
                _log.debug("told before", extra={"event": name})
            # The namespace goes away, a right is missing, or what we send is no Event to it.
            except (NotFound, Refused, Broken) as problem:
                _log.warning("not told on the pod", extra={"namespace": namespace, "cause": problem.message})
            self._told.add(name)


def worth_telling(work: Work) -> list[Object]:
    """The Events of operations that are open or ended lately, oldest first."""
    found: list[Object] = []
    for row in operations.open_or_ended_since(work.tx, work.now - _LOOK_BACK):
        server = servers.get(work.tx, row.operation.server_id)
        if server is None or not row.container_id or server.generation != row.operation.generation:
            continue
        pod = pod_of(work, server, row.container_id)
        labels = {
            KUBE_INSTANCE: work.context.settings.instance,
            KUBE_TENANT: server.tenant_id,
            KUBE_SERVER: server.id,
        }
        found += make_events(row.operation, PodRef(pod.namespace, pod.name, pod.uid), labels)
    return found
