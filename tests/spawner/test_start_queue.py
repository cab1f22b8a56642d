"""A start that asks for its place or ticket: in its team's turn for a request only, and never back once cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hubernate_core.errors import Unavailable
from hubernate_core.queue import Place
from hubernate_core.server import StartChoice, Ticket
from hubernate_core.wire import StartRequest
from hubernate_spawner.progress import Log
from hubernate_spawner.start import Start
from hubernate_spawner.turns import AT_ONCE, Turns
from support.tickets import ticket

PLACE = Place.model_validate(
    {
        "id": "paaaaaaaa1", "user": "ada", "server_name": "", "tenant": "physics", "profile": "base",
        "since": "2026-11-25T08:00:00Z", "position": 0, "of": 0, "waits_for": "nothing",
    }
)  # fmt: skip


class Service:
    """Answers every request for a start by `answer`; keeps what else it was told."""

    def __init__(self, answer: Callable[[StartRequest], Awaitable[Ticket | Place]]) -> None:
        self.start = answer
        self.calls: list[tuple[str, str]] = []

    async def ready(self, server: str, generation: int) -> None:
        self.calls.append(("ready", server))

    async def leave(self, place: str) -> None:
        self.calls.append(("leave", place))

    async def abandoned(self, server: str, body: Any) -> None:
        self.calls.append(("abandoned", server))

    async def operation(self, *_: Any) -> None:
        self.calls.append(("operation", ""))
        await asyncio.Event().wait()


class Adopts:
    """An engine on which the server runs already."""

    async def adopt(self, ticket: Ticket, container: str) -> str:
        return container


def begin(service: Service, turns: Turns, user: str, *, told: Log | None = None, tenant: str = "", **more: Any) -> Any:
    request = StartRequest(user=user, server_name="", choice=StartChoice(tenant=tenant), **{"groups": ()} | more)
    return Start[Any](service, Adopts(), request, told or Log(), turns)  # type: ignore[arg-type]


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - another task makes it true
            await asyncio.sleep(0.01)


async def test_a_start_that_the_service_puts_off_says_why_and_holds_up_nobody_of_its_team() -> None:
    async def answer(request: StartRequest) -> Ticket:
        if request.user != "bob":
            raise Unavailable("the team's namespace is not ready")
        return ticket(adopt="c1")

    service, turns, logs = Service(answer), Turns(), [Log() for _ in range(AT_ONCE)]
    waiting = [
        asyncio.create_task(begin(service, turns, f"u{number}", told=told, groups=("physics",)).run())
        for number, told in enumerate(logs)
    ]
    await until(lambda: all(told.last for told in logs))
    assert {told.last for told in logs} == {
        "Waiting for the platform service; nothing is lost: the team's namespace is not ready"
    }
    async with asyncio.timeout(20):
        assert await begin(service, turns, "bob", groups=("physics",)).run() == "c1"
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)


@pytest.mark.parametrize(
    ("many", "other"),
    [
        ({}, {}),
        ({"groups": ("physics",)}, {"tenant": "physics"}),
        ({"tenant": "physics"}, {"tenant": "biology"}),
    ],
)
async def test_those_who_may_be_of_other_teams_share_no_line(many: dict[str, Any], other: dict[str, Any]) -> None:
    asked: list[str] = []
    goes_on = asyncio.Event()

    async def answer(request: StartRequest) -> Ticket:
        asked.append(request.user)
        if request.user != "bob":
            await goes_on.wait()
        return ticket(adopt="c1")

    service, turns = Service(answer), Turns()
    waiting = [asyncio.create_task(begin(service, turns, f"u{n}", **many).run()) for n in range(AT_ONCE)]
    await until(lambda: len(asked) == AT_ONCE)
    async with asyncio.timeout(20):
        assert await begin(service, turns, "bob", **other).run() == "c1"
    goes_on.set()
    await asyncio.gather(*waiting)


async def test_a_start_that_is_cancelled_while_it_waits_for_a_save_leaves_its_place() -> None:
    answers: list[Ticket | Place] = [PLACE, ticket(wait_for="xaaaaaaaa1")]

    async def answer(request: StartRequest) -> Ticket | Place:
        return answers.pop(0)

    service = Service(answer)
    start = begin(service, Turns(), "ada")
    running = asyncio.create_task(start.run())
    await until(lambda: ("operation", "") in service.calls)
    running.cancel()
    await asyncio.wait([running])
    await start.leave_queue()
    assert service.calls[-1] == ("leave", PLACE.id)


@pytest.mark.parametrize(
    ("late", "told"), [(PLACE, ("leave", PLACE.id)), (ticket(), ("abandoned", ticket().server_id))]
)
async def test_a_start_that_is_cancelled_while_it_asks_hears_the_answer_and_leaves_nothing(
    late: Ticket | Place, told: tuple[str, str]
) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def answer(request: StartRequest) -> Ticket | Place:
        asked.set()
        await answered.wait()
        return late

    service = Service(answer)
    start = begin(service, Turns(), "ada")
    running = asyncio.create_task(start.run())
    await asked.wait()
    running.cancel()
    await asyncio.sleep(0)
    answered.set()
    await asyncio.wait([running])
    assert running.cancelled()
    await start.leave_queue()
    assert service.calls == [told]
