"""`TenantDockerSpawner`: notebooks on one machine with Docker Engine."""

from typing import Any

from hubernate_core.errors import NotFound

from .config import DockerSettings
from .docker_start import Containers, DockerBackend, Ports, url_of
from .engine import Engine
from .spawner import TenantSpawner


class TenantDockerSpawner(DockerSettings, TenantSpawner):
    """Starts a notebook behind its gate in its team's network; stops it only once its newest state is saved."""

    @property
    def ports(self) -> Ports:
        """The connections, shared by all spawners of one hub."""
        key = (self.docker_url, self.docker_timeout_s, self.docker_workers)
        engine: Engine = self.shared(("engine", *key), lambda: Engine(*key))
        return Ports(
            self.service, engine, self.probe, self.facts(self.config.get("Gate", {})), self.node, self.patience_s
        )

    def make_backend(self) -> DockerBackend:
        """One start on the engine."""
        return DockerBackend(self.ports, self.get_env(), self.told)

    async def url_of(self, running: Containers) -> str:
        """The gate's address in the team's network."""
        return await url_of(self.ports.engine, running)

    async def exit_code(self, running: Containers) -> int | None:
        """The code of whichever container ended; 0 if they are gone."""
        try:
            notebook = await self.ports.engine.state(running.notebook)
            gate = await self.ports.engine.state(running.gate)
        except NotFound:
            return 0
        ended = [state.exit_code for state in (notebook, gate) if not state.running]
        return ended[0] if ended else None

    def running_from(self, state: dict[str, Any]) -> Containers | None:
        """Containers that the hub's state names."""
        return Containers.from_state(state)
