"""A person's checkpoints: rename, delete, and what retention lets go."""

from hubernate_core.checkpoint import Checkpoint, what_to_delete
from hubernate_core.errors import Conflict, InvalidInput
from hubernate_core.server import ServerState

from ..context import Work
from ..store import checkpoints, operations, servers, tenants

_NAME_MAX = 120


def check_name(name: str) -> str:
    """A checkpoint's name as a person may give it: one printable line.

    Raises:
        InvalidInput: too long, or a character that cannot be shown.
    """
    cleaned = name.strip()
    if len(cleaned) > _NAME_MAX or not cleaned.isprintable():
        raise InvalidInput("name", f"up to {_NAME_MAX} printable characters on one line")
    return cleaned


def delete(work: Work, checkpoint: Checkpoint, *, confirmed_last: bool) -> None:
    """Delete a checkpoint; its image goes from the registry later, when nothing else names it.

    Raises:
        Conflict: a server runs from it, or it is the last one and that was not confirmed.
    """
    server = servers.lock(work.tx, checkpoint.server_id)
    if server is None:
        return
    reference = f"{checkpoint.repository}@{checkpoint.digest}"
    if reference in _in_use(work):
        raise Conflict(
            "a running server stands on this checkpoint; it was not deleted. Stop the server first, or delete it later",
            checkpoint=checkpoint.id,
        )
    pending = operations.open_of(work.tx, server.id)
    if pending is not None and pending.operation.checkpoint_id == checkpoint.id:
        raise Conflict("the server is being stopped on the strength of this checkpoint; delete it later")
    others = [each for each in checkpoints.of_servers(work.tx, [server.id]) if each.usable and each.id != checkpoint.id]
    if checkpoint.usable and not others and not confirmed_last:
        raise Conflict(
            "this is the only saved environment of the server; without it the next start is clean. It was not deleted."
            " Ask again with confirm=last if that is meant",
            checkpoint=checkpoint.id,
            confirm="last",
        )
    _let_go(work, checkpoint, server.node)


def apply_retention(work: Work) -> list[Checkpoint]:
    """Delete what the tenants' rules let go; what was deleted."""
    rules = tenants.all_tenants(work.tx)
    gone: list[Checkpoint] = []
    for server_id in checkpoints.crowded(work.tx):
        server = servers.lock(work.tx, server_id)
        if server is None:
            continue
        # Read under the lock: a start may have chosen an old one just before. Nothing but its own server runs from it.
        used = frozenset() if server.state is ServerState.ASLEEP else frozenset({server.image_digest})
        mine = checkpoints.of_servers(work.tx, [server_id])
        for each in what_to_delete(mine, rules[server.tenant_id].retention, work.now, used):
            _let_go(work, each, server.node)
            gone.append(each)
    return gone


def _in_use(work: Work) -> frozenset[str]:
    awake = (ServerState.STARTING, ServerState.RUNNING, ServerState.DEAD)
    return frozenset(row.image for row in servers.in_states(work.tx, awake))


def _let_go(work: Work, checkpoint: Checkpoint, node: str) -> None:
    checkpoints.change(work.tx, checkpoint.id, deleted_at=work.now)
    checkpoints.forget(work.tx, f"{checkpoint.repository}@{checkpoint.digest}", node, work.now)
