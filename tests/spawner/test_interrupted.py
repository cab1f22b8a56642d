"""A start that is interrupted at its two delicate moments, held still: while it says `ready`, while it clears up."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from hubernate_core.errors import Unavailable
from hubernate_core.names import ServerId
from hubernate_core.server import StartChoice, Ticket
from hubernate_core.wire import Abandoned, StartRequest
from hubernate_spawner.docker_start import Containers
from hubernate_spawner.progress import Log
from hubernate_spawner.start import Start
from support.tickets import ticket

REQUEST = StartRequest(user="ada", server_name="", groups=("research",), choice=StartChoice())
RUNNING = Containers(ServerId("saaaaaaaa1"), 7, "notebook", "gate", "network")


@dataclass
class Gate:
    """A place in the code where a start waits until the test lets it go on."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> None:
        self.reached.set()
        await self.opened.wait()


@dataclass
class World:
    """The platform service and the engine of one start; `done` is what happened, in order."""

    ready_at: Gate | None = None
    remove_at: Gate | None = None
    fails: bool = False
    done: list[str] = field(default_factory=list)

    # the platform service
    async def start(self, request: StartRequest) -> Ticket:
        return ticket()

    async def ready(self, server: ServerId, generation: int) -> None:
        self.done.append("ready asked")  # from here on the service may have stored it
        if self.ready_at is not None:
            await self.ready_at.wait()

    async def abandoned(self, server: ServerId, body: Abandoned) -> None:
        self.done.append(f"abandoned: {body.reason}")

    # the engine
    def fresh(self, given: Ticket) -> "World":
        return self

    async def make(self) -> Containers:
        if self.fails:
            raise Unavailable("the notebook ended with code 7")
        return RUNNING

    async def remove(self) -> None:
        self.done.append("removing")
        if self.remove_at is not None:
            await self.remove_at.wait()
        self.done.append("removed")

    def begin(self) -> "asyncio.Task[Any]":
        attempt: Start[Any] = Start(self, self, REQUEST, Log())  # type: ignore[arg-type]
        return asyncio.create_task(attempt.run())


async def test_interrupted_while_it_says_ready_nothing_is_removed() -> None:
    """The service may have heard it, and the person may be at work already: it is left to be adopted or saved."""
    world = World(ready_at=Gate())
    assert world.ready_at is not None
    starting = world.begin()
    await asyncio.wait_for(world.ready_at.reached.wait(), 5)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(starting, 5)
    assert world.done == ["ready asked"], "neither removed nor given up"


@pytest.mark.parametrize("times", [1, 3])
async def test_interrupted_while_it_clears_up_it_clears_up_to_the_end(times: int) -> None:
    world = World(remove_at=Gate(), fails=True)
    assert world.remove_at is not None
    starting = world.begin()
    await asyncio.wait_for(world.remove_at.reached.wait(), 5)
    for _ in range(times):
        starting.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not starting.done(), "whoever waits for it waits for the clean-up"
    world.remove_at.opened.set()
    with pytest.raises(Unavailable, match="code 7"):
        await asyncio.wait_for(starting, 5)
    assert world.done == ["removing", "removed", "abandoned: the notebook ended with code 7"]


async def test_interrupted_before_it_is_ready_it_is_removed_and_given_up() -> None:
    world = World()
    made = Gate()
    world.make = made.wait  # type: ignore[method-assign, assignment]
    starting = world.begin()
    await asyncio.wait_for(made.reached.wait(), 5)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(starting, 5)
    assert world.done[:2] == ["removing", "removed"]
    assert world.done[2].startswith("abandoned: the start was interrupted")
