"""Spawners that make nothing: their servers are one web server that answers everything. For a hub with and without the
platform service's admission."""

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.spawner import Spawner
from traitlets import Unicode

from hubernate_core.names import ServerId
from hubernate_core.server import Ticket
from hubernate_core.wire import Started
from hubernate_spawner.client import ServiceClient
from hubernate_spawner.config import PlatformSettings
from hubernate_spawner.lifecycle import patient
from hubernate_spawner.progress import Log
from hubernate_spawner.spawner import TenantSpawner
from hubernate_spawner.start import PATIENCE_S


@dataclass(frozen=True)
class Nothing:
    """A server that is not there."""

    server_id: ServerId
    generation: int

    def to_state(self) -> dict[str, str | int]:
        return asdict(self)


@dataclass(frozen=True)
class NoBackend:
    """An engine that makes nothing, at once."""

    service: ServiceClient

    def fresh(self, ticket: Ticket) -> "NoMaking":
        return NoMaking(self.service, ticket)

    async def adopt(self, ticket: Ticket, container: str) -> Nothing | None:
        return Nothing(ticket.server_id, ticket.generation)


@dataclass(frozen=True)
class NoMaking:
    """One start of it."""

    service: ServiceClient
    ticket: Ticket

    async def make(self) -> Nothing:
        ticket, container = self.ticket, f"{self.ticket.server_id}{self.ticket.generation}"
        body = Started(
            generation=ticket.generation, node="local", container_id=container, gate_container_id=f"{container}g"
        )
        await patient(lambda: self.service.started(ticket.server_id, body), Log(), PATIENCE_S)
        return Nothing(ticket.server_id, ticket.generation)

    async def remove(self) -> None: ...


class AdmittedSpawner(PlatformSettings, TenantSpawner):
    """Asks the platform service for every start, as ours do on every engine."""

    answers = Unicode(help="Where something answers everything.").tag(config=True)

    def make_backend(self) -> Any:
        return NoBackend(self.service)

    async def url_of(self, running: Any) -> str:
        return str(self.answers)

    async def exit_code(self, running: Any) -> int | None:
        return None

    def running_from(self, state: dict[str, Any]) -> Nothing | None:
        return Nothing(state["server_id"], state["generation"]) if "server_id" in state else None


class PlainSpawner(Spawner):  # type: ignore[misc]
    """Asks nobody."""

    answers = Unicode(help="Where something answers everything.").tag(config=True)
    runs = False

    async def start(self) -> str:
        self.runs = True
        self.port = urlsplit(self.answers).port
        return str(self.answers)

    async def stop(self, now: bool = False) -> None:
        self.runs = False

    async def poll(self) -> int | None:
        return None if self.runs else 0
