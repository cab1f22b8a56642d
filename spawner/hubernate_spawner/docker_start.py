"""A start on Docker Engine: network, volume, gate and notebook containers, or a container that still runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from hubernate_core import names
from hubernate_core.errors import NotFound, Unavailable
from hubernate_core.gate_file import GATE_FILE, GATE_UID, GateFile
from hubernate_core.manifests.docker import ContainerSpec
from hubernate_core.names import ServerId
from hubernate_core.server import Ticket
from hubernate_core.wire import Started

from .client import ServiceClient
from .engine import Engine, check_belongs
from .inside import make_gate_file
from .lifecycle import Probe, patient
from .plan import Facts, Plan, make_network, make_plan
from .progress import Log, Pull
from .start import PATIENCE_S, missing_image

_PROBE_EVERY_S = 0.15


@dataclass(frozen=True)
class Ports:
    """The outside systems of a start, and the facts about this installation."""

    service: ServiceClient
    engine: Engine
    answers: Probe
    facts: Facts
    node: str
    patience_s: float = 600


@dataclass(frozen=True)
class Containers:
    """A started server: what the hub's state keeps. `gate` and `notebook` are engine ids."""

    server_id: ServerId
    generation: int
    notebook: str
    gate: str
    network: str

    def to_state(self) -> dict[str, str | int]:
        """JSON for the hub's database."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> "Containers | None":
        """The server that `to_state` described; None for any other or an empty state."""
        match state:
            case {
                "server_id": str(server), "generation": int(generation), "notebook": str(notebook), "gate": str(gate),
                "network": str(network),
            }:  # fmt: skip
                return cls(ServerId(server), generation, notebook, gate, network)
        return None


async def url_of(engine: Engine, running: Containers) -> str:
    """Where the hub and the proxy reach the server; empty while the gate has no address yet."""
    return (await engine.state(running.gate)).url(running.network)


class DockerBackend:
    """Makes and adopts servers on one Docker Engine. `hub_env` is ``Spawner.get_env()`` of the start."""

    def __init__(self, ports: Ports, hub_env: Mapping[str, str], told: Log) -> None:
        self._ports, self._hub_env, self._told = ports, hub_env, told

    def fresh(self, ticket: Ticket) -> "DockerMaking":
        """Raises Broken as `make_plan`."""
        return DockerMaking(self._ports, ticket, make_plan(ticket, self._hub_env, self._ports.facts), self._told)

    async def adopt(self, ticket: Ticket, container: str) -> Containers | None:
        """Take up a container that still runs; None if it cannot be reached, and then it was not touched."""
        engine, facts = self._ports.engine, self._ports.facts
        own = {names.INSTANCE_LABEL: facts.instance, names.SERVER_LABEL: ticket.server_id}
        try:
            notebook = await engine.state(container)
            check_belongs(notebook, own, "container")
            gate = await engine.state(notebook.network_mode.removeprefix("container:"))
            check_belongs(gate, own, "gate")
        except NotFound:
            return None
        if not (notebook.running and gate.running):
            return None
        self._told.add("Your server is still running; connecting to it", 60)
        gate_file = make_gate_file(ticket, self._hub_env, facts.gate_settings)
        network = make_network(ticket, facts).name
        running = Containers(ticket.server_id, ticket.generation, notebook.id, gate.id, network)
        await engine.put_file(gate.id, GATE_FILE, _bytes(gate_file), GATE_UID, 0o400)
        await engine.signal(gate.id, "SIGHUP")
        async with _in_time(self._ports.patience_s, self._told):
            await _wait_until_it_answers(self._ports, running, gate_file.prefix)
        return running


class DockerMaking:
    """One fresh pair of containers."""

    def __init__(self, ports: Ports, ticket: Ticket, plan: Plan, told: Log) -> None:
        self._ports, self._ticket, self._plan, self._told = ports, ticket, plan, told
        self._made: list[asyncio.Task[str]] = []

    async def make(self) -> Containers:
        """As `start.Making`."""
        async with _in_time(self._ports.patience_s, self._told):
            return await self._make()

    async def _make(self) -> Containers:
        engine, ticket, plan, told = self._ports.engine, self._ticket, self._plan, self._told
        await asyncio.gather(
            self._ensure_image(), engine.ensure_network(plan.network), engine.ensure_volume(plan.volume)
        )
        gate = await self._create(plan.gate)
        _, notebook = await asyncio.gather(
            engine.put_file(gate, GATE_FILE, _bytes(plan.gate_file), GATE_UID, 0o400),
            self._create(plan.notebook),
        )
        running = Containers(ticket.server_id, ticket.generation, notebook, gate, plan.network.name)
        body = Started(
            generation=ticket.generation, node=self._ports.node, container_id=notebook, gate_container_id=gate
        )
        await patient(lambda: self._ports.service.started(ticket.server_id, body), told, PATIENCE_S)
        told.add("Starting the containers", 65)
        await engine.start(gate)
        await engine.start(notebook)
        told.add("Waiting for JupyterLab to answer", 75)
        await _wait_until_it_answers(self._ports, running, plan.gate_file.prefix)
        return running

    async def remove(self) -> None:
        """As `start.Making`."""
        for result in await asyncio.gather(*self._made, return_exceptions=True):
            if isinstance(result, str):
                await self._ports.engine.remove(result)

    async def _create(self, spec: ContainerSpec) -> str:
        """Create a container so that a cancelled start still learns of it: the engine's call runs on in its thread."""
        task = asyncio.create_task(self._ports.engine.create(spec))
        self._made.append(task)
        return await asyncio.shield(task)

    async def _ensure_image(self) -> None:
        image = self._ticket.image
        if await self._ports.engine.has_image(image):
            return
        self._told.add("Fetching the image", 15)
        pull = Pull()
        try:
            async for record in self._ports.engine.pull(image):
                if (message := pull.tell([record])) is not None:
                    self._told.add(message, 15 + int(45 * pull.share))
        except NotFound as problem:
            raise missing_image(self._ticket) from problem


