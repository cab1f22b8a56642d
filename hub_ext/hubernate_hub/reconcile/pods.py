"""Pods against operations, on Kubernetes: what the service itself removes, and what others are removing."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable

from hubernate_core.operation import Operation
from hubernate_core.server import ServerState

from ..apart import apart
from ..context import Context
from ..kube.parts import KubeParts
from ..kube.pods import PodName
from ..services import pods
from ..store import servers
from ..store.servers import ServerRow

_AT_ONCE = 16
_EMPTY_AFTER_S = 60.0
_AWAKE = (ServerState.STARTING, ServerState.RUNNING, ServerState.DEAD)
_log = logging.getLogger(__name__)


class Removals:
    """The round, and how long each empty pod has been seen."""

    def __init__(self, context: Context, kube: KubeParts) -> None:
        self._context, self._kube = context, kube
        self._empty_since: dict[str, float] = {}

    async def round(self) -> None:
        """Discard what shall not be saved; save what somebody deletes; end what ended with its node."""
        context = self._context
        discards = await context.read(pods.to_discard)
        await self._each(discards, self._discard)
        for row in await context.store.read(servers.in_states, _AWAKE):
            with apart(context.metrics, "pods", "server whose pod is being deleted not saved", server=row.id):
                await self._save_if_deleted(row)
        lost = await context.read(pods.abandoned_by_its_agent)
        await self._each(lost, self._end_if_gone)
        await self._each(await self._lasting_empties(), self._remove_empty)

    async def _save_if_deleted(self, row: ServerRow) -> None:
        context = self._context
        if not context.sight.deleting(row):
            return
        opened = await context.write(pods.being_deleted, row)
        if opened is not None:
            _log.warning("a pod is being deleted", extra={"server": row.id, "operation": opened.id})
            context.bell.ring(f"node:{opened.node}", f"operation:{opened.id}", f"server:{row.id}")

    async def _discard(self, doomed: pods.Doomed) -> None:
        await self._kube.pods.remove(doomed.pod, unsaved=True, lost=doomed.lost)
        self._tell(await self._context.write(pods.discarded, doomed.operation))

    async def _end_if_gone(self, doomed: pods.Doomed) -> None:
        if not await self._kube.pods.is_there(doomed.pod):
            self._tell(await self._context.write(pods.ended_with_its_node, doomed.operation))

    async def _remove_empty(self, pod: PodName) -> None:
        _log.info("a pod that no start waits for and that never ran is removed", extra={"pod": pod.name})
        await self._kube.pods.remove(pod, unsaved=True)

    async def _lasting_empties(self) -> list[PodName]:
        """Pods without a thing in them that are there for a while: a hub that died between two steps left them."""
        known = await self._context.store.read(servers.in_states, _AWAKE)
        empties = {pod.at.uid: pod.at for pod in self._kube.sight.never_began(known)}
        now = time.monotonic()
        self._empty_since = {uid: self._empty_since.get(uid, now) for uid in empties}
        return [empties[uid] for uid, since in self._empty_since.items() if now - since >= _EMPTY_AFTER_S]

    def _tell(self, operation: Operation | None) -> None:
        if operation is not None:
            self._context.metrics.operation_ended(operation)
            self._context.bell.ring(f"operation:{operation.id}", f"server:{operation.server_id}")

    async def _each(self, things: Iterable[object], act: Callable[..., Awaitable[None]]) -> None:
        """`act` on all, some at a time; one that fails is tried again in the next round."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(thing: object) -> None:
            async with slots:
                with apart(self._context.metrics, "pods", "not done, tried again", what=str(thing)):
                    await act(thing)

        await asyncio.gather(*(one(each) for each in things))
