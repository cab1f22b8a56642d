"""What the informer knows after lists and events: nothing missed, nothing invented, also after 410 and repeats."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hubernate_core.errors import Unavailable
from hubernate_hub.kube.errors import Expired
from hubernate_hub.kube.mirror import Change, Mirror


def thing(uid: str, version: int, value: str = "") -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": str(version)}, "value": value}


def event(kind: str, uid: str, version: int, value: str = "") -> dict[str, Any]:
    return {"type": kind, "object": thing(uid, version, value)}


def mirror() -> Mirror[str]:
    return Mirror(lambda each: each["value"] or None)


def test_events_after_a_list_are_followed() -> None:
    known = mirror()
    assert known.listed([thing("a", 1, "x"), thing("b", 2, "y")], "5") == [
        Change("a", None, "x"),
        Change("b", None, "y"),
    ]
    assert known.took(event("MODIFIED", "a", 6, "z")) == [Change("a", "x", "z")]
    assert known.took(event("DELETED", "b", 7, "y")) == [Change("b", "y", None)]
    assert known.took(event("ADDED", "c", 8, "w")) == [Change("c", None, "w")]
    assert (known.objects, known.version) == ({"a": "z", "c": "w"}, "8")


def test_a_bookmark_moves_the_place_to_watch_from_and_nothing_else() -> None:
    known = mirror()
    known.listed([thing("a", 1, "x")], "5")
    assert known.took({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "90"}}}) == []
    assert (known.objects, known.version) == ({"a": "x"}, "90")


def test_a_list_after_410_tells_what_was_missed() -> None:
    known = mirror()
    known.listed([thing("a", 1, "x"), thing("b", 2, "y")], "5")
    with pytest.raises(Expired):
        known.took({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}})
    assert known.objects == {"a": "x", "b": "y"}, "what is known stays until the new list"
    changes = known.listed([thing("b", 2, "y"), thing("c", 9, "w")], "20")
    assert changes == [Change("a", "x", None), Change("c", None, "w")]


def test_another_error_in_the_stream_is_no_reason_to_list() -> None:
    known = mirror()
    known.listed([thing("a", 1, "x")], "5")
    with pytest.raises(Unavailable) as told:
        known.took({"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "storage"}})
    assert not isinstance(told.value, Expired)
    assert known.version == "5"


def test_an_overtaken_event_does_not_bring_an_old_state_back() -> None:
    known = mirror()
    known.listed([thing("a", 9, "new")], "9")
    assert known.took(event("MODIFIED", "a", 4, "old")) == []
    assert known.objects == {"a": "new"}


def test_an_object_that_stops_being_ours_is_gone() -> None:
    known = mirror()
    known.listed([thing("a", 1, "x")], "1")
    assert known.took(event("MODIFIED", "a", 2, "")) == [Change("a", "x", None)]


_STEPS = some.lists(some.tuples(some.sampled_from("abc"), some.sampled_from(["put", "delete", "cut"])), max_size=30)


@given(_STEPS)
def test_whatever_is_lost_it_ends_as_the_cluster_is(steps: list[tuple[str, str]]) -> None:
    """A store that changes, a watch that is cut and lists anew at times: in the end both hold the same."""
    store: dict[str, dict[str, Any]] = {}
    known, told, connected = mirror(), dict[str, str](), True
    for version, (uid, what) in enumerate(steps, start=1):
        if what == "cut":
            connected = not connected
            if connected:
                _follow(told, known.listed(store.values(), str(version)))
            continue
        now = thing(uid, version, f"v{version}")
        gone = what == "delete" and store.pop(uid, None) is not None
        if what == "put":
            store[uid] = now
        if connected and (gone or what == "put"):
            _follow(told, known.took({"type": "DELETED" if gone else "MODIFIED", "object": now}))
    _follow(told, known.listed(store.values(), "99"))
    assert known.objects == told == {uid: each["value"] for uid, each in store.items()}


def _follow(told: dict[str, str], changes: list[Change[str]]) -> None:
    for change in changes:
        assert told.get(change.uid) == change.before
        told.pop(change.uid, None)
        if change.now is not None:
            told[change.uid] = change.now
