"""Working hours: their one line, their zone's clock changes, hours over midnight."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.working_hours import DAYS, read_hours

BERLIN = read_hours("Mon-Fri 08:00-18:00 Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+00:00")


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("2026-11-25T07:00", "2026-11-25T17:00"),  # winter: an hour ahead of UTC
        ("2026-11-25T06:59", None),
        ("2026-11-25T17:00", None),
        ("2026-07-01T06:00", "2026-07-01T16:00"),  # summer: two
        ("2026-11-28T10:00", None),  # a Saturday
    ],
)
def test_hours_are_those_of_their_zone(moment: str, until: str | None) -> None:
    span = BERLIN.span_at(at(moment))
    assert (span and span[1]) == (until and at(until))


def test_a_night_in_which_clocks_change_is_as_long_as_it_is() -> None:
    night = read_hours("Sat,Sun 22:00-06:00 Europe/Berlin")
    spring, autumn = night.span_at(at("2026-03-28T23:00")), night.span_at(at("2026-10-24T23:00"))
    assert spring and autumn
    assert (spring[1] - spring[0], autumn[1] - autumn[0]) == (timedelta(hours=7), timedelta(hours=9))


def test_a_time_that_clocks_leave_out_is_read_by_the_hour_before() -> None:
    hours = read_hours("Sun 02:30-12:00 Europe/Berlin")  # 02:30 does not exist on 29 March 2026
    assert hours.next_begin(at("2026-03-28T12:00")) == at("2026-03-29T01:30")


def test_hours_that_clocks_leave_out_begin_again_a_week_later() -> None:
    hours = read_hours("Sun 02:00-03:00 Europe/Berlin")  # the hour that does not exist on 29 March 2026
    assert hours.next_begin(at("2026-03-22T12:00")) == at("2026-04-05T00:00")


def test_hours_that_end_when_they_begin_last_a_day() -> None:
    day = read_hours("Sat 08:00-08:00 UTC")
    assert day.span_at(at("2026-11-29T07:59")) == (at("2026-11-28T08:00"), at("2026-11-29T08:00"))
    assert day.span_at(at("2026-11-29T08:00")) is None
    longest = read_hours("Sun 00:00-00:00 Europe/Berlin").span_at(at("2026-10-25T12:00"))
    assert longest and longest[1] - longest[0] == timedelta(hours=25), "the day on which clocks go back"


@pytest.mark.parametrize(
    ("hours", "moment", "outside"),
    [
        ("Mon-Fri 08:00-18:00 UTC", "2026-11-25T12:00", "2026-11-25T18:00"),
        ("Mon-Fri 08:00-18:00 UTC", "2026-11-25T19:00", "2026-11-25T19:00"),
        ("Mon-Fri 00:00-00:00 UTC", "2026-11-24T12:00", "2026-11-28T00:00"),  # days that adjoin are one span
        ("Sun-Fri 08:00-08:00 Europe/Berlin", "2026-03-28T06:00", "2026-03-28T07:00"),
        ("Sun-Fri 08:00-08:00 Europe/Berlin", "2026-03-29T06:00", "2026-04-04T06:00"),  # in summer since that night
        ("Mon-Sun 08:00-08:00 Europe/Berlin", "2026-03-28T12:00", None),
    ],
)
def test_outside_begins_where_no_other_span_adjoins(hours: str, moment: str, outside: str | None) -> None:
    assert read_hours(hours).next_outside(at(moment)) == (outside and at(outside))


def test_days_may_go_over_the_end_of_the_week() -> None:
    assert read_hours("Sat-Mon,Wed 08:00-09:00 UTC").days == {5, 6, 0, 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Mon-Fri 8-18 Europe/Berlin", "write days"),
        ("Mon-Fri 08:00-18:00", "write days"),
        ("Mo-Fr 08:00-18:00 Europe/Berlin", "days are"),
        ("Mon-Fri 08:00-24:00 Europe/Berlin", "times go"),
        ("Mon-Fri 08:00-18:00 Europe/Berlim", "no zone"),
        ("Mon-Fri 08:00-18:00 ../etc/passwd", "write days"),
        ("Mon-Fri 08:00-18:00 Europe", "no zone"),
    ],
)
def test_a_mistake_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_hours(text)


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
    st.sampled_from(DAYS),
    st.sampled_from(["08:00-18:00", "22:00-06:00", "00:30-02:30", "09:00-09:00"]),
)
def test_the_next_hours_begin_later_and_hold_their_beginning(moment: datetime, zone: str, day: str, times: str) -> None:
    hours, now = read_hours(f"{day} {times} {zone}"), moment.replace(tzinfo=UTC)
    begin = hours.next_begin(now)
    assert now < begin <= now + timedelta(days=8)
    span = hours.span_at(begin)
    assert span is not None and span[0] == begin
    assert hours.span_at(span[1]) is None
