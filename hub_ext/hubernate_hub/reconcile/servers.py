"""Rows against what the agents see. Silence alone never fails or deletes anything (I5)."""

import logging
import time
from datetime import timedelta

from hubernate_core.errors import HubernateError
from hubernate_core.names import OperationId
from hubernate_core.operation import Kind, Trigger
from hubernate_core.server import ServerState
from hubernate_core.wire import Seen

from ..apart import apart
from ..context import Context, Work
from ..services import retention, team_images
from ..services.lifecycle import give_up
from ..services.measuring import measure_tenants
from ..services.opening import Wish, open_operation
from ..services.pods import pod_of
from ..services.retrying import due
from ..services.seeding import seed
from ..store import agents, operations, server_lists, servers
from ..store.servers import ServerRow

_STRAY_AFTER_S = 30.0
_ANSWERS_KEPT = timedelta(days=1)
_AWAKE = (ServerState.STARTING, ServerState.RUNNING, ServerState.DEAD)
_log = logging.getLogger(__name__)


class Servers:
    """The rounds, and how long each stray container has been seen."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stray_since: dict[str, float] = {}
        self._told: set[str] = set()

    async def round(self) -> None:
        """Notice containers that ended, vanished or were never ready; agents that fell silent; files that changed."""
        context = self._context
        if context.catalogue.refresh():
            await context.write(seed, context.catalogue.tenants)
            context.bell.ring("tenants")
        for row in await context.store.read(servers.in_states, _AWAKE):
            with apart(context.metrics, "servers", "server not looked at", server=row.id):
                if self._is_suspicious(row) and not await self._is_there_all_the_same(row):
                    self._ring(await context.write(_look_at, row))
        strays = await self._lasting_strays()
        for node, seen in strays:
            with apart(context.metrics, "servers", "container not taken in", server=seen.server_id):
                await context.write(_take_in, node, seen)
        if strays:
            await self._tell_of_older_starts()
        for operation in await context.write(_note_silence):
            context.bell.ring(f"operation:{operation}")

    async def housekeeping(self) -> None:
        """Retention, retired images, old answers, what is remembered of starts that are over, gauges."""
        context = self._context
        for tenant in await context.read(retention.unsettled):
            with apart(context.metrics, "housekeeping", "checkpoints of a team not looked at", tenant=tenant):
                for gone in await context.write(retention.settle, tenant):
                    what = {"checkpoint": gone.stored.id, "server": gone.stored.server_id, "rule": str(gone.why)}
                    _log.info("checkpoint let go by retention", extra=what)
        for image in await context.write(team_images.sweep):
            _log.info("team image let go", extra={"image": image.id, "tenant": image.tenant_id})
        await context.store.write(agents.drop_answers, context.clock() - _ANSWERS_KEPT)
        context.forget_all_but(
            {(row.id, row.generation) for row in await context.store.read(servers.in_states, _AWAKE)}
        )
        await context.read(_measure)

    def _is_suspicious(self, row: ServerRow) -> bool:
        if row.state is ServerState.DEAD:
            return True
        sight = self._context.sight
        seen = sight.seen(row)
        return bool(row.container_id) and (sight.gone(row) or (seen is not None and not seen.running))

    async def _is_there_all_the_same(self, row: ServerRow) -> bool:
        """Ask about a pod that is told to be gone: somebody may only have taken our label away from it."""
        context = self._context
        if context.kube is None or not context.sight.gone(row):
            return False
        pod = await context.read(pod_of, row, row.container_id)
        try:
            there = await context.kube.pods.is_there(pod)
        except HubernateError as problem:
            _log.warning("a missing pod was not asked about", extra={"server": row.id, "error": problem.message})
            return True
        if there:
            _log.error("a pod lost our labels; put them back", extra={"server": row.id, "pod": pod.name})
        return there

    async def _lasting_strays(self) -> list[tuple[str, Seen]]:
        """Containers that no awake row knows and that are there for a while."""
        known = await self._context.store.read(servers.in_states, _AWAKE)
        strays = {seen.container_id: (node, seen) for node, seen in self._context.sight.strays(known)}
        now = time.monotonic()
        self._stray_since = {each: self._stray_since.get(each, now) for each in strays}
        return [strays[each] for each, since in self._stray_since.items() if now - since >= _STRAY_AFTER_S]

    async def _tell_of_older_starts(self) -> None:
        """Name each container of an older start once: it is saved by nobody, and only an admin may judge it."""
        rows = await self._context.store.read(server_lists.newest_starts)
        for node, seen in self._context.sight.left_behind(rows):
            if seen.container_id not in self._told:
                self._told.add(seen.container_id)
                where = {"server": seen.server_id, "generation": seen.generation, "node": node}
                _log.error(
                    "a container of an older start still runs; the server starts anew only once it is removed",
                    extra=where | {"container": seen.container_id},
                )

    def _ring(self, node: str | None) -> None:
        if node is not None:
            self._context.bell.ring(f"node:{node}")


def _look_at(work: Work, stale: ServerRow) -> str | None:
    """Act on one suspicious server; the node that has new work, if any."""
    row = servers.lock(work.tx, stale.id)
    if row is None or row.generation != stale.generation or operations.open_of(work.tx, row.id) is not None:
        return None
    sight = work.context.sight
    if row.state in _AWAKE and row.container_id and sight.gone(row):
        _mark_gone(work, row)
        return None
    seen = sight.seen(row)
    cause = _cause(work, row, seen)
    if row.state is ServerState.RUNNING and seen is not None and not seen.running:
        notice = f"The server {cause}. What it changed is being saved."
        servers.change(work.tx, row.id, state=ServerState.DEAD, notice=notice)
        _log.warning("server died", extra={"server": row.id, "generation": row.generation, "cause": cause})
    elif row.state is not ServerState.DEAD:
        return None
    if not due(operations.recent_of(work.tx, row.id), work.now, work.context.settings.retry_after_s):
        return None
    wish = Wish(Kind.STOP, Trigger.DIED, by="reconciler", reason=f"The server {cause}." if cause else "")
    return open_operation(work, row.id, wish).operation.node


def _cause(work: Work, row: ServerRow, seen: Seen | None) -> str:
    """Why the container of `row` ended, after "The server …"; empty: it is not known, or it runs."""
    if seen is None or seen.running:
        return ""
    if seen.oom_killed:
        return "ran out of memory"
    last = next(iter(operations.recent_of(work.tx, row.id, limit=1)), None)
    if last is not None and last.operation.generation == row.generation and last.operation.saved:
        return "was stopped before its very last changes could be saved"
    return f"ended by itself (exit code {seen.exit_code})"


def _mark_gone(work: Work, row: ServerRow) -> None:
    if row.state is ServerState.STARTING:
        give_up(work, row, "its container is gone")
        return
    notice = (
        f"The container of this server is gone from node {row.node}; removed from outside before it was saved."
        " Your home folder and every checkpoint are there."
    )
    values = {"container_id": "", "gate_container_id": "", "relay_sha256": None, "stopped_at": work.now}
    servers.change(work.tx, row.id, state=ServerState.ASLEEP, notice=notice, **values)
    _log.error(
        "container gone without a save", extra={"server": row.id, "generation": row.generation, "node": row.node}
    )


def _take_in(work: Work, node: str, seen: Seen) -> None:
    """A container that no row is awake for: believe that the server runs, also where its `ready` never reached us.

    It may hold a person's work, so it is never discarded from here. `HubSync` asks the hub: served there, it goes on;
    not known there, it is saved and stopped; while the hub is silent, it is left alone.
    """
    row = servers.lock(work.tx, seen.server_id)
    if row is None or row.generation != seen.generation or row.state is not ServerState.ASLEEP:
        return  # another installation's, an older start's (`_tell_of_older_starts`), or known by now
    if operations.open_of(work.tx, row.id) is not None:
        return
    _log.warning("container of a sleeping server", extra={"server": row.id, "generation": row.generation, "node": node})
    values: dict[str, object] = {"state": ServerState.RUNNING, "node": node, "container_id": seen.container_id}
    if row.ready_at is None:
        values |= {"started_at": work.now, "ready_at": work.now, "last_person_at": work.now}
    servers.change(work.tx, row.id, **values)


def _note_silence(work: Work) -> list[OperationId]:
    """Tell on open operations that their agent is silent."""
    noted: list[OperationId] = []
    known = {each.node: each.last_seen_at for each in agents.all_agents(work.tx)}
    for row in operations.all_open(work.tx):
        operation = row.operation
        if not operation.node or not work.context.fleet.silent(operation.node):
            continue  # without a node it is this service's own work
        heard = known.get(operation.node)
        since = "was never heard" if heard is None else f"has not answered since {heard:%H:%M} UTC"
        note = f"The agent on node {operation.node} {since}; your server keeps running."
        if operation.progress.note != note:
            progress = operation.progress.model_copy(update={"note": note})
            changed = operation.model_copy(update={"progress": progress, "updated_at": work.now})
            operations.save(work.tx, operations.with_operation(row, changed))
            noted.append(operation.id)
    return noted


def _measure(work: Work) -> None:
    metrics = work.context.metrics
    metrics.open.clear()
    for (kind, step), number in operations.counts(work.tx).items():
        metrics.open.labels(kind, step).set(number)
    metrics.servers.clear()
    for state, number in server_lists.states(work.tx).items():
        metrics.servers.labels(state).set(number)
    metrics.failed.set(server_lists.count_failed(work.tx))
    number, size = server_lists.stored(work.tx)
    metrics.checkpoints.set(number)
    metrics.bytes.set(size)
    measure_tenants(work)
    for agent in agents.all_agents(work.tx):
        metrics.agents.labels(agent.node).set((work.now - agent.last_seen_at).total_seconds())
