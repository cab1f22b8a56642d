"""Idleness: an open tab is not activity, a silent busy kernel is, and max age wins over everything."""

from datetime import UTC, datetime, timedelta

import pytest

from hubernate_core.activity import Activity, CullingRule, why_sleep

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_server_nobody_touches_sleeps_after_the_idle_time() -> None:
    rule, activity = CullingRule(idle_after=HOUR), Activity(started_at=START)
    assert why_sleep(activity, rule, START + HOUR - timedelta(seconds=1)) is None
    assert why_sleep(activity, rule, START + HOUR) == "idle"


@pytest.mark.parametrize(
    "signal", ["last_person_at", "last_kernel_busy_at", "last_terminal_busy_at", "last_cpu_busy_at"]
)
def test_each_sign_of_work_keeps_it_awake(signal: str) -> None:
    activity = Activity(started_at=START, **{signal: START + 5 * HOUR})
    assert why_sleep(activity, CullingRule(idle_after=HOUR), START + 5.5 * HOUR) is None


def test_keep_awake_ends() -> None:
    activity = Activity(started_at=START, keep_awake_until=START + 3 * HOUR)
    rule = CullingRule(idle_after=HOUR)
    assert why_sleep(activity, rule, START + 2 * HOUR) is None
    assert why_sleep(activity, rule, START + 3 * HOUR) == "idle"


def test_max_age_ends_even_a_busy_server_that_was_kept_awake() -> None:
    activity = Activity(started_at=START, last_kernel_busy_at=START + 8 * HOUR, keep_awake_until=START + 20 * HOUR)
    assert why_sleep(activity, CullingRule(idle_after=HOUR, max_age=8 * HOUR), START + 8 * HOUR) == "max-age"
