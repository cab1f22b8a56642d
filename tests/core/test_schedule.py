"""What becomes of a schedule's times, whatever happens in between."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.errors import InvalidInput
from hubernate_core.names import JobId, ScheduleId, is_id
from hubernate_core.schedule import Look, Missed, Overlap, decide, run_id
from hubernate_core.schedule_request import ScheduleRequest
from hubernate_core.variables import fill_moment

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
EVERY, LATE = timedelta(minutes=10), timedelta(minutes=5)


@dataclass
class Life:
    """A schedule every ten minutes, whose runs take as long as they are told to."""

    overlap: Overlap
    missed: Missed
    now: datetime = BEGIN
    planned: datetime = BEGIN
    held: datetime | None = None
    over_at: datetime | None = None
    ended: int = 0
    runs: list[tuple[datetime, datetime]] = field(default_factory=list)

    def look(self, takes: timedelta) -> None:
        due = None
        if self.planned <= self.now:
            due = self.planned + (self.now - self.planned) // EVERY * EVERY
            self.planned = due + EVERY
        going = self.over_at is not None and self.now < self.over_at
        verdict = decide(Look(due, self.held, going, self.overlap, self.missed), self.now, LATE)
        self.held = verdict.held
        assert not (verdict.run and going), "two runs at the same time"
        if verdict.end:
            assert going
            self.ended += 1
            self.over_at = self.now  # it ends soon
        if verdict.run:
            self.runs.append((verdict.run, self.now))
            self.over_at = self.now + takes


MINUTES = st.integers(0, 400).map(lambda minutes: timedelta(minutes=minutes))
STEPS = st.lists(st.tuples(MINUTES, MINUTES), max_size=40)


@given(st.sampled_from(Overlap), st.sampled_from(Missed), STEPS)
def test_no_time_runs_twice_nor_two_at_once(
    overlap: Overlap, missed: Missed, steps: list[tuple[timedelta, timedelta]]
) -> None:
    life = Life(overlap, missed)
    for passes, takes in steps:
        life.now += passes
        life.look(takes)
    times = [time for time, _ in life.runs]
    assert times == sorted(set(times)), "each once, and in their order"
    assert all(time <= at for time, at in life.runs), "none before its time"
    if missed is Missed.SKIP and overlap is Overlap.SKIP:
        assert all(at - time <= LATE for time, at in life.runs)
    if overlap is not Overlap.REPLACE:
        assert life.ended == 0


@given(st.sampled_from(Overlap), st.lists(MINUTES, max_size=20))
def test_after_any_downtime_the_newest_missed_time_runs_once(overlap: Overlap, gaps: list[timedelta]) -> None:
    life = Life(overlap, Missed.ONCE)
    for gap in gaps:
        life.now += gap
        was = life.planned
        life.look(timedelta())
        if was <= life.now:
            assert life.runs[-1][1] == life.now, "what was due ran at once"
            assert life.now - life.runs[-1][0] < EVERY, "and it was the newest"


@given(st.integers(1, 300), st.sampled_from((Overlap.WAIT, Overlap.REPLACE)))
def test_what_waits_runs_in_the_end(minutes: int, overlap: Overlap) -> None:
    life = Life(overlap, Missed.SKIP)
    life.look(timedelta(minutes=minutes))
    for _ in range(minutes + 11):
        life.now += timedelta(minutes=1)
        life.look(timedelta())
    assert len(life.runs) > 1
    if overlap is Overlap.WAIT:
        assert life.runs[1][1] - BEGIN >= timedelta(minutes=minutes)
    else:
        assert life.runs[1][1] - BEGIN <= timedelta(minutes=11), "it did not wait for the end of the one before"


def test_what_is_passed_over_says_why() -> None:
    going = decide(Look(BEGIN, None, True, Overlap.SKIP, Missed.ONCE), BEGIN, LATE)
    assert (going.run, going.held, going.why) == (None, None, "the run before was still going")
    missed = decide(Look(BEGIN, None, False, Overlap.SKIP, Missed.SKIP), BEGIN + 2 * LATE, LATE)
    assert (missed.run, missed.why) == (None, "the platform was away, and missed times are skipped")
    assert decide(Look(BEGIN, None, False, Overlap.SKIP, Missed.SKIP), BEGIN + LATE, LATE).run == BEGIN


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))
def test_the_id_of_a_run_is_made_of_schedule_and_time(moment: datetime) -> None:
    time = moment.replace(tzinfo=UTC)
    made = run_id(ScheduleId("s123456789"), time)
    assert is_id(made)
    assert made == run_id(ScheduleId("s123456789"), time.astimezone(BEGIN.tzinfo))
    assert made != run_id(ScheduleId("s123456788"), time)
    assert made != run_id(ScheduleId("s123456789"), time + timedelta(minutes=1))


def test_variables_are_of_the_planned_time_and_other_braces_stay() -> None:
    time = datetime.fromisoformat("2026-03-01T00:30:00+02:00")
    text = '{date} {yesterday} {today-7:%Y%m%d} {datetime} {"a": {b}} {tomorrow}'
    assert fill_moment(text, time) == ('2026-03-01 2026-02-28 20260222 2026-03-01T00:30:00+02:00 {"a": {b}} {tomorrow}')


def request(**changes: object) -> ScheduleRequest:
    job = {"id": "s123456789", "work": {"kind": "script", "script": "run.sh", "args": ["{date}", "x"]}}
    return ScheduleRequest.model_validate({"id": "s123456789", "cron": "0 7 * * *", "job": job} | changes)


def test_a_run_is_the_job_with_its_variables_filled_in() -> None:
    notebook = {"kind": "notebook", "notebook": "a.ipynb", "parameters": {"day": "{yesterday}", "n": [1, "{date}"]}}
    time = datetime(2026, 3, 1, 7, tzinfo=UTC)
    made = request(job={"id": "s123456789", "work": notebook}).run(JobId("j123456789"), time, "checkpoint:c123456789")
    assert made.work.parameters == {"day": "2026-02-28", "n": [1, "2026-03-01"]}  # type: ignore[union-attr]
    assert (made.id, made.env) == ("j123456789", "checkpoint:c123456789")


@pytest.mark.parametrize(
    "webhook",
    ["ftp://x/", "https://", "https://user:secret@example.org/", "https://example.org/#x", "javascript:alert(1)",
     "https://example.org/ x", "https://example.org:99999/", "https://exämple.org/"],
)  # fmt: skip
def test_a_webhook_is_a_plain_url(webhook: str) -> None:
    with pytest.raises(InvalidInput, match=r"notify\.webhook"):
        request(notify={"webhook": webhook})


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"job\.id"):
        request(id="s123456788")
    with pytest.raises(InvalidInput, match="follow"):
        request(follow=True, job={"id": "s123456789", "env": "profile", "profile": "base",
                                  "work": {"kind": "script", "script": "run.sh"}})  # fmt: skip
    with pytest.raises(InvalidInput, match=r"notify\.mail"):
        request(notify={"mail": ["a@b\nBcc: c@d"]})
