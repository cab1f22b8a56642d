"""One attempt to start a server: what is asked of the platform service, in which order, on every engine.

What an attempt made it removes when it fails before `ready`; a server that was ever ready it never removes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Hashable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from hubernate_core.errors import Conflict, HubernateError, NotFound
from hubernate_core.names import PlaceId
from hubernate_core.queue import Place
from hubernate_core.server import Ticket
from hubernate_core.wire import Abandoned, StartRequest, StopRequest

from .client import ServiceClient
from .lifecycle import Running, follow, patient
from .progress import Log
from .turns import Turns

_ROUNDS = 5
"""Times a start asks again after waiting for an operation; more means that something else keeps stopping the server."""
_LOOK_S = 20.0
_CALM_S = 1.0
"""Between two looks at a place in the queue, so that a queue that moves fast is not asked about all the time."""
PATIENCE_S = 60.0
"""How long a start waits for a platform service that is being restarted."""

R = TypeVar("R", bound=Running)
R_co = TypeVar("R_co", bound=Running, covariant=True)

log = logging.getLogger(__name__)


class ImageMissing(NotFound):
    """The registry does not have the image to resume; the person chooses what to start instead (F43)."""


class Making(Protocol[R_co]):
    """One fresh server while it is made on an engine."""

    async def make(self) -> R_co:
        """Make it, say `started` to the platform service, and return once its gate answers for the notebook."""

    async def remove(self) -> None:
        """Remove all that `make` made, also what a call made whose answer was never seen.

        Raises:
            HubernateError: something may be left; the platform service's reconciler has to look.
        """


class Backend(Protocol[R_co]):
    """What differs between engines."""

    def fresh(self, ticket: Ticket) -> Making[R_co]:
        """Plan a fresh server; nothing is made yet."""

    async def adopt(self, ticket: Ticket, container: str) -> R_co | None:
        """Take up a server that still runs, with a new gate file; None if it cannot be reached, and is untouched."""


class Start(Generic[R]):
    """One attempt to start a server."""

    def __init__(
        self,
        service: ServiceClient,
        backend: Backend[R],
        request: StartRequest,
        told: Log,
        turns: Turns | None = None,
    ) -> None:
        self._service, self._backend, self._request, self._told = service, backend, request, told
        self._turns = turns or Turns()
        self._perhaps_ready = self._asked = False
        # Which team it is the service decides and its answer says. Until then those of the same groups share one line;
        # who is in none may be in any team, and holds up nobody.
        known = request.choice.tenant
        self._team: Hashable = ("team", known) if known else ("groups", request.groups or request.user)
        self.place: PlaceId | None = None
        """Its place in the queue while it waits there."""

    async def run(self) -> R:
        """The started (or adopted) server, once its gate answers and the platform service knows it as ready.

        Raises:
            HubernateError: nothing of this attempt is left on the engine, as far as the engine could be reached.
        """
        service = self._service
        for _ in range(_ROUNDS):
            ticket = await self._ticket()
            if ticket.wait_for is not None:
                await follow(service, ticket.wait_for, self._told, "Waiting for the previous session: ")
            elif ticket.adopt is None:
                return await self._fresh(ticket)
            elif (adopted := await self._backend.adopt(ticket, ticket.adopt)) is not None:
                await service.ready(ticket.server_id, ticket.generation)
                return adopted
            else:
                # It cannot be reached any more. Saved and stopped, it resumes like any other.
                body = StopRequest(generation=ticket.generation)
                operation = await service.stop(ticket.server_id, body)
                await follow(service, operation.id, self._told, "Saving the interrupted session: ")
        raise Conflict("the server keeps being stopped by someone else; nothing was lost, try again in a minute")

    async def _ticket(self) -> Ticket:
        """The service's ticket, however long the start waits in the queue for it."""
        while True:
            answer = await patient(self._ask_once, self._told, self._patience_s)
            if isinstance(answer, Ticket):
                return answer
            await self._wait_in(answer)

    async def _ask_once(self) -> Ticket | Place:
        """The service's answer to one request, in this team's turn; heard to the end also when the start is cancelled
        meanwhile, since it may be a place, which would bring the start back."""
        told = None if self._asked else self._told  # later the service has said something that is worth more
        async with self._turns.take(self._team, told):
            self._asked = True
            request = self._request.model_copy(update={"place": self.place})
            asking = asyncio.ensure_future(self._service.start(request))
            try:
                answer = await asyncio.shield(asking)
            except asyncio.CancelledError as cancelled:
                with contextlib.suppress(HubernateError):
                    await _whole(self._drop(asking, cancelled))
                raise
        self._note(answer)
        return answer

    def _note(self, answer: Ticket | Place) -> None:
        if isinstance(answer, Place):
            self.place, self._team = answer.id, ("team", answer.tenant)
        elif answer.wait_for is None:  # else it comes before the queue, and the place is still there
            self.place = None

    async def _drop(self, asking: asyncio.Future[Ticket | Place], cancelled: BaseException) -> None:
        """What came of a request that nobody waits for any more."""
        answer = await asking
        self._note(answer)
        if isinstance(answer, Ticket) and answer.wait_for is None and answer.adopt is None:
            await self._abandon(answer, None, cancelled)

    async def _wait_in(self, place: Place) -> None:
        """Until `place` may go, or is not known any more: then asking again finds or makes one."""
        with contextlib.suppress(NotFound):
            while not place.may_go:
                self._told.add(place.told, 2)
                await asyncio.sleep(_CALM_S)
                place = await patient(partial(self._service.place, place.id, _LOOK_S), self._told)

    @property
    def _patience_s(self) -> float:
        """How long the service may be away: for a start that waits already, for as long as it likes."""
        return PATIENCE_S if self.place is None else float("inf")

    async def leave_queue(self) -> None:
        """Give its place in the queue back, if it has one: the start is not wanted any more."""
        if self.place is None:
            return
        place, self.place = self.place, None
        try:
            await patient(lambda: self._service.leave(place), self._told, PATIENCE_S)
        except HubernateError as problem:
            log.warning("a place in the queue was not given back", extra={"place": place, "cause": problem.message})

    async def _fresh(self, ticket: Ticket) -> R:
        making: Making[R] | None = None
        try:
            self._tell_what(ticket)
            making = self._backend.fresh(ticket)
            running = await making.make()
            await self._say_ready(ticket)
            return running
        except BaseException as problem:  # a timeout of the hub arrives as CancelledError
            if self._perhaps_ready:
                log.warning("a start ended as it became ready; left to be adopted, or saved", extra=ids(ticket))
            else:
                await _whole(self._abandon(ticket, making, problem))
            raise

    def _tell_what(self, ticket: Ticket) -> None:
        if ticket.checkpoint is not None:
            self._told.add(f"Resuming the environment saved on {ticket.checkpoint.created_at:%d %B, %H:%M} UTC", 10)
        else:
            self._told.add(f"Starting {ticket.profile.title} from a clean environment", 10)

    async def _say_ready(self, ticket: Ticket) -> None:
        self._perhaps_ready = True  # from here on an interrupted call may have been heard
        try:
            await patient(lambda: self._service.ready(ticket.server_id, ticket.generation), self._told, PATIENCE_S)
        except (Conflict, NotFound):
            self._perhaps_ready = False
            raise
        self._told.add("Ready", 95)

    async def _abandon(self, ticket: Ticket, making: Making[R] | None, problem: BaseException) -> None:
        """Remove what this attempt made and say so; what fails here is left to the platform service's reconciler."""
        log.warning("a start failed before it was ready; removing it", extra=ids(ticket) | {"cause": repr(problem)})
        try:
            if making is not None:
                await making.remove()
            reason = (
                problem.message if isinstance(problem, HubernateError) else "the start was interrupted or took too long"
            )
            missing = isinstance(problem, ImageMissing)
            body = Abandoned(generation=ticket.generation, image_missing=missing, reason=reason[:1000])
            await self._service.abandoned(ticket.server_id, body)
        except HubernateError:
            log.exception("could not clear up after a failed start; the reconciler will", extra=ids(ticket))


async def _whole(clearing: Coroutine[Any, Any, None]) -> None:
    """`clearing` to its end, however often the start is interrupted meanwhile: half of it would leave containers."""
    task = asyncio.ensure_future(clearing)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()


def ids(ticket: Ticket) -> dict[str, object]:
    """What names the start in a log."""
    return {"server": ticket.server_id, "generation": ticket.generation}


def missing_image(ticket: Ticket) -> ImageMissing:
    """The registry does not have the ticket's image: what the person can do."""
    if ticket.checkpoint is None:
        message = (
            f"the image of profile {ticket.profile.name!r} is not in the registry any more. Nothing else was touched."
            " Choose another profile, or ask your admin to build it again."
        )
    else:
        message = (
            f"the environment saved on {ticket.checkpoint.created_at:%d %B, %H:%M} UTC is not in the registry any"
            " more. Your home folder and the other checkpoints are untouched. Choose an earlier checkpoint or a clean"
            " start."
        )
    return ImageMissing(message, image=ticket.image)
