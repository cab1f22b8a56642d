"""An agent on the real engine and registry, with a service in miniature: one node in a test."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import docker
from docker.models.containers import Container

from hubernate_checkpointer.agent import Agent
from hubernate_checkpointer.config import CheckpointAgent
from hubernate_core.checkpoint import Layer
from hubernate_core.names import OperationId, OwnerId, ServerId, TenantId, new_id, repository
from hubernate_core.operation import Kind, Operation, Step, Trigger
from hubernate_core.wire import Order, SavedImage

from .engine import (
    BaseImage,
    RegistryProcess,
    drop_images,
    engine,
    pull,
    push_base,
    registry,
    remove_all,
    start_gate,
    start_notebook,
)
from .service import TOKEN, FakeService, Row


class Node:
    """Everything one test needs; made by `node`."""

    def __init__(self, process: RegistryProcess, folder: Path) -> None:
        self.client: docker.DockerClient = engine()
        self.registry = process
        self.folder = folder
        self.service = FakeService()
        self.instance = f"t{new_id()}"
        self.base: BaseImage = push_base(self.client, process)
        self.server = ServerId(new_id())
        self.tenant = TenantId(new_id())
        self.owner = OwnerId(new_id())
        self.generation = 0
        self.registry_name = process.name
        self._agents: list[tuple[Agent, Thread]] = []
        (folder / "token").write_text(TOKEN)

    @property
    def repository(self) -> str:
        """Where this server's checkpoints go."""
        return repository(self.tenant, self.owner)

    def values(self, **changes: object) -> dict[str, object]:
        """Settings of an agent of this node, by name."""
        values: dict[str, object] = {
            "service_url": self.service.url,
            "token_file": str(self.folder / "token"),
            "node": "test",
            "instance": self.instance,
            "registry": self.registry_name,
            "state_dir": str(self.folder / "state"),
            "registry_patience_s": 8.0,
            "stop_grace_s": 0,
            "poll_wait_s": 1.0,
        }
        return values | changes

    def start_failing_agent(self, step: str, count: int, **changes: object) -> "subprocess.Popen[bytes]":
        """An agent in a process of its own that dies the `count`-th time it reaches `step`."""
        path = self.folder / "settings.json"
        path.write_text(json.dumps(self.values(**changes)))
        log = (self.folder / "failing.log").open("ab")
        program = Path(__file__).with_name("failing_agent.py")
        return subprocess.Popen([sys.executable, str(program), str(path), step, str(count)], stderr=log)

    def start_agent(self, on_step: Callable[[str], None] = lambda step: None, **changes: object) -> Agent:
        """An agent in a thread of this process."""
        agent = Agent(CheckpointAgent(**self.values(**changes)), on_step)
        thread = Thread(target=agent.run, daemon=True)
        thread.start()
        self._agents.append((agent, thread))
        return agent

    def stop_agents(self) -> None:
        """End them."""
        for agent, _ in self._agents:
            agent.stop()
        for _, thread in self._agents:
            thread.join(timeout=30)
        self._agents.clear()

    def notebook(self, image: str = "", **options: object) -> Container:
        """Start the next generation of the server's container."""
        self.generation += 1
        return start_notebook(
            self.client, image or self.base.reference, self.instance, self.server, self.generation, **options
        )

    def resume(self, image: SavedImage, **options: object) -> Container:
        """Start the next generation from a saved image, pulled from the registry."""
        self.pull(image)
        return self.notebook(self.reference(image), **options)

    def gate(self) -> Container:
        """The gate beside the present generation."""
        return start_gate(self.client, self.base.reference, self.instance, self.server, self.generation)

    def order(
        self, container: Container, kind: Kind = Kind.SAVE, parent: SavedImage | None = None, **changes: object
    ) -> Order:
        """An order for `container`, which runs `parent` (default: the base image)."""
        layers: tuple[Layer, ...] = parent.layers if parent else ()
        values: dict[str, object] = {
            "operation_id": OperationId(new_id()),
            "server_id": self.server,
            "generation": self.generation,
            "tenant_id": self.tenant,
            "owner_id": self.owner,
            "kind": kind,
            "trigger": Trigger.USER,
            "step": Step.REQUESTED,
            "container_id": container.id,
            "gate_container_id": "",
            "repository": self.repository,
            "base_repository": self.base.repository,
            "base_digest": self.base.digest,
            "parent_digest": parent.digest if parent else self.base.digest,
            "parent_layers": layers,
            "labels": {"io.hubernate.server": self.server, "io.hubernate.generation": str(self.generation)},
            "max_bytes": 10_000_000_000,
        }
        return Order.model_validate(values | changes)

    def save(
        self, container: Container, kind: Kind = Kind.SAVE, parent: SavedImage | None = None, **changes: object
    ) -> Row:
        """Open an operation and wait until it is finished."""
        row = self.service.open(self.order(container, kind, parent, **changes))
        self.service.wait(row)
        return row

    def saved(self, container: Container, kind: Kind = Kind.SAVE, parent: SavedImage | None = None) -> SavedImage:
        """Save and return the image; fails when the operation did."""
        row = self.save(container, kind, parent)
        succeeded(row.operation)
        return row.recorded[-1][1]

    def reference(self, image: SavedImage) -> str:
        """As the engine pulls it."""
        return f"{self.registry.name}/{self.repository}@{image.digest}"

    def pull(self, image: SavedImage) -> None:
        """Fetch a recorded image, which proves that it can be used."""
        pull(self.client, f"{self.registry.name}/{self.repository}", image.digest)

    def statuses(self) -> dict[str, str]:
        """The state of every notebook of the server that is there, by its id."""
        label = f"io.hubernate.server={self.server}"
        found = self.client.containers.list(all=True, ignore_removed=True, filters={"label": label})
        return {each.id: each.status for each in found if each.labels["io.hubernate.role"] == "notebook"}

    def let_go(self, container: Container) -> bool:
        """Whether the agent is done with it: it is removed."""
        return container.id not in self.statuses()

    def removed_at(self, container_id: str, since: float) -> float | None:
        """When the container was removed, None if it never was, or if the engine forgot (it keeps 256 events)."""
        filters = {"container": container_id, "event": "destroy"}
        until = int(time.time()) + 1
        events = self.client.api.events(since=int(since) - 1, until=until, filters=filters, decode=True)
        found = [event["timeNano"] / 1e9 for event in events]
        return found[-1] if found else None

    def close(self) -> None:
        """Remove everything."""
        self.stop_agents()
        self.service.close()
        remove_all(self.client, self.instance)
        drop_images(self.client, self.registry.name)
        self.client.close()


def succeeded(operation: Operation) -> None:
    """Fail with the operation's own reason."""
    assert operation.step is Step.RELEASED, operation.reason


@contextmanager
def node() -> Iterator[Node]:
    """A node with its own registry, state folder and service."""
    with registry() as process, node_folder() as folder:
        made = Node(process, folder)
        try:
            yield made
        finally:
            made.close()


@contextmanager
def node_folder() -> Iterator[Path]:
    """A folder for one node."""
    folder = Path(tempfile.mkdtemp(prefix="hbn-node-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
