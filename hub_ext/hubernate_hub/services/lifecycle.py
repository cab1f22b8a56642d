"""What the spawner tells of a start, and the hub's wish to stop."""

from hubernate_core.errors import Conflict, NotFound
from hubernate_core.names import ServerId
from hubernate_core.operation import Kind, Operation
from hubernate_core.server import ServerState
from hubernate_core.wire import Abandoned, Started, StopRequest

from ..context import Work
from ..store import checkpoints, operations, servers
from ..store.servers import ServerRow
from .opening import Wish, open_operation


def started(work: Work, server: ServerId, body: Started) -> ServerRow:
    """The containers of a start, or of an adoption, exist; told again once a pod's node is known.

    Raises:
        NotFound; Conflict: the start is not the newest, or other containers of it are known.
    """
    row = _newest(work, server, body.generation)
    if row.state not in (ServerState.STARTING, ServerState.RUNNING):
        raise Conflict(f"start {body.generation} of server {server} was given up; remove its containers", server=server)
    if row.container_id and row.container_id != body.container_id:
        raise Conflict(f"start {body.generation} of server {server} has another container already", server=server)
    # A pod without a node yet is on none; a late repeat of that first message does not take a known node away.
    node = body.node or (row.node if row.container_id else "")
    values = {"node": node, "container_id": body.container_id, "gate_container_id": body.gate_container_id}
    servers.change(work.tx, server, **values)
    return _again(work, server)


def ready(work: Work, server: ServerId, generation: int) -> ServerRow:
    """The server answers; from now on it holds a person's work.

    Raises:
        NotFound; Conflict: the start is not the newest, was given up, has no container, or is being discarded.
    """
    row = _newest(work, server, generation)
    if row.state not in (ServerState.STARTING, ServerState.RUNNING) or not row.container_id:
        raise Conflict(f"start {generation} of server {server} was given up or never had a container", server=server)
    if row.state is ServerState.STARTING:
        if operations.open_of(work.tx, server) is not None:
            raise Conflict(f"start {generation} of server {server} is being discarded; remove its containers")
        values = {
            "state": ServerState.RUNNING,
            "started_at": work.now,
            "ready_at": work.now,
            "last_person_at": work.now,
            "notice": "",
        }
        servers.change(work.tx, server, **values)
    return _again(work, server)


def abandoned(work: Work, server: ServerId, body: Abandoned) -> ServerRow:
    """A start failed before it was ready and the spawner removed its containers. A ready one stays as it is.

    Raises:
        NotFound; Conflict: the start is not the newest.
    """
    row = _newest(work, server, body.generation)
    if row.state is not ServerState.STARTING:
        return row
    if body.image_missing and row.checkpoint_id is not None:
        checkpoints.change(work.tx, row.checkpoint_id, usable=False)
    give_up(work, row, body.reason)
    return _again(work, server)


def give_up(work: Work, row: ServerRow, reason: str) -> None:
    """Put a start that was never ready back to sleep; its checkpoints are as they were."""
    notice = f"The last start did not succeed: {reason}" if reason else row.notice
    servers.change(
        work.tx,
        row.id,
        state=ServerState.ASLEEP,
        container_id="",
        gate_container_id="",
        relay_sha256=None,
        notice=notice,
    )


def stop(work: Work, server: ServerId, body: StopRequest) -> Operation:
    """The operation that stops a server for the hub, which waits for it. Asking again gives the same one.

    Raises:
        NotFound; Conflict: the start is not the newest, or there is nothing to stop.
    """
    row = _newest(work, server, body.generation)
    if operations.open_of(work.tx, server) is None and row.state is ServerState.ASLEEP:
        last = operations.newest_of(work.tx, [server]).get(server)
        if last is not None and last.operation.generation == body.generation:
            return last.operation
        raise Conflict(
            f"start {body.generation} of server {server} was given up; there is nothing to save", server=server
        )
    kind = Kind.STOP
    if row.state is ServerState.STARTING:
        kind = Kind.DISCARD  # never ready: it holds nothing of the person's
        if not row.container_id:
            raise Conflict(
                f"start {body.generation} of server {server} has no container yet; abandon it", server=server
            )
    return open_operation(work, server, Wish(kind, body.trigger, by="hub", hub_joined=True)).operation


def _newest(work: Work, server: ServerId, generation: int) -> ServerRow:
    row = servers.lock(work.tx, server)
    if row is None:
        raise NotFound(f"no server {server}")
    if row.generation != generation:
        raise Conflict(
            f"start {generation} of server {server} is not the newest ({row.generation}); remove its containers",
            server=server,
            generation=row.generation,
        )
    return row


def _again(work: Work, server: ServerId) -> ServerRow:
    row = servers.get(work.tx, server)
    if row is None:
        raise NotFound(f"no server {server}")
    return row
