"""Looks at the queue: one for all who ask meanwhile, and only those are woken whose place changed."""

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest

from hubernate_core.names import PlaceId
from hubernate_core.queue import Place
from hubernate_hub.api.waiting import moved_place
from hubernate_hub.bell import Bell
from hubernate_hub.lookout import Lookout, Outlook
from hubernate_hub.reconcile import queue
from hubernate_hub.reconcile.queue import Queue, look
from hubernate_hub.services import places

ADA, BOB = PlaceId("paaaaaaaa1"), PlaceId("pbbbbbbbb1")


def at(key: PlaceId, position: int) -> Place:
    return Place.model_validate(
        {
            "id": key, "user": key, "server_name": "", "tenant": "physics", "profile": "base",
            "since": "2026-11-25T08:00:00Z", "position": position, "of": 2, "waits_for": "quota",
        }
    )  # fmt: skip


class Scripted:
    """A context whose places are scripted; `looks` counts the reads of the whole queue."""

    def __init__(self) -> None:
        self.lookout, self.bell, self.stopping = Lookout(), Bell(), False
        self.looks = 0
        self.positions = {ADA: 1, BOB: 2}

    async def read(self, use: Any) -> Outlook | None:
        if use is not places.look:
            return None
        self.looks += 1
        found = Outlook({key: at(key, position) for key, position in self.positions.items()})
        await asyncio.sleep(0.05)
        return found


async def test_all_who_ask_during_a_look_share_the_next_one() -> None:
    context: Any = Scripted()
    first = asyncio.create_task(look(context))
    await asyncio.sleep(0.01)
    context.positions[BOB] = 1  # after the first look read it
    await asyncio.gather(first, *(look(context) for _ in range(50)))
    assert context.looks == 2
    assert context.lookout.outlook.places[BOB].position == 1, "what is told is never older than the question"


async def test_only_places_that_changed_are_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_MOVES_TOLD_S", 0)
    context: Any = Scripted()
    rounds = Queue(context)
    await rounds.round()
    with ExitStack() as stack:
        ada, bob = (stack.enter_context(context.bell.listen(f"place:{key}")) for key in (ADA, BOB))
        await rounds.round()
        assert not ada.is_set() and not bob.is_set()
        context.positions = {ADA: 1, BOB: 1}
        await rounds.round()
        assert bob.is_set() and not ada.is_set()
        context.positions = {BOB: 1}
        await rounds.round()
        assert ada.is_set(), "it waits no more"


async def test_who_moved_between_two_questions_is_told_at_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_MOVES_TOLD_S", 0)
    context: Any = Scripted()
    rounds = Queue(context)
    await rounds.round()
    async with asyncio.timeout(20):
        assert (await moved_place(context, BOB, 60)).position == 2
        context.positions[BOB] = 1
        await rounds.round()  # nobody listens now
        assert (await moved_place(context, BOB, 60)).position == 1
