"""The informer's shell on a scripted API server: one list, then watches; backs off; says how old its knowledge is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from hubernate_core.errors import Unavailable
from hubernate_hub.kube.client import KubeApi
from hubernate_hub.kube.errors import Expired
from hubernate_hub.kube.mirror import Change
from hubernate_hub.kube.resources import PODS
from hubernate_hub.kube.watch import Backoff, Informer


class Scripted:
    """Answers lists with what is there and watches with one script after another; at the end it waits."""

    def __init__(self, *scripts: list[dict[str, Any] | Exception]) -> None:
        self.scripts = list(scripts)
        self.items: list[dict[str, Any]] = []
        self.down = False
        self.since: list[str] = []

    async def list(self, resource: object, selector: str) -> tuple[list[dict[str, Any]], str]:
        if self.down:
            raise Unavailable("down")
        return list(self.items), "100"

    async def watch(self, resource: object, selector: str, since: str) -> AsyncIterator[dict[str, Any]]:
        self.since.append(since)
        for each in self.scripts.pop(0) if self.scripts else ():
            if isinstance(each, Exception):
                raise each
            yield each
        if not self.scripts:
            await asyncio.sleep(60)


def event(kind: str, uid: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"uid": uid, "resourceVersion": str(version)}}}


class Quick(Backoff):
    """Counts instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def next(self) -> float:
        self.waits.append(super().next())
        return 0.001


@asynccontextmanager
async def informed(api: Scripted) -> AsyncIterator[tuple[Informer[str], list[Change[str]], Quick]]:
    told: list[Change[str]] = []
    quick = Quick()
    informer = Informer(
        cast(KubeApi, api), PODS, lambda each: str(each["metadata"]["uid"]), on_change=told.append, backoff=quick
    )
    task = asyncio.create_task(informer.run())
    try:
        yield informer, told, quick
    finally:
        task.cancel()


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110  a script has no event to wait for
            await asyncio.sleep(0.005)


async def test_a_cut_watch_goes_on_where_it_was_without_a_list() -> None:
    api = Scripted([event("ADDED", "a", 101), Unavailable("cut")], [event("DELETED", "a", 105)])
    async with informed(api) as (informer, told, _):
        await until(lambda: len(told) == 2)
        assert [change.now for change in told] == ["a", None]
        assert (informer.lists, api.since) == (1, ["100", "101"])


async def test_410_lists_once_and_finds_what_was_missed() -> None:
    api = Scripted([event("ADDED", "a", 101), Expired("too old")], [])
    async with informed(api) as (informer, told, _):
        await until(lambda: informer.lists == 2)
        assert [(change.uid, change.now) for change in told] == [("a", "a"), ("a", None)]
        assert informer.objects == {}


async def test_a_dead_api_server_is_asked_less_and_less_and_what_is_known_is_called_old() -> None:
    api = Scripted()
    api.down = True
    async with informed(api) as (informer, _, quick):
        await until(lambda: len(quick.waits) >= 8)
        assert (informer.synced, informer.stale_s) == (False, float("inf"))
        wholes = [min(30, 0.5 * 2**number) for number in range(8)]  # each wait is spread over its upper half
        assert all(whole / 2 <= wait <= whole for whole, wait in zip(wholes, quick.waits, strict=False))
        api.down = False
        await until(lambda: informer.synced)
        assert informer.stale_s < 5


async def test_an_event_nobody_can_read_does_not_end_the_watch() -> None:
    api = Scripted([{"type": "ADDED", "object": {"metadata": None}}], [event("ADDED", "b", 120)])
    async with informed(api) as (informer, told, _):
        await until(lambda: bool(told))
        assert [change.now for change in told] == ["b"]
        assert informer.lists == 2


def test_waits_are_spread_so_that_not_all_come_back_at_once() -> None:
    firsts = {round(Backoff().next(), 6) for _ in range(20)}
    assert len(firsts) > 10
    assert all(0.25 <= each <= 0.5 for each in firsts)
