"""One attempt to start a server: what is asked of the platform service and made on the engine, in which order.

What an attempt made it removes when it fails before `ready`; a container that was ever ready it never removes.
"""

import asyncio
import logging
import time
from collections.abc import Mapping

from hubernate_core import names
from hubernate_core.errors import Conflict, HubernateError, NotFound, Unavailable
from hubernate_core.gate_file import GATE_FILE, GATE_UID, GateFile
from hubernate_core.server import Ticket
from hubernate_core.wire import Abandoned, Started, StartRequest, StopRequest

from .engine import check_belongs
from .lifecycle import Ports, Running, follow, patient
from .plan import ContainerSpec, Plan, make_gate_file, make_network, make_plan
from .progress import Log, Pull

_ROUNDS = 5
"""Times a start asks again after waiting for an operation; more means that something else keeps stopping the server."""
_PATIENCE_S = 60.0
"""How long a start waits for a platform service that is being restarted."""
_PROBE_EVERY_S = 0.15

log = logging.getLogger(__name__)


class ImageMissing(NotFound):
    """The registry does not have the image to resume; the person chooses what to start instead (F43)."""


class Start:
    """One attempt to start a server."""

    def __init__(self, ports: Ports, request: StartRequest, hub_env: Mapping[str, str], told: Log) -> None:
        self._ports, self._request, self._hub_env, self._told = ports, request, hub_env, told
        self._perhaps_ready = False

    async def run(self) -> Running:
        """The started (or adopted) server, once its gate answers and the platform service knows it as ready.

        Raises:
            HubernateError: nothing of this attempt is left on the engine, as far as the engine could be reached.
        """
        service = self._ports.service
        for _ in range(_ROUNDS):
            ticket = await patient(lambda: service.start(self._request), self._told, _PATIENCE_S)
            if ticket.wait_for is not None:
                await follow(service, ticket.wait_for, self._told, "Waiting for the previous session: ")
            elif ticket.adopt is None:
                return await self._fresh(ticket)
            elif (adopted := await self._adopt(ticket, ticket.adopt)) is not None:
                return adopted
            else:
                # It cannot be reached any more. Saved and stopped, it resumes like any other.
                body = StopRequest(generation=ticket.generation)
                operation = await service.stop(ticket.server_id, body)
                await follow(service, operation.id, self._told, "Saving the interrupted session: ")
        raise Conflict("the server keeps being stopped by someone else; nothing was lost, try again in a minute")

    async def _fresh(self, ticket: Ticket) -> Running:
        made: list[asyncio.Task[str]] = []
        try:
            plan = make_plan(ticket, self._hub_env, self._ports.facts)
            return await self._make(ticket, plan, made)
        except BaseException as problem:  # a timeout of the hub arrives as CancelledError
            if self._perhaps_ready:
                log.warning("a start ended as it became ready; left to be adopted, or saved", extra=_ids(ticket))
            else:
                await self._abandon(ticket, made, problem)
            raise

    async def _make(self, ticket: Ticket, plan: Plan, made: list[asyncio.Task[str]]) -> Running:
        engine, service, told = self._ports.engine, self._ports.service, self._told
        if ticket.checkpoint is not None:
            told.add(f"Resuming the environment saved on {ticket.checkpoint.created_at:%d %B, %H:%M} UTC", 10)
        else:
            told.add(f"Starting {ticket.profile.title} from a clean environment", 10)
        await asyncio.gather(
            self._ensure_image(ticket), engine.ensure_network(plan.network), engine.ensure_volume(plan.volume)
        )
        gate = await self._create(plan.gate, made)
        _, notebook = await asyncio.gather(
            engine.put_file(gate, GATE_FILE, _bytes(plan.gate_file), GATE_UID, 0o400),
            self._create(plan.notebook, made),
        )
        running = Running(ticket.server_id, ticket.generation, notebook, gate, plan.network.name)
        body = Started(
            generation=ticket.generation, node=self._ports.node, container_id=notebook, gate_container_id=gate
        )
        await patient(lambda: service.started(ticket.server_id, body), told, _PATIENCE_S)
        told.add("Starting the containers", 65)
        await engine.start(gate)
        await engine.start(notebook)
        told.add("Waiting for JupyterLab to answer", 75)
        await self._wait_until_it_answers(running, plan.gate_file.prefix)
        self._perhaps_ready = True  # from here on an interrupted call may have been heard
        try:
            await patient(lambda: service.ready(ticket.server_id, ticket.generation), told, _PATIENCE_S)
        except (Conflict, NotFound):
            self._perhaps_ready = False
            raise
        told.add("Ready", 95)
        return running

    async def _create(self, spec: ContainerSpec, made: list[asyncio.Task[str]]) -> str:
        """Create a container so that a cancelled start still learns of it: the engine's call runs on in its thread."""
        task = asyncio.create_task(self._ports.engine.create(spec))
        made.append(task)
        return await asyncio.shield(task)

    async def _ensure_image(self, ticket: Ticket) -> None:
        if await self._ports.engine.has_image(ticket.image):
            return
        self._told.add("Fetching the image", 15)
        pull = Pull()
        try:
            async for record in self._ports.engine.pull(ticket.image):
                if (message := pull.tell([record])) is not None:
                    self._told.add(message, 15 + int(45 * pull.share))
        except NotFound as problem:
            raise ImageMissing(_missing(ticket), image=ticket.image) from problem

    async def _wait_until_it_answers(self, running: Running, prefix: str) -> None:
        """Return once the gate answers for the notebook; the hub's start_timeout bounds it.

        Raises:
            Unavailable: a container ended; the message holds the end of its log.
        """
        url, look_at = "", 0.0
        while True:
            if time.monotonic() >= look_at:
                url = await self._look(running)
                look_at = time.monotonic() + 1
            if url and await self._ports.answers(f"{url}{prefix}api"):
                return
            await asyncio.sleep(_PROBE_EVERY_S)

    async def _look(self, running: Running) -> str:
        """The gate's URL, if both containers live."""
        engine = self._ports.engine
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

    async def _adopt(self, ticket: Ticket, container: str) -> Running | None:
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
        gate_file = make_gate_file(ticket, self._hub_env, facts)
        running = Running(ticket.server_id, ticket.generation, notebook.id, gate.id, make_network(ticket, facts).name)
        await engine.put_file(gate.id, GATE_FILE, _bytes(gate_file), GATE_UID, 0o400)
        await engine.signal(gate.id, "SIGHUP")
        await self._wait_until_it_answers(running, gate_file.prefix)
        await self._ports.service.ready(ticket.server_id, ticket.generation)
        return running

    async def _abandon(self, ticket: Ticket, made: list[asyncio.Task[str]], problem: BaseException) -> None:
        """Remove what this attempt made and say so; what fails here is left to the platform service's reconciler."""
        ids = _ids(ticket)
        log.warning("a start failed before it was ready; removing its containers", extra=ids | {"cause": repr(problem)})
        try:
            for result in await asyncio.gather(*made, return_exceptions=True):
                if isinstance(result, str):
                    await self._ports.engine.remove(result)
            reason = (
                problem.message if isinstance(problem, HubernateError) else "the start was interrupted or took too long"
            )
            missing = isinstance(problem, ImageMissing)
            body = Abandoned(generation=ticket.generation, image_missing=missing, reason=reason[:1000])
            await self._ports.service.abandoned(ticket.server_id, body)
        except HubernateError:
            log.exception("could not clear up after a failed start; the reconciler will", extra=ids)


def _ids(ticket: Ticket) -> dict[str, object]:
    return {"server": ticket.server_id, "generation": ticket.generation}


def _bytes(gate_file: GateFile) -> bytes:
    return gate_file.model_dump_json().encode()


def _missing(ticket: Ticket) -> str:
    if ticket.checkpoint is None:
        return (
            f"the image of profile {ticket.profile.name!r} is not in the registry any more. Nothing else was touched."
            " Choose another profile, or ask your admin to build it again."
        )
    return (
        f"the environment saved on {ticket.checkpoint.created_at:%d %B, %H:%M} UTC is not in the registry any more."
        " Your home folder and the other checkpoints are untouched. Choose an earlier checkpoint or a clean start."
    )
