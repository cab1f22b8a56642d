"""When a schedule's times are: across summer time, whatever moment is asked about."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubernate_core.errors import InvalidInput
from hubernate_hub.jobs import cron

BERLIN = "Europe/Berlin"
SPRING, AUTUMN = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)


def shown(expression: str, after: datetime, count: int, zone: str = BERLIN) -> list[str]:
    times = cron.following(expression, zone, after, count)
    return [cron.in_zone(each, zone).strftime("%d %H:%M %z") for each in times]


def test_a_time_that_clocks_leave_out_runs_as_soon_as_they_go_on() -> None:
    assert shown("30 2 * * *", SPRING, 2) == ["29 03:00 +0200", "30 02:30 +0200"]


def test_a_time_that_clocks_show_twice_runs_once() -> None:
    assert shown("30 2 * * *", AUTUMN, 2) == ["25 02:30 +0200", "26 02:30 +0100"]
    between = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    assert shown("30 2 * * *", between, 1) == ["26 02:30 +0100"]


def test_what_runs_every_so_often_goes_on_by_the_clock_that_never_jumps() -> None:
    for begin in (SPRING, AUTUMN):
        times = cron.following("*/15 * * * *", BERLIN, begin + timedelta(hours=10), 40)
        assert {after - before for before, after in pairwise(times)} == {timedelta(minutes=15)}


def test_seven_in_the_morning_is_seven_on_every_day_of_a_year() -> None:
    times = cron.following("0 7 * * *", BERLIN, datetime(2026, 1, 1, tzinfo=UTC), 365)
    local = [each.astimezone(ZoneInfo(BERLIN)) for each in times]
    assert {(each.hour, each.minute) for each in local} == {(7, 0)}
    assert len({each.date() for each in local}) == 365


ZONES = st.sampled_from(("UTC", BERLIN, "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo"))
CRONS = st.sampled_from(
    ("30 2 * * *", "0 2 * * *", "*/15 * * * *", "0 * * * *", "5 1,2,3 * * *", "0 0 1 * *", "15 2 * * 0", "0 */2 * * *")
)
MOMENTS = st.one_of(
    st.datetimes(datetime(2025, 12, 1), datetime(2026, 12, 1)),
    st.integers(0, 600).map(lambda minutes: datetime(2026, 3, 28, 20) + timedelta(minutes=minutes)),
    st.integers(0, 600).map(lambda minutes: datetime(2026, 10, 24, 20) + timedelta(minutes=minutes)),
).map(lambda moment: moment.replace(tzinfo=UTC))


@settings(deadline=None)
@given(CRONS, ZONES, MOMENTS, st.integers(0, 3 * 24 * 60))
def test_the_newest_time_is_the_last_that_came(expression: str, zone: str, begin: datetime, minutes: int) -> None:
    planned = cron.following(expression, zone, begin)[0]
    now = begin + timedelta(minutes=minutes, seconds=7)
    came = []
    for each in cron.following(expression, zone, begin, 4 * 24 * 4 + 2):
        if each <= now:
            came.append(each)
    assert cron.newest(expression, zone, planned, now) == (came[-1] if came else None)
    following = cron.following(expression, zone, now, 3)
    assert following == sorted(set(following))
    assert following[0] > now


def test_years_of_downtime_cost_nothing() -> None:
    planned = datetime(1990, 1, 1, tzinfo=UTC)
    now = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
    assert cron.newest("* * * * *", BERLIN, planned, now) == now.replace(second=0)


@pytest.mark.parametrize(
    ("expression", "zone", "field"),
    [("* * * *", "UTC", "cron"), ("0 * * * * *", "UTC", "cron"), ("61 * * * *", "UTC", "cron"),
     ("0 0 30 2 *", "UTC", "cron"), ("@daily", "UTC", "cron"), ("", "UTC", "cron"), ("0 7 * * *", "Mars/Base", "zone"),
     ("0 7 * * *", "../../etc/passwd", "zone"), ("0 7 * * *", "", "zone"), ("0 7 * * *", "Europe", "zone")],
)  # fmt: skip
def test_what_says_no_times_is_refused(expression: str, zone: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        cron.check(expression, zone, SPRING)
    assert refused.value.field == field
