"""A person's checkpoints: rename, pin, delete."""

from hubernate_core.checkpoint import Checkpoint
from hubernate_core.errors import Conflict, InvalidInput
from hubernate_core.names import CheckpointId

from ..context import Work
from ..store import checkpoints, doubts, servers

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
    if checkpoint.reference in checkpoints.in_use(work.tx, server.tenant_id):
        raise Conflict(
            "a running server, a job or a schedule stands on this checkpoint, a server is being stopped on the strength"
            " of it, a start that waits has chosen it, or a team image is being made of it; it was not deleted. Stop"
            " the server or delete the schedule first, or delete it later",
            checkpoint=checkpoint.id,
        )
    if not confirmed_last and _last_one(work, checkpoint):
        raise Conflict(
            "this is the only saved environment of the server that is known to be in the registry; without it the next"
            " start is clean. It was not deleted. Ask again with confirm=last if that is meant",
            checkpoint=checkpoint.id,
            confirm="last",
        )
    let_go(work, checkpoint.id, checkpoint.reference, server.node)


def _last_one(work: Work, checkpoint: Checkpoint) -> bool:
    """Whether it may be good, and no other of its server surely is."""
    every = checkpoints.of_servers(work.tx, [checkpoint.server_id])
    doubtful = doubts.among(work.tx, [each.reference for each in every])
    others = [each for each in every if each.usable and each.id != checkpoint.id and each.reference not in doubtful]
    return (checkpoint.usable or checkpoint.reference in doubtful) and not others


def change(work: Work, checkpoint: Checkpoint, *, name: str | None, pinned: bool | None) -> Checkpoint:
    """Rename or pin a checkpoint. A name pins it, and taking the name away unpins it, unless `pinned` says otherwise.

    Raises:
        InvalidInput: as `check_name`.
    """
    values: dict[str, object] = {}
    if name is not None:
        cleaned = check_name(name)
        values = {"name": cleaned} if cleaned == checkpoint.name else {"name": cleaned, "pinned": bool(cleaned)}
    if pinned is not None:
        values["pinned"] = pinned
    if values.get("pinned"):
        values |= {"goes_at": None, "goes_why": ""}
    if values:
        checkpoints.change(work.tx, checkpoint.id, **values)
    return checkpoint.model_copy(update=values)


def let_go(work: Work, checkpoint: CheckpointId, reference: str, node: str) -> None:
    """Delete a checkpoint's row now, and its image as soon as nothing names it."""
    checkpoints.change(work.tx, checkpoint, deleted_at=work.now, goes_at=None, goes_why="")
    checkpoints.forget(work.tx, reference, node, work.now)
