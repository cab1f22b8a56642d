"""After a restore: what the registry has, has not, and does not say; and what looks goes on after odd answers."""

from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from hubernate_checkpointer.cache import ImageCache
from hubernate_checkpointer.house import House
from hubernate_checkpointer.inventory import Inventory
from hubernate_core.errors import Unavailable
from hubernate_core.names import GENERATION_LABEL, ROLE_LABEL, SERVER_LABEL
from hubernate_core.wire import Orders
from support.platform_service import eventually


class Registry:
    """Has one image, lacks one, and is silent about the third."""

    def has_manifest(self, repository: str, digest: str) -> bool:
        if repository == "t-c/u-c":
            raise Unavailable("no answer")
        return repository == "t-a/u-a"


def test_silence_is_no_answer(tmp_path: Any) -> None:
    registry: Any = Registry()
    engine: Any = None
    cache = ImageCache(engine, registry, "registry", tmp_path, 0)
    references = [f"t-{each}/u-{each}@sha256:" + "0" * 64 for each in "abc"]
    assert cache.look_for(references) == {references[0]: True, references[1]: False}


class OddCache:
    """Stumbles over the first orders; knows what it was asked afterwards."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def look_for(self, references: tuple[str, ...]) -> dict[str, bool]:
        if references == ("odd",):
            raise KeyError("layers")
        self.asked.append(references)
        return {}

    def forget(self, references: tuple[str, ...]) -> tuple[str, ...]:
        return ()

    def prepare(self, wanted: tuple[str, ...], stop: Event) -> None:
        """Nothing is wanted."""


def test_an_odd_answer_does_not_end_the_care_for_images(caplog: pytest.LogCaptureFixture) -> None:
    nothing: Any = None
    cache: Any = OddCache()
    stop = Event()
    house = House(nothing, nothing, cache, stop)
    thread = Thread(target=house.keep, daemon=True)
    thread.start()
    try:
        house.order(Orders(look_for=("odd",)))
        eventually("it is told", lambda: "KeyError" in caplog.text)
        house.order(Orders(look_for=("next",)))
        eventually("it goes on", lambda: cache.asked == [("next",)])
    finally:
        stop.set()
        house.end()
        thread.join(10)


def test_an_odd_figure_of_one_container_keeps_no_other_from_being_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubernate_checkpointer.inventory._EVERY_S", 0.02)
    labels = {ROLE_LABEL: "notebook", SERVER_LABEL: "s1", GENERATION_LABEL: "1"}
    state = {"running": True, "paused": False, "exit_code": None, "oom_killed": False, "labels": labels}

    def seconds(container: str) -> float:
        if container == "odd":
            raise KeyError("cpu_stats")
        return 7.0

    containers = [SimpleNamespace(id=each, **state) for each in ("odd", "even")]
    engine: Any = SimpleNamespace(ours=lambda instance: containers, cpu_seconds=seconds)
    stop = Event()
    inventory = Inventory(engine, "test", stop)

    def used() -> dict[str, float | None]:
        return {each.container_id: each.cpu_seconds for each in inventory.look()}

    try:
        eventually("it is measured", lambda: used() == {"odd": None, "even": 7.0})
    finally:
        stop.set()
