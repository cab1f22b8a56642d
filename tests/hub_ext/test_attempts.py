"""The end of an attempt at a job, without an engine: what it is judged to be, and what stays of its outputs."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from types import SimpleNamespace
from typing import Any

import pytest

from hubernate_core.errors import Unavailable
from hubernate_core.job import Course, Event, JobState
from hubernate_core.job_request import JobRequest
from hubernate_core.job_view import Output
from hubernate_core.names import JobId, TenantId
from hubernate_core.profile import Profile
from hubernate_hub.jobs import engine, keeping
from hubernate_hub.jobs.attempt import Attempt
from hubernate_hub.jobs.engine import State
from hubernate_hub.jobs.outputs import Kept
from hubernate_hub.store.jobs import JobRow

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Away:
    """An engine that copies nothing."""

    async def copy(self, *_: Any) -> None:
        raise Unavailable("the engine is away")


def attempt(folder: Path) -> Attempt:
    """The second one, which went on with the outputs of the first, and was asked to make room."""
    request = JobRequest.model_validate(
        {"id": "j123456789", "env": "profile", "profile": "base", "outputs": ["seen"],
         "work": {"kind": "script", "script": "run.sh"}}
    )  # fmt: skip
    image, resources = f"registry.example.com/base@sha256:{'0' * 64}", {"cpu": 1, "memory": "1Gi"}
    profile = Profile.model_validate({"name": "base", "title": "Base", "image": image, "resources": resources})
    course = Course(JobState.RUNNING, 2, preempted=1, started_at=NOW, preempt_at=NOW + timedelta(minutes=9))
    row = JobRow(JobId("j123456789"), TenantId("t123456789"), "ada", "ada", request, course, profile, NOW)
    row = replace(row, outputs=(Output(path="seen", size=2),))
    parts = SimpleNamespace(
        folder=folder,
        engine=Away(),
        settings=SimpleNamespace(outputs_max_bytes=1000),
        outputs_of=lambda _, number: folder / f"outputs-{number}",
    )
    context = SimpleNamespace(settings=SimpleNamespace(instance="here"), clock=lambda: NOW + timedelta(hours=1))
    (folder / "outputs-1").mkdir()
    (folder / "outputs-1" / "seen").write_text("1\n")
    return Attempt(context, parts, row)  # type: ignore[arg-type]


def test_what_came_to_its_end_just_before_it_was_asked_to_make_room_is_not_run_again(tmp_path: Path) -> None:
    made = attempt(tmp_path)
    asked = NOW + timedelta(minutes=9)
    ends = {seconds: State("exited", 0, False, asked + timedelta(seconds=seconds)) for seconds in (-0.1, 0.1)}
    judged = [made._judge(each, stopped_by_us=True)[0] for each in ends.values()]
    assert judged == [Event.ENDED_WELL, Event.PREEMPTED]


def test_when_a_container_ended_is_not_cut_to_seconds() -> None:
    second = datetime(2026, 11, 25, 18, 29, 34, tzinfo=UTC)
    assert engine._moment("2026-11-25T18:29:34.872692123Z") == second + timedelta(microseconds=872692)
    assert engine._moment("2026-11-25T18:29:34Z") == second
    assert engine._moment("0001-01-01T00:00:00Z") is None


def test_outputs_of_the_attempt_before_stay_until_newer_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = attempt(tmp_path)
    monkeypatch.setattr(keeping, "disk_is_full", lambda _: False)
    with pytest.raises(Unavailable):
        asyncio.run(keeping.keep(made._parts, made._row, made._name))
    assert (tmp_path / "outputs-1" / "seen").read_text() == "1\n", "the next look may find the engine again"
    monkeypatch.setattr(keeping, "disk_is_full", lambda _: True)
    kept = asyncio.run(keeping.keep(made._parts, made._row, made._name))
    assert (tmp_path / "outputs-2" / "seen").read_text() == "1\n", "what a third attempt goes on with"
    assert [each.path for each in kept.outputs] == ["seen"]
    assert "nearly full" in kept.left_out[0]


def test_of_a_copy_that_broke_off_nothing_is_told_as_kept(tmp_path: Path) -> None:
    """Half of a file, of an attempt that went on with nothing."""
    made = attempt(tmp_path)
    rmtree(tmp_path / "outputs-1")
    (tmp_path / "outputs-2").mkdir()
    (tmp_path / "outputs-2" / "half").write_text("1")
    assert keeping.former(made._parts, made._row, "the engine is away") == Kept([], ["the engine is away"])


def test_former_outputs_are_taken_over_as_often_as_it_takes(tmp_path: Path) -> None:
    """The service is killed before it wrote down that they are there."""
    made = attempt(tmp_path)
    both = [keeping.former(made._parts, made._row, "no room") for _ in range(2)]
    assert both[0] == both[1] == Kept([Output(path="seen", size=2)], ["no room"])
    assert (tmp_path / "outputs-2" / "seen").read_text() == "1\n"
