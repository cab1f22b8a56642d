"""What people are told while they wait."""

import asyncio
from datetime import UTC, datetime

import pytest

from hubernate_core import names
from hubernate_core.operation import Kind, Operation, Outcome, Progress, Step, Trigger
from hubernate_spawner.progress import Event, Log, Pull, tell_operation

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def at(step: Step, kind: Kind = Kind.STOP, **progress: int) -> Operation:
    return Operation(
        id=names.OperationId("paaaaaaaa1"), server_id=names.ServerId("saaaaaaaa1"), generation=1, kind=kind,
        trigger=Trigger.USER, node="local", step=step, progress=Progress.model_validate(progress), reason="disk full",
        requested_at=NOW, updated_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (at(Step.QUIESCED, changed_bytes=212_000_000), "Copying 212 MB of changes"),
        (
            at(Step.QUIESCED, changed_bytes=212_000_000, pushed_bytes=30_000_000),
            "Copying 212 MB of changes, 30 MB uploaded",
        ),
        (at(Step.THAWED, pushed_bytes=130_000_000, push_total_bytes=212_000_000), "Uploading 130 MB of 212 MB"),
        (at(Step.VERIFIED, changed_bytes=650_000_000), "Saved and verified: 650 MB of changes"),
        (at(Step.RELEASED), "Stopped"),
        (at(Step.RELEASED, Kind.SAVE), "Saved"),
        (at(Step.RELEASED, Kind.DISCARD), "Discarded"),
        (at(Step.FAILED), "Not saved: disk full"),
    ],
)
def test_an_operation_is_told_with_its_sizes(operation: Operation, message: str) -> None:
    assert tell_operation(operation).message == message


def test_a_server_that_goes_on_is_not_called_stopped() -> None:
    kept = at(Step.RELEASED).model_copy(update={"outcome": Outcome.KEPT, "reason": "You came back"})
    assert tell_operation(kept).message == "Saved, but not stopped: You came back"
    assert tell_operation(kept).failed


def test_what_was_going_on_at_a_failure_is_not_called_done() -> None:
    told = Log()
    told.add("Copying 9 MB", 20, "Copied 9 MB")
    told.add("Uploading 1 MB of 9 MB", 60, "Uploaded 1 MB")
    told.fail("Not saved: disk full")
    assert [event.past for event in told.events] == ["Copied 9 MB", "", "Not saved: disk full"]
    assert told.failed
    assert told.percent == 60, "the bar does not jump to its end"


def test_stopped_is_not_said_before_it_is_true_and_the_bar_never_goes_back() -> None:
    events = [tell_operation(at(step, pushed_bytes=212, push_total_bytes=212)) for step in list(Step)[:-1]]
    assert [event.percent for event in events] == sorted(event.percent for event in events)
    assert [event.message for event in events if event.message == "Stopped"] == [events[-1].message]
    assert all(event.percent < 100 for event in events[:-1])


def test_counting_lines_have_one_topic() -> None:
    assert Event("Saving 10 MB of 212 MB", 1).topic == Event("Saving 200 MB of 212 MB", 2).topic
    assert Event("Stopped", 1).topic != Event("Saved", 1).topic


async def test_a_page_that_comes_late_sees_everything_and_the_end() -> None:
    told = Log()
    told.add("one", 10)
    told.add("one", 10)
    seen: list[str] = []

    async def read() -> None:
        async for event in told.follow():
            seen.append(event.message)

    pages = [asyncio.create_task(read()), asyncio.create_task(read())]
    await asyncio.sleep(0)
    told.add("two", 120)
    told.close()
    await asyncio.wait_for(asyncio.gather(*pages), 2)
    assert sorted(seen) == ["one", "one", "two", "two"]
    assert told.percent == 100


def test_a_pull_adds_its_layers_up() -> None:
    pull = Pull()
    assert pull.tell([{"status": "Pulling from x", "id": "latest"}]) is None
    pull.tell([{"status": "Pulling fs layer", "id": "a"}, {"status": "Already exists", "id": "b"}])
    loading = {"status": "Downloading", "id": "a", "progressDetail": {"current": 100_000_000, "total": 212_000_000}}
    assert pull.tell([loading]) == "Fetching the image: 212 MB, 1 of 2 layers"
    assert pull.tell([{"status": "Pull complete", "id": "a"}]) == "Fetching the image: 212 MB, 2 of 2 layers"
    assert pull.share == 1
