"""The agent's loop: ask for work, hand orders to threads, look after what an earlier agent left."""

import logging
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from threading import Event, Lock, Thread
from types import FrameType
from typing import Any

from traitlets import Unicode
from traitlets.config import Application

from hubernate_core.errors import HubernateError, InvalidInput, Unavailable
from hubernate_core.names import OperationId
from hubernate_core.operation import Step
from hubernate_core.wire import Order, Orders, Poll

from .cache import ImageCache
from .capture.connect import connect
from .config import CheckpointAgent
from .freeze import Freezer
from .health import Metrics, serve
from .inventory import Inventory
from .journal import Journal
from .lock import alone
from .log import start_logging
from .operation import Operation
from .registry import Registry
from .reporter import Aborted, Gone, Reporter
from .service import Service
from .tools import Tools

_log = logging.getLogger(__name__)
_AWAY_S = 2.0
_VERSION = metadata.version("hubernate")


def _nothing(step: str) -> None:
    """The default of `Agent.on_step`."""


class Agent:
    """One node's agent. `run` returns after `stop`.

    Args:
        on_step: told ``before:STEP`` and ``after:STEP`` of every operation; a failpoint for tests.

    Raises:
        InvalidInput: a setting is missing.
        Unavailable: the engine does not answer.
    """

    def __init__(self, settings: CheckpointAgent, on_step: Callable[[str], None] = _nothing) -> None:
        for name in ("service_url", "token_file"):
            if not getattr(settings, name):
                raise InvalidInput(f"CheckpointAgent.{name}", "not set, and the agent can do nothing without it")
        self._settings = settings
        self._stop = Event()
        self._folder = Path(settings.state_dir)
        journal = Journal(self._folder)
        engine = connect(settings, lambda: login_of(settings.registry_login_file))
        registry = open_registry(settings, settings.registry_timeout_s)
        freezer = Freezer(engine, journal.frozen, settings.freeze_limit_s)
        self.metrics = Metrics()
        self._tools = Tools(settings, engine, registry, journal, freezer, self.metrics, self._stop, on_step)
        self._service = Service(settings.service_url, Path(settings.token_file))
        self._cache = ImageCache(engine, registry, settings.registry, self._folder, settings.image_cache_bytes)
        self._inventory = Inventory(engine, settings.instance, self._stop)
        self._pool = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="operation")
        self._busy: dict[OperationId, Order] = {}
        self._lock = Lock()
        self._forgotten: tuple[str, ...] = ()
        self._wanted: tuple[str, ...] = ()
        self._to_forget: tuple[str, ...] = ()
        self._to_find: tuple[str, ...] = ()
        self._found: dict[str, bool] = {}
        self._house = Event()
        self._asked = False

    def run(self) -> None:
        """Work until `stop`.

        Raises:
            Conflict: another agent works in this state folder.
            Unavailable: the engine does not answer.
        """
        with alone(self._folder):
            self._run()

    def _run(self) -> None:
        self._tools.journal.clear_spool()
        self._tools.freezer.recover()
        self._drop_old_indexes()
        socket = Path(self._settings.health_socket) if self._settings.health_socket else self._folder / "health.sock"
        health = serve(socket, self.metrics)
        for name, task in (("poll", self._ask_for_work), ("cache", self._keep_house)):
            Thread(target=task, name=name, daemon=True).start()
        self._stop.wait()
        # A poll under way is left behind: it may last as long as the service likes, and holds nothing.
        health.shutdown()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def stop(self) -> None:
        """End soon: what is under way thaws and is left to the next agent."""
        self._stop.set()
        self._house.set()

    def _ask_for_work(self) -> None:
        while not self._stop.is_set():
            self.metrics.turned_at = time.monotonic()
            try:
                self._turn()
            except Exception:  # noqa: BLE001 - one bad turn must not end the loop: nobody would save anything any more
                _log.exception("a turn of the agent failed")
                self._stop.wait(_AWAY_S)

    def _turn(self) -> None:
        """One poll and what comes of it."""
        try:
            orders = self._poll()
            if self._stop.is_set():
                return
            self._tools.freezer.recover()
        except HubernateError as problem:
            if not self._stop.is_set():
                level = logging.WARNING if isinstance(problem, Unavailable) else logging.ERROR
                _log.log(level, "cannot ask for work", extra={"problem": problem.message})
            self._stop.wait(_AWAY_S)
            return
        if not self._asked:
            self._asked = True
            self._drop_finished(orders)
        for order in orders.orders:
            self._take(order)
        with self._lock:
            self._wanted, self._to_forget, self._to_find = orders.prefetch, orders.forget, orders.look_for
        self._house.set()

    def _poll(self) -> Orders:
        with self._lock:
            busy, forgotten, found = tuple(self._busy), self._forgotten, dict(self._found)
        poll = Poll(
            node=self._settings.node,
            version=_VERSION,
            wait_s=self._settings.poll_wait_s,
            containers=self._inventory.look(),
            busy_with=busy,
            local_checkpoints=self._cache.ready,
            forgotten=forgotten,
            found=tuple(each for each, there in found.items() if there),
            missing=tuple(each for each, there in found.items() if not there),
        )
        orders = self._service.poll(poll)
        self.metrics.polled.set_to_current_time()
        with self._lock:
            self._forgotten = tuple(each for each in self._forgotten if each not in forgotten)
            self._found = {each: there for each, there in self._found.items() if each not in found}
        return orders

    def _take(self, order: Order) -> None:
        """Queue an order, unless its operation or container is being worked on."""
        with self._lock:
            taken = order.operation_id in self._busy
            if taken or any(each.container_id == order.container_id for each in self._busy.values()):
                return
            self._busy[order.operation_id] = order
            self.metrics.busy.set(len(self._busy))
        _log.info("order", extra={"operation": order.operation_id, "server": order.server_id, "kind": str(order.kind)})
        self._pool.submit(self._work, order)

    def _work(self, order: Order) -> None:
        """Carry out an order. Nobody reads the future of this: whatever goes wrong is logged and reported here."""
        outcome = "failed"
        try:
            reporter = Reporter(self._service, self._settings.node, order, self._stop)
            try:
                operation = Operation(self._tools, order, reporter)
            except Exception as problem:  # noqa: BLE001 - as below; it never began, and a server must not hang for it
                self._refuse(order, reporter, problem)
            else:
                outcome = operation.run()
        except Exception:  # noqa: BLE001 - the last place where it can be told
            _log.exception("an order failed", extra={"operation": order.operation_id, "server": order.server_id})
        finally:
            self.metrics.operations.labels(outcome=outcome).inc()
            with self._lock:
                del self._busy[order.operation_id]
                self.metrics.busy.set(len(self._busy))

    def _refuse(self, order: Order, reporter: Reporter, problem: Exception) -> None:
        """Report an order that cannot even begin, such as one whose entry in the journal is damaged."""
        ids = {"operation": order.operation_id, "server": order.server_id}
        _log.error("cannot begin an operation", extra=ids, exc_info=problem)
        reason = (
            "The operation on this server could not begin: what this node's agent remembers of it cannot be read "
            f"({type(problem).__name__}). Nothing more was done to the server; its changes are as they were. Try "
            "again; an admin finds more in the agent's log."
        )
        try:
            reporter.settle(Step.FAILED, reason=reason)
        except Aborted as ended:
            _log.warning("the failure could not be reported", extra={**ids, "problem": ended.message})
        except Gone:
            return
        finally:
            reporter.close()
        self._tools.journal.forget(order.operation_id)

    def _keep_house(self) -> None:
        """Delete what retention lets go and make ready what is wanted, beside the polls."""
        while not self._stop.is_set():
            self._house.wait()
            self._house.clear()
            with self._lock:
                wanted, forget, to_find = self._wanted, self._to_forget, self._to_find
            try:
                found = self._cache.look_for(to_find)
                with self._lock:
                    self._found |= found
                done = self._cache.forget(forget)
                with self._lock:
                    self._forgotten = tuple(dict.fromkeys((*self._forgotten, *done)))
                self._cache.prepare(wanted, self._stop)
            except (HubernateError, OSError) as problem:
                _log.warning("cannot look after images", extra={"problem": str(problem)})

    def _drop_finished(self, orders: Orders) -> None:
        """The first answer names every operation of this node that was begun: what else the journal holds is over."""
        still = {order.operation_id for order in orders.orders}
        for operation in self._tools.journal.operations():
            if operation not in still:
                self._tools.journal.forget(operation)

    def _drop_old_indexes(self) -> None:
        """Containers that somebody removed need no index."""
        here = {each.id for each in self._tools.engine.ours(self._settings.instance)}
        for container_id in self._tools.journal.known_containers() - here:
            self._tools.journal.forget_container(container_id)