@asynccontextmanager
async def _in_time(patience_s: float, told: Log) -> AsyncIterator[None]:
    """Raises Unavailable when what is done in it takes longer."""
    try:
        async with asyncio.timeout(patience_s):
            yield
    except TimeoutError as problem:
        raise Unavailable(
            f"it did not answer within {patience_s / 60:.0f} minutes. Last: {told.last}. Nothing saved was touched; try"
            " again later, or with a smaller profile"
        ) from problem


async def _wait_until_it_answers(ports: Ports, running: Containers, prefix: str) -> None:
    """Return once the gate answers for the notebook; the caller bounds it.

    Raises:
        Unavailable: a container ended; the message holds the end of its log.
    """
    url, look_at = "", 0.0
    while True:
        if time.monotonic() >= look_at:
            url = await _look(ports.engine, running)
            look_at = time.monotonic() + 1
        if url and await ports.answers(f"{url}{prefix}api"):
            return
        await asyncio.sleep(_PROBE_EVERY_S)


async def _look(engine: Engine, running: Containers) -> str:
    """The gate's URL, if both containers live."""
    gate, notebook = await asyncio.gather(engine.state(running.gate), engine.state(running.notebook))
    for what, state in (("gate", gate), ("notebook", notebook)):
        if not state.running:
            lines = await engine.last_lines(state.id)
            why = "ran out of memory" if state.oom_killed else f"ended with code {state.exit_code}"
            raise Unavailable(
                f"the {what} {why} before it answered. Nothing saved was touched. A safe start, an earlier"
                f" checkpoint or a clean start may help. Its last lines: {lines or '(none)'}",
                container=state.id[:12],
            )
    return gate.url(running.network)


def _bytes(gate_file: GateFile) -> bytes:
    return gate_file.model_dump_json().encode()
