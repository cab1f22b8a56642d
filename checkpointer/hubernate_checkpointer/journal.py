"""What an agent must know after a crash: how far each operation is, and what is saved of each container."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from hubernate_core.checkpoint import Layer
from hubernate_core.errors import shorten
from hubernate_core.names import OperationId, check_id
from hubernate_core.wire import SavedImage

from . import durable
from .capture.index import Index, Node, OwnLayer

_log = logging.getLogger(__name__)


class Entry(BaseModel):
    """How far one operation is, beyond what the service's row says."""

    model_config = ConfigDict(frozen=True)
    operation_id: OperationId
    container_id: str
    generation: int
    saved: SavedImage | None = None
    """Pushed and verified; perhaps recorded already."""
    stopped: bool = False
    """We stopped the container; it must run again if anything fails."""
    removing: bool = False
    """Its newest state is recorded and removing has begun: nothing but finishing is left."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What is recorded of one container: its index at that save and the layers made from it."""

    parent_digest: str
    repository: str
    index: Index
    layers: tuple[OwnLayer, ...]
    kept: int
    """How many of the parent image's own layers still stand below them."""
    digest: str


class Journal:
    """The agent's state folder: ``operations/``, ``index/``, ``frozen/`` and ``spool/``."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "spool"
        self.frozen = folder / "frozen"
        self._operations = folder / "operations"
        self._index = folder / "index"
        for each in (folder, self.spool, self.frozen, self._operations, self._index):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)

    def clear_spool(self) -> None:
        """Delete what an earlier process left half written."""
        for path in self.spool.iterdir():
            path.unlink()

    def entry(self, operation: OperationId) -> Entry | None:
        """What is known of an operation."""
        path = self._operation(operation)
        return Entry.model_validate_json(path.read_text()) if path.exists() else None

    def operations(self) -> tuple[OperationId, ...]:
        """Ids of every operation that is not over, those with a damaged entry too."""
        return tuple(OperationId(path.stem) for path in sorted(self._operations.glob("*.json")))

    def write(self, entry: Entry) -> None:
        """Remember how far an operation is, before the step that follows."""
        durable.write_json(self._operation(entry.operation_id), entry.model_dump(mode="json"))

    def forget(self, operation: OperationId) -> None:
        """The operation is over."""
        durable.remove(self._operation(operation))

    def _operation(self, operation: OperationId) -> Path:
        return self._operations / f"{check_id(operation, 'operation_id')}.json"

    def saved(self, container_id: str) -> Saved | None:
        """What is recorded of a container; None too when another version of the agent wrote it: all is saved anew."""
        path = self._index / container_id
        try:
            return _read(path) if path.exists() else None
        except (ValueError, KeyError, TypeError) as problem:
            _log.warning("index cannot be read", extra={"container": container_id, "problem": shorten(str(problem))})
            return None

    def propose(self, container_id: str, saved: Saved) -> None:
        """Keep what is verified but perhaps not recorded yet."""
        durable.write_lines(self._index / f"{container_id}.proposed", _dump(saved))

    def accept(self, container_id: str, digest: str) -> None:
        """The image with `digest` is recorded: what was proposed for it becomes what is saved."""
        path = self._index / f"{container_id}.proposed"
        if not path.exists():
            return
        with path.open() as file:
            proposed = json.loads(file.readline())["digest"]
        if proposed == digest:
            path.rename(self._index / container_id)

    def forget_container(self, container_id: str) -> None:
        """The container is gone."""
        (self._index / f"{container_id}.proposed").unlink(missing_ok=True)
        (self._index / container_id).unlink(missing_ok=True)

    def known_containers(self) -> set[str]:
        """Ids of containers with an index."""
        return {path.name.split(".")[0] for path in self._index.iterdir()}


def _dump(saved: Saved) -> Iterator[object]:
    """A line about the save, one of vanished paths, then one for each path."""
    index = saved.index
    yield {
        "parent_digest": saved.parent_digest,
        "repository": saved.repository,
        "digest": saved.digest,
        "kept": saved.kept,
        "layers": [[each.layer.model_dump(), each.since] for each in saved.layers],
        "seq": index.seq,
        "consistent": index.consistent,
    }
    yield index.past
    for path, node in index.nodes.items():
        yield [path, *node]


def _read(file_path: Path) -> Saved:
    with file_path.open() as file:
        head: dict[str, Any] = json.loads(file.readline())
        past = {
            path: tuple((born, died) for born, died in spans) for path, spans in json.loads(file.readline()).items()
        }
        nodes = {}
        for line in file:
            path, *values = json.loads(line)
            nodes[path] = Node(*values)
    return Saved(
        parent_digest=head["parent_digest"],
        repository=head["repository"],
        index=Index(head["seq"], nodes, past, head["consistent"]),
        layers=tuple(OwnLayer(Layer.model_validate(layer), since) for layer, since in head["layers"]),
        kept=head["kept"],
        digest=head["digest"],
    )
