"""`TenantSpawner`: what JupyterHub calls, the same on every engine. The engine's part is in the subclasses.

JupyterHub's rules that shape it (jupyterhub/user.py, 6.1): an exception in `stop` is swallowed; a failed or interrupted
start calls `stop` too; state is stored only after `start`; options arrive unchecked and are used again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from jupyterhub.spawner import Spawner, SpawnException
from traitlets import default

from hubernate_core.errors import HubernateError, InvalidInput, OverQuota, Unavailable, UserError
from hubernate_core.wire import StartRequest

from . import lifecycle, options
from .client import GateProbe, ServiceClient
from .form import make_form, make_refusal
from .progress import Log
from .start import Backend, Start
from .turns import Turns

_READ_S = 5.0
"""How long a stop that failed stays on its page, which looks every second."""

log = logging.getLogger(__name__)


class TenantSpawner(Spawner):  # type: ignore[misc]
    """Asks the platform service for every start, waits for its operations, and deletes nothing that was ever ready."""

    service_url: str
    service_token_file: str
    _clearing_up: ClassVar[set[asyncio.Task[Any]]] = set()
    _shared: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[Any, ...], Any]]] = WeakKeyDictionary()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.running: Any = None
        """The started server, in the form of the engine; None while there is none."""
        self.told = Log()
        self._starting: asyncio.Task[Any] | None = None
        self._interrupted = False
        self._attempt: Start[Any] | None = None
        self._engine_trouble = False

    def make_backend(self) -> Backend[Any]:
        """The engine's part of one start."""
        raise NotImplementedError

    async def url_of(self, running: Any) -> str:
        """Where hub and proxy reach the server; empty while it has no address."""
        raise NotImplementedError

    async def exit_code(self, running: Any) -> int | None:
        """None while it runs; a `HubernateError` when the engine cannot be asked."""
        raise NotImplementedError

    def running_from(self, state: dict[str, Any]) -> Any:
        """What `running.to_state` stored; None for any other state."""
        raise NotImplementedError

    @default("start_timeout")  # type: ignore[untyped-decorator]
    def _default_start_timeout(self) -> int:
        # The hub's own limit cannot tell a queue from a failure; `patience_s` can. This one only ends what hangs.
        return 7 * 24 * 3600

    @default("options_form")  # type: ignore[untyped-decorator]
    def _default_options_form(self) -> Any:
        return _options_form

    @default("options_from_form")  # type: ignore[untyped-decorator]
    def _default_options_from_form(self) -> Any:
        return _options_from_form

    @default("apply_user_options")  # type: ignore[untyped-decorator]
    def _default_apply_user_options(self) -> Any:
        # Checked in `start`, where an error is told without a stack trace; unset, the hub warns at every start.
        return lambda spawner, user_options: None

    def shared(self, key: tuple[Any, ...], make: Any) -> Any:
        """A connection that all spawners of one hub share: what `make()` gave for `key` in this event loop."""
        shared = self._shared.setdefault(asyncio.get_running_loop(), {})
        if key not in shared:
            shared[key] = make()
        return shared[key]

    @property
    def service(self) -> ServiceClient:
        """The platform service."""
        key = (self.service_url, self.service_token_file)
        client: ServiceClient = self.shared(("service", *key), lambda: ServiceClient(*key))
        return client

    @property
    def probe(self) -> GateProbe:
        """Asks gates whether they answer."""
        probe: GateProbe = self.shared(("probe",), GateProbe)
        return probe

    @property
    def turns(self) -> Turns:
        """The teams' turns at service and engine."""
        turns: Turns = self.shared(("turns",), Turns)
        return turns

    async def start(self) -> str:
        """Start or adopt the server; the gate's URL.

        Raises:
            SpawnException: with what happened, what is safe and what to do next.
        """
        self.told, self.running = Log(), None
        try:
            choice = options.read_choice(self.user_options)
            groups = tuple(sorted(group.name for group in self.user.groups))
            request = StartRequest(user=self.user.name, server_name=self.name, groups=groups, choice=choice)
            self._attempt = Start(self.service, self.make_backend(), request, self.told, self.turns)
            self._starting = asyncio.create_task(self._attempt.run())
            self.running = await asyncio.shield(self._starting)
            self.orm_spawner.user_options = options.to_repeat(choice)
            return await self.url_of(self.running)
        except asyncio.CancelledError:
            if self._interrupted:
                raise SpawnException("The start was stopped; nothing is left of it.", reason="interrupted") from None
            if self._starting is not None:
                # It clears up after itself. The hub waits one second for that, and calls a start "ready" if it is late.
                self._starting.cancel()
                self._clearing_up.add(self._starting)
                self._starting.add_done_callback(self._clearing_up.discard)
            raise
        except HubernateError as problem:
            await self._leave_queue()
            raise _spawn_error(problem) from problem
        finally:
            self.told.close()
            self._starting, self._interrupted = None, False

    async def stop(self, now: bool = False) -> None:
        """Save and stop; returns when the platform service says it is done. `now` changes nothing: nothing is lost.

        A cancelled wait (the hub is ending) touches nothing: the operation goes on without the hub.
        """
        if self._starting is not None:
            # A start that is being interrupted clears up after itself; there is nothing of the user's to save.
            self._interrupted = True
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await self._leave_queue()
        if self.running is None:
            return
        self.told = Log()
        try:
            await lifecycle.stop(self.service, self.running, self.told)
        except HubernateError as problem:
            # The hub swallows this and takes the server for stopped; the platform service starts it again by adoption.
            log.error(
                "a server was not stopped", extra={**problem.ids, "server": self.running.server_id}, exc_info=True
            )
            if not self.told.failed:
                self.told.fail(f"Not stopped: {problem.message}")
            # Once this is raised the hub forgets this object, and with it what the page of the stop shows.
            await asyncio.sleep(_READ_S)
            raise
        finally:
            self.told.close()

    async def _leave_queue(self) -> None:
        """Give up the place of a start that was stopped. One that ends with the hub keeps it: nobody stopped that."""
        if self._attempt is not None:
            await self._attempt.leave_queue()

    async def poll(self) -> int | None:
        """None while the server runs or starts, otherwise its exit code; an engine in trouble never ends a server."""
        if self._starting is not None or (self._attempt is not None and self._attempt.place is not None):
            return None  # so that the hub calls `stop`
        if self.running is None:
            return 0
        try:
            code = await self.exit_code(self.running)
        except HubernateError as problem:
            if not self._engine_trouble:
                log.warning("cannot look at a server; taking it for running", extra={"cause": problem.message})
            self._engine_trouble = True
            return None
        self._engine_trouble = False
        return code

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """What a start is doing, from its beginning."""
        async for event in self.told.follow():
            yield {"progress": event.percent, "message": event.message}

    async def get_url(self) -> str:
        """The gate's URL after a restart of the hub; the stored one if the engine cannot be asked."""
        url = ""
        if self.running is not None:
            try:
                url = await self.url_of(self.running)
            except HubernateError as problem:
                log.warning("cannot look up a server's address", extra={"cause": problem.message})
        return url or str(self.server.url)

    # State goes around the parents: KubeSpawner's would bring back a namespace that the person has left.

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a server that was running when the hub ended."""
        Spawner.load_state(self, state)
        self.running = self.running_from(state)

    def get_state(self) -> dict[str, Any]:
        """What the hub keeps: ids of the running server, and the last line of progress for admins."""
        state: dict[str, Any] = Spawner.get_state(self)
        if self.running is not None:
            state |= self.running.to_state()
        if self.told.last:
            state["progress"] = self.told.last
        return state

    def clear_state(self) -> None:
        """Forget the server that ran. The platform service remembers it."""
        Spawner.clear_state(self)
        self.running, self.told = None, Log()

    def delete_forever(self) -> None:
        """Delete nothing: homes and checkpoints outlive a server's entry at the hub and go by retention or by hand.

        An operation may still be open, and an error here would not stop the hub from removing the entry.
        """


async def _options_form(spawner: TenantSpawner) -> str:
    groups = sorted(group.name for group in spawner.user.groups)
    try:
        offered = await spawner.service.start_options(spawner.user.name, spawner.name, groups)
    except HubernateError as problem:
        raise _spawn_error(problem) from problem
    return make_form(offered, datetime.now(UTC))


def _options_from_form(form: dict[str, list[Any]]) -> dict[str, str]:
    try:
        return options.from_form(form)
    except InvalidInput as problem:
        raise _spawn_error(problem) from problem


def _spawn_error(problem: HubernateError) -> SpawnException:
    """The hub's own way to refuse a start: no stack trace, the message shown, the reason counted."""
    status = 503 if isinstance(problem, Unavailable) else 400 if isinstance(problem, UserError) else 500
    message = problem.message
    if not isinstance(problem, UserError | Unavailable):
        log.error("a start failed", extra=dict(problem.ids), exc_info=problem)
    refused = SpawnException(
        f"Your server was not started: {message}", reason=type(problem).__name__.lower(), status_code=status
    )
    if isinstance(problem, OverQuota):
        refused.jupyterhub_html_message = make_refusal(problem)  # the hub's own name for what its page shows as HTML
    return refused
