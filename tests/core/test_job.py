"""The course of a job, and the line of a tenant's jobs: any order of events, any queue."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.errors import Conflict, InvalidInput
from hubernate_core.job import Course, Event, JobState, Priority, advance, expired, how_it_ended, timed_out
from hubernate_core.job_queue import QueuedJob, line, next_jobs
from hubernate_core.job_request import JobRequest
from hubernate_core.names import JobId, PlaceId, TenantId
from hubernate_core.queue import Wait
from hubernate_core.quota import Books, Holding, Quota, UserQuota, decide

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TENANT = TenantId("t123456789")


def play(events: list[Event], retries: int = 0) -> list[Course]:
    """Every course that `events` lead through; those that cannot be are passed over."""
    course, found = Course(retries=retries), list[Course]()
    for event in events:
        try:
            course = advance(course, event, NOW, "a reason")
        except Conflict:
            continue
        found.append(course)
    return found


@given(st.lists(st.sampled_from(Event), max_size=40), st.integers(0, 3))
def test_whatever_happens_a_result_is_final_and_attempts_are_bounded(events: list[Event], retries: int) -> None:
    courses = play(events, retries)
    for before, after in pairwise(courses):
        if before.state.over:
            assert after == before
        assert after.attempt - before.attempt in (0, 1)
        if before.cancelling and not before.state.over:
            assert after.cancelling
    for course in courses:
        assert course.attempt - course.preempted <= retries + 1
        assert (course.finished_at is not None) == course.state.over
        assert not (course.cancelling and course.state in (JobState.SUCCEEDED, JobState.FAILED)), "cancel wins"
        assert not (course.cancelling and course.state is JobState.QUEUED), "what is being ended is not tried again"


@given(st.lists(st.sampled_from(Event), max_size=40), st.integers(0, 3))
def test_from_everywhere_a_job_comes_to_an_end(events: list[Event], retries: int) -> None:
    course = (play(events, retries) or [Course(retries=retries)])[-1]
    for _ in range(10):
        if course.state.over:
            break
        event = Event.ADMITTED if course.state is JobState.QUEUED else Event.ENDED_BADLY
        course = advance(course, event, NOW)
    assert course.state.over


def test_the_ordinary_ways() -> None:
    well = [Event.ADMITTED, Event.STARTED, Event.STARTED, Event.ENDED_WELL]
    assert [str(each.state) for each in play(well)] == ["starting", "running", "running", "succeeded"]
    badly = [Event.ADMITTED, Event.STARTED, Event.ENDED_BADLY]
    assert [str(each.state) for each in play(badly * 2, retries=1)] == [
        "starting", "running", "queued", "starting", "running", "failed",
    ]  # fmt: skip
    assert play([Event.CANCEL])[-1].state is JobState.CANCELLED
    asked = play([Event.ADMITTED, Event.STARTED, Event.CANCEL])[-1]
    assert (asked.state, asked.cancelling) == (JobState.RUNNING, True)
    assert advance(asked, Event.ENDED_WELL, NOW).state is JobState.CANCELLED
    with pytest.raises(Conflict, match="queued cannot be started"):
        advance(Course(), Event.STARTED, NOW)


def test_an_attempt_that_made_room_does_not_count() -> None:
    made_room = [Event.ADMITTED, Event.STARTED, Event.PREEMPT, Event.PREEMPTED]
    found = play(made_room * 2)[-1]
    assert (found.state, found.attempt, found.preempted, found.preempt_at) == (JobState.QUEUED, 2, 2, None)
    failed = play([*made_room, Event.ADMITTED, Event.STARTED, Event.ENDED_BADLY])[-1]
    assert failed.state is JobState.FAILED, "no attempt was gained either"
    finished = play([Event.ADMITTED, Event.STARTED, Event.PREEMPT, Event.ENDED_WELL])[-1]
    assert finished.state is JobState.SUCCEEDED, "it was through before it was stopped"
    cancelled = play([Event.ADMITTED, Event.STARTED, Event.PREEMPT, Event.CANCEL, Event.PREEMPTED])[-1]
    assert cancelled.state is JobState.CANCELLED
    with pytest.raises(Conflict):
        advance(play([Event.ADMITTED, Event.STARTED])[-1], Event.PREEMPTED, NOW)


def test_time_and_words() -> None:
    running = Course(JobState.RUNNING, 1, started_at=NOW)
    assert not timed_out(running, timedelta(seconds=5), NOW + timedelta(seconds=4))
    assert timed_out(running, timedelta(seconds=5), NOW + timedelta(seconds=5))
    assert not timed_out(replace(running, state=JobState.STARTING), timedelta(0), NOW)
    assert expired(NOW, timedelta(days=1), NOW + timedelta(days=1))
    assert not expired(None, timedelta(0), NOW)
    assert how_it_ended(0, out_of_memory=False, memory="1Gi") == ""
    assert "SIGSEGV" in how_it_ended(139, out_of_memory=False, memory="1Gi")
    assert "its limit is 1Gi" in how_it_ended(137, out_of_memory=True, memory="1Gi")


def job(
    number: int, user: str = "ada", priority: Priority = Priority.NORMAL, cpu: int = 1000, at: int = 0
) -> QueuedJob:
    wanted = {"jobs": 1, "cpu": cpu}
    since = NOW + timedelta(seconds=at)
    return QueuedJob(Wait(PlaceId(f"j{number:09}"), TENANT, user, wanted, since), priority)


_jobs = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(Priority), st.integers(1, 4), st.integers(0, 1000)), max_size=25
).map(lambda rows: [job(n, user, priority, cpu * 500, at) for n, (user, priority, cpu, at) in enumerate(rows)])


@given(_jobs, st.integers(0, 4), st.integers(0, 4000), st.integers(0, 3))
def test_all_that_may_start_fits_together_and_a_higher_priority_stands_before(
    jobs: list[QueuedJob], most: int, cpu: int, mine: int
) -> None:
    quota = Quota.model_validate({"jobs": most, "cpu": f"{max(cpu, 1)}m", "per_user": {"jobs": mine}})
    held = [Holding("b", {"jobs": 1, "cpu": 500})]
    places = line("Physics", quota, held, [], jobs)
    by_id = {each.id: each for each in jobs}
    assert sorted(each.id for each in places) == sorted(by_id)
    assert [each.position for each in places] == list(range(1, len(jobs) + 1))
    order = [Priority.HIGH, Priority.NORMAL, Priority.LOW]
    ranks = [order.index(by_id[each.id].priority) for each in places]
    assert ranks == sorted(ranks)
    books = Books(held)
    for each in places:
        if not each.why:
            wait = by_id[each.id].wait
            assert books.fits(quota, wait.user, wait.wanted)
            books.add(Holding(wait.user, wait.wanted))


def test_a_large_job_is_not_starved_by_small_ones_behind_it() -> None:
    quota = Quota.model_validate({"cpu": "4"})
    held = [Holding("bob", {"jobs": 1, "cpu": 2000})]
    large, small = job(1, cpu=4000), job(2, "eve", cpu=1000, at=5)
    places = line("Physics", quota, held, [], [large, small])
    assert places[0].why
    assert "kept for those who asked before" in places[1].why
    own = Quota(per_user=UserQuota.model_validate({"cpu": "1"}))
    assert line("Physics", own, [], [], [large, small])[1].why == "", (
        "one that waits for their own limit holds up nobody"
    )


def test_starts_of_environments_come_first() -> None:
    quota = Quota.model_validate({"cpu": "4"})
    start = Wait(PlaceId("s123456789"), TENANT, "eve", {"servers": 1, "cpu": 3000}, NOW + timedelta(hours=1))
    assert line("Physics", quota, [], [start], [job(1, cpu=2000)])[0].why
    assert not line("Physics", quota, [], [replace(start, here=False)], [job(1, cpu=2000)])[0].why


def test_teams_take_turns_by_what_they_run() -> None:
    ready = {"a": [JobId(f"a{n}") for n in range(5)], "b": [JobId("b0"), JobId("b1")]}
    assert next_jobs(ready, {"a": 2}, 5) == ["b0", "b1", "a0"]
    assert next_jobs(ready, {}, 3) == ["a0", "b0", "a1"]
    assert next_jobs(ready, {"c": 9}, 5) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"work": {"kind": "script", "script": "a.py", "args": ["x\0"]}}, "work.args"),
        ({"work": {"kind": "notebook", "notebook": "a.py"}}, "ipynb"),
        ({"work": {"kind": "notebook", "notebook": "a.ipynb", "parameters": {"import os": 1}}}, "work.parameters"),
        ({"work": {"kind": "notebook", "notebook": "a.ipynb", "parameters": {"x": ["é"] * 20_000}}}, "work.parameters"),
        ({"env": "profile", "profile": ""}, "profile"),
        ({"env": "image:../x"}, "server_name"),
        ({"name": "two\nlines"}, "name"),
        ({"outputs": ["a//b"]}, "outputs"),
        ({"outputs": ["out/" + "é" * 128]}, "outputs: .* 255 bytes"),
    ],
)
def test_a_request_that_makes_no_sense_names_its_field(change: dict[str, object], field: str) -> None:
    good = {"id": "j123456789", "work": {"kind": "script", "script": "a.py"}, "files": "0" * 64}
    assert JobRequest.model_validate(good).label == "a.py"
    with pytest.raises((ValueError, InvalidInput), match=field):
        JobRequest.model_validate(good | change)


def test_a_quota_of_jobs_counts_jobs() -> None:
    short = decide(Quota(jobs=1), [Holding("ada", {"jobs": 1})], "eve", {"jobs": 1})
    assert [(each.resource, each.used, each.limit) for each in short] == [("jobs", 1, 1)]
