"""The spawner's watches on a scripted API: what they do when it ends them, forgets them, or answers nonsense."""

import asyncio
import json
from typing import Any, cast

import pytest
from kubernetes_asyncio.client import CoreV1Api

from hubernate_spawner import kube_watch
from hubernate_spawner.kube_watch import Watch


class Content:
    """A body in pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    async def iter_any(self) -> Any:
        for each in self.pieces:
            yield each


class Response:
    """One answer."""

    def __init__(self, pieces: list[bytes], status: int = 200) -> None:
        self.status, self.content, self.headers = status, Content(pieces), dict[str, str]()

    async def read(self) -> bytes:
        return b"".join(self.content.pieces)

    def close(self) -> None:
        """Nothing to close."""


class Scripted:
    """Lists what is in `items`; a watch says the next of `scripts` and ends, or stays open after the last."""

    def __init__(self, *scripts: list[bytes]) -> None:
        self.scripts, self.items = list(scripts), list[dict[str, Any]]()
        self.lists = self.watches = 0

    async def list_pod_for_all_namespaces(self, watch: bool = False, **_: object) -> Response:
        if not watch:
            self.lists += 1
            return Response([json.dumps({"items": self.items, "metadata": {"resourceVersion": "7"}}).encode()])
        self.watches += 1
        if not self.scripts:
            await asyncio.sleep(3600)
        return Response(self.scripts.pop(0))


def line(kind: str, uid: str, version: int, code: int = 0) -> bytes:
    thing: dict[str, Any] = {"metadata": {"uid": uid, "resourceVersion": str(version)}}
    return json.dumps({"type": kind, "object": thing | ({"code": code} if code else {})}).encode() + b"\n"


def watching(api: Scripted) -> Watch:
    return Watch(cast(CoreV1Api, api), "list_pod_for_all_namespaces", lambda pod: True)


async def until(holds: Any) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - a script has no event to wait for
            await asyncio.sleep(0.01)


async def test_an_api_that_ends_every_watch_at_once_is_asked_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(kube_watch.random, "uniform", lambda low, high: pauses.append(high) or 0.01)
    api = Scripted(*([] for _ in range(6)))
    watch = watching(api)
    await watch.ready(5)
    await until(lambda: api.watches == 7)
    await watch.close()
    assert [each for each in pauses if each != 1.2][:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]  # 1.2: of a watch's length
    assert api.lists == 1, "an end is no reason to list anew"


async def test_410_lists_anew_and_what_went_meanwhile_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_watch, "_PAUSE_S", 0.01)
    api = Scripted([line("ADDED", "a", 8)], [line("ERROR", "", 0, 410)])
    watch = watching(api)
    await watch.ready(5)
    await until(lambda: api.lists == 2)
    await watch.close()
    assert watch.items == {}


async def test_an_event_may_come_in_pieces() -> None:
    whole = line("ADDED", "a", 8) + line("ADDED", "b", 9)
    api = Scripted([whole[:30], whole[30:100], whole[100:]])
    watch = watching(api)
    await watch.ready(5)
    await until(lambda: set(watch.items) == {"a", "b"})
    await watch.close()