def open_registry(settings: CheckpointAgent, timeout_s: float) -> Registry:
    """The registry of the settings.

    Raises:
        InvalidInput: the CA bundle cannot be read.
    """
    url = settings.registry_url or f"{settings.registry_scheme}://{settings.registry}"
    try:
        return Registry(url, lambda: login_of(settings.registry_login_file), timeout_s, settings.registry_ca_file)
    except OSError as problem:  # ssl.SSLError, of a file without a certificate, is one
        reason = f"{settings.registry_ca_file} holds no certificates that can be read ({problem.strerror or problem})"
        raise InvalidInput("CheckpointAgent.registry_ca_file", reason) from problem


def login_of(path: str) -> tuple[str, str] | None:
    """User and password for the registry, None without a file."""
    if not path:
        return None
    user, _, password = Path(path).read_text().strip().partition(":")
    return user, password


class AgentApplication(Application):  # type: ignore[misc]
    """``hubernate-agent``: settings from ``--config FILE`` and ``--CheckpointAgent.NAME=value``."""

    name = "hubernate-agent"
    description = "Saves the notebooks of one node."
    classes = [CheckpointAgent]  # noqa: RUF012 - traitlets' own convention
    config_file = Unicode("", help="Python file with c.CheckpointAgent.NAME = value.").tag(config=True)
    aliases = {"config": "AgentApplication.config_file", "log-level": "Application.log_level"}  # noqa: RUF012

    def initialize(self, argv: Any = None) -> None:
        """Read the command line, then the file; the command line wins."""
        self.parse_command_line(argv)
        if self.config_file:
            given = self.cli_config.copy()
            self.load_config_file(Path(self.config_file).name, str(Path(self.config_file).resolve().parent))
            self.update_config(given)

    def start(self) -> None:
        """Run until SIGTERM or SIGINT; exit with 1 and say why when that cannot be."""
        start_logging()
        try:
            self._run_agent()
        except HubernateError as problem:
            _log.critical("the agent cannot run", extra={"problem": problem.message})
            self.exit(1)

    def _run_agent(self) -> None:
        agent = Agent(CheckpointAgent(parent=self))

        def end(number: int, frame: FrameType | None) -> None:
            agent.stop()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        agent.run()


def main() -> None:
    """Entry point of ``hubernate-agent``."""
    AgentApplication.launch_instance()
