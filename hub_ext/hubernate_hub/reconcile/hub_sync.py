"""Rows against what the hub believes: it forgets servers whose stop failed, drops starts that nobody finishes, and may
go on believing in a server that sleeps."""

import logging
import time

from hubernate_core.errors import NotFound
from hubernate_core.names import ServerId
from hubernate_core.operation import Kind, Step, Trigger
from hubernate_core.server import ServerState

from ..apart import apart
from ..context import Context, Work
from ..hub_client import Active, HubServer
from ..services import lifecycle
from ..services.opening import Wish, open_operation
from ..store import operations, servers
from ..store.servers import ServerRow
from .leavers import Leavers, is_out, save_and_stop

_log = logging.getLogger(__name__)


class HubSync:
    """Compares, and remembers for how long the hub has disagreed about each server."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._since: dict[ServerId, float] = {}
        self._leavers = Leavers(context)

    async def round(self) -> None:
        """One comparison. A hub that does not answer decides nothing."""
        context = self._context
        rows = await context.store.read(servers.in_states, (ServerState.STARTING, ServerState.RUNNING))
        believed = await context.hub.active()
        with apart(context.metrics, "hub", "nobody looked for people who left a team"):
            await self._leavers.look(rows, believed)
        for row in rows:
            there = _there(believed, row)
            if _agree(row, there):
                self._since.pop(row.id, None)
                continue
            with apart(context.metrics, "hub", "not settled with the hub", server=row.id):
                await self._settle(row, there)
        awake = {(row.hub_name, row.name) for row in rows}
        alive = {row.id for row in rows}
        for user, mine in believed.items():
            for name, there in mine.servers.items():
                if (user, name) not in awake and there.ready and there.pending is None:
                    with apart(context.metrics, "hub", "not settled with the hub", user=user, server_name=name):
                        alive |= await self._correct(user, name)
        self._since = {server: since for server, since in self._since.items() if server in alive}

    async def _correct(self, user: str, name: str) -> set[ServerId]:
        """The hub serves what perhaps sleeps: once that is certain for long enough, have it stopped there too.

        Nothing is saved or opened by that: the spawner is told that it sleeps already. Returns the server waited for.
        """
        context = self._context
        rows = await context.store.read(servers.of_hub_server, user, name)
        if not rows or any(row.state is not ServerState.ASLEEP for row in rows):
            return set()
        server = min(row.id for row in rows)
        if time.monotonic() - self._since.setdefault(server, time.monotonic()) >= context.settings.hub_grace_s:
            self._since.pop(server)
            await context.hub.stop_server(user, name)
            _log.warning("asked the hub to stop a server that sleeps", extra={"server": server})
        return {server}

    async def _settle(self, row: ServerRow, there: HubServer | None) -> None:
        context = self._context
        waited = time.monotonic() - self._since.setdefault(row.id, time.monotonic())
        patient = waited >= context.settings.hub_grace_s
        if row.state is ServerState.STARTING:
            if there is not None and there.ready and row.container_id:
                await context.write(_believe_ready, row)
            elif patient:
                await self._ring(await context.write(_give_up_start, row))
            return
        newest = (await context.store.read(operations.newest_of, [row.id])).get(row.id)
        if newest is not None and not newest.operation.finished:
            self._since.pop(row.id, None)  # it is being saved: the hub may well have let go of it
            return
        if newest is not None and newest.operation.generation == row.generation and _stop_failed(newest):
            # Of whoever is still out a start would be refused: go on saving what is left.
            if newest.operation.trigger is Trigger.LEFT_TEAM and await is_out(context, row):
                await self._ring(await context.write(save_and_stop, row, Trigger.LEFT_TEAM))
            else:
                await self._start_again(row)
        elif patient:
            exists = await context.hub.person(row.hub_name) is not None
            trigger = Trigger.FORGOTTEN if exists else Trigger.USER_DELETED
            await self._ring(await context.write(save_and_stop, row, trigger))

    async def _start_again(self, row: ServerRow) -> None:
        """The stop failed and the hub has dropped the server: the hub starts it, the spawner adopts what runs."""
        try:
            await self._context.hub.start_server(row.hub_name, row.name)
            _log.info("asked the hub to take a server back", extra={"server": row.id})
        except NotFound:
            await self._ring(await self._context.write(save_and_stop, row, Trigger.USER_DELETED))

    async def _ring(self, node: str | None) -> None:
        if node is not None:
            self._context.bell.ring(f"node:{node}")


def _there(believed: dict[str, Active], row: ServerRow) -> HubServer | None:
    person = believed.get(row.hub_name)
    return None if person is None else person.servers.get(row.name)


def _agree(row: ServerRow, there: HubServer | None) -> bool:
    if row.state is ServerState.RUNNING:
        return there is not None
    return there is not None and there.pending is not None


def _stop_failed(row: operations.OperationRow) -> bool:
    return row.operation.kind is Kind.STOP and row.operation.step is Step.FAILED


def _believe_ready(work: Work, stale: ServerRow) -> None:
    """The hub serves it although its `ready` never reached us: it may hold work."""
    row = servers.lock(work.tx, stale.id)
    if row is not None and row.generation == stale.generation and row.state is ServerState.STARTING:
        lifecycle.ready(work, row.id, row.generation)


def _give_up_start(work: Work, stale: ServerRow) -> str | None:
    """A start that was never ready and that the hub no longer makes."""
    row = servers.lock(work.tx, stale.id)
    if row is None or row.generation != stale.generation or row.state is not ServerState.STARTING:
        return None
    if row.container_id:
        return open_operation(work, row.id, Wish(Kind.DISCARD, Trigger.FORGOTTEN, by="reconciler")).operation.node
    lifecycle.give_up(work, row, "the hub gave it up")
    return None
