"""What an agent tells about the notebooks on its node."""

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

from hubernate_core.errors import HubernateError
from hubernate_core.names import GENERATION_LABEL, ROLE_LABEL, SERVER_LABEL, ServerId
from hubernate_core.wire import Seen

from .capture.engine import Container, Engine

_log = logging.getLogger(__name__)
_EVERY_S = 10.0
_AT_ONCE = 8


class Inventory:
    """The notebook containers of one installation.

    CPU time is measured beside the polls: Docker Engine takes a second for one figure, also when asked for one only.
    """

    def __init__(self, engine: Engine, instance: str, stop: Event) -> None:
        self._engine = engine
        self._instance = instance
        self._stop = stop
        self._cpu: dict[str, float] = {}
        self._running: tuple[str, ...] = ()
        Thread(target=self._measure, name="cpu", daemon=True).start()

    def look(self) -> tuple[Seen, ...]:
        """Every notebook container, with the CPU time it had used a few seconds ago.

        Raises:
            Unavailable: the engine does not answer.
        """
        found = [each for each in self._engine.ours(self._instance) if each.labels.get(ROLE_LABEL) == "notebook"]
        self._running = tuple(each.id for each in found if each.running and not each.paused)
        return tuple(seen for each in found if (seen := self._seen(each)) is not None)

    def _seen(self, container: Container) -> Seen | None:
        try:
            server, generation = container.labels[SERVER_LABEL], int(container.labels[GENERATION_LABEL])
        except (KeyError, ValueError):
            _log.warning("container with incomplete labels", extra={"container": container.id})
            return None
        return Seen(
            server_id=ServerId(server),
            generation=generation,
            container_id=container.id,
            running=container.running,
            paused=container.paused,
            exit_code=container.exit_code,
            oom_killed=container.oom_killed,
            cpu_seconds=self._cpu.get(container.id) if container.running else None,
        )

    def _measure(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cpu") as pool:
            while not self._stop.wait(_EVERY_S):
                running = self._running
                figures = zip(running, pool.map(self._cpu_of, running), strict=True)
                self._cpu = {container: used for container, used in figures if used is not None}

    def _cpu_of(self, container_id: str) -> float | None:
        try:
            return self._engine.cpu_seconds(container_id)
        except HubernateError as problem:
            _log.info("no CPU figure", extra={"container": container_id, "problem": problem.message})
        except Exception:  # noqa: BLE001 - or no server's use would be known any more: what works would seem idle
            _log.exception("no CPU figure", extra={"container": container_id})
        return None
