"""When a server sleeps: an open tab is not activity, a silent busy kernel is, and max age wins over everything."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.activity import Activity, last_active
from hubernate_core.culling import CullingRule, Sign
from hubernate_core.names import ServerId, TenantId
from hubernate_core.sleeping import Due, Outlook, Reason, Room, because, delay, goes_on, next_to_sleep, outlooks

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SERVER = ServerId("k3f9a2b7c1")
NOTHING = timedelta()


def rule(**fields: object) -> CullingRule:
    return CullingRule.model_validate({"idle_after": HOUR, "warn_before": NOTHING} | fields)


def first(activity: Activity, rule: CullingRule, now: datetime = START) -> Outlook:
    return outlooks(activity, rule, SERVER, now)[0]


def sleeps(activity: Activity, rule: CullingRule, now: datetime, *, heard: datetime | None = None) -> Reason | None:
    found = outlooks(activity, rule, SERVER, now)
    return next((each.reason for each in found if each.certain(activity, heard or now, now)), None)


def test_a_server_nobody_touches_sleeps_after_the_idle_time() -> None:
    activity, due = Activity(started_at=START), START + HOUR + delay(SERVER, HOUR)
    assert sleeps(activity, rule(), due - MINUTE) is None
    assert sleeps(activity, rule(), due) is Reason.IDLE


@pytest.mark.parametrize("sign", list(Sign))
def test_each_sign_of_work_keeps_it_awake_unless_the_rule_says_that_it_is_none(sign: Sign) -> None:
    activity = Activity.model_validate(
        {
            "started_at": START,
            {
                Sign.PERSON: "last_person_at",
                Sign.KERNEL: "last_kernel_busy_at",
                Sign.TERMINAL: "last_terminal_busy_at",
                Sign.CPU: "last_cpu_busy_at",
                Sign.GPU: "last_gpu_busy_at",
            }[sign]: START + 5 * HOUR,
        }
    )
    others = [each for each in Sign if each is not sign]
    assert sleeps(activity, rule(), START + 5.5 * HOUR) is None
    assert sleeps(activity, rule(activity=others), START + 5.5 * HOUR) is Reason.IDLE
    assert last_active(activity, others) == START


def test_what_was_heard_before_it_was_due_decides_nothing() -> None:
    """A cell that began after the newest report is not known of yet (the fresh probe before sleep)."""
    activity, due = Activity(started_at=START), first(Activity(started_at=START), rule()).at
    assert sleeps(activity, rule(), due + HOUR, heard=due - MINUTE) is None
    assert sleeps(activity, rule(), due + HOUR, heard=due) is Reason.IDLE


def test_keep_awake_ends_by_itself_and_by_the_bound_after_the_person_left() -> None:
    asked = {"started_at": START, "keep_awake_until": START + 9 * HOUR}
    assert sleeps(Activity.model_validate(asked), rule(), START + 8 * HOUR) is None
    assert sleeps(Activity.model_validate(asked), rule(), START + 9.2 * HOUR) is Reason.IDLE
    bounded = rule(keep_awake=3 * HOUR)
    assert sleeps(Activity.model_validate(asked), bounded, START + 2.9 * HOUR) is None
    assert sleeps(Activity.model_validate(asked), bounded, START + 3.2 * HOUR) is Reason.IDLE
    there = Activity.model_validate(asked | {"last_person_at": START + 2 * HOUR})
    assert sleeps(there, bounded, START + 4.9 * HOUR) is None


def test_max_age_ends_even_a_busy_server_that_was_kept_awake() -> None:
    activity = Activity(started_at=START, last_kernel_busy_at=START + 9 * HOUR, keep_awake_until=START + 20 * HOUR)
    assert sleeps(activity, rule(max_age=8 * HOUR), START + 9 * HOUR, heard=START) is Reason.MAX_AGE


def test_a_short_life_is_not_made_long_by_the_time_for_idling() -> None:
    short = rule(idle_after=10 * HOUR, max_age=10 * MINUTE)
    assert START + 10 * MINUTE <= first(Activity(started_at=START), short).at <= START + 11 * MINUTE


def test_nobody_is_put_to_sleep_who_was_not_told_for_long_enough() -> None:
    """Also when the rule was just made stricter, or nobody could be told for a while."""
    strict, idle, now = rule(warn_before=10 * MINUTE), Activity(started_at=START), START + 5 * HOUR
    assert (first(idle, strict, now).at, sleeps(idle, strict, now)) == (now + 10 * MINUTE, None)
    told = Activity(started_at=START, warned_at=now)
    assert sleeps(told, strict, now + 9 * MINUTE) is None
    assert sleeps(told, strict, now + 10 * MINUTE) is Reason.IDLE


def test_a_short_rule_warns_for_half_its_time_so_that_nobody_at_work_is_warned() -> None:
    short = rule(idle_after=10 * MINUTE, warn_before=HOUR)
    assert first(Activity(started_at=START), short).warn_at >= START + 5 * MINUTE


HOURS = {"working_hours": "Mon-Fri 08:00-18:00 UTC", "off_hours_idle_after": 15 * MINUTE}


@pytest.mark.parametrize(
    ("last", "sleeps_at", "reason"),
    [
        ("12:00", "14:00", Reason.IDLE),
        ("17:00", "18:00", Reason.OFF_HOURS),  # two hours would be 19:00, a quarter is over already
        ("17:55", "18:10", Reason.OFF_HOURS),
        ("20:00", "20:15", Reason.OFF_HOURS),
    ],
)
def test_outside_working_hours_another_time_holds(last: str, sleeps_at: str, reason: Reason) -> None:
    hours = rule(idle_after=2 * HOUR, **HOURS)
    used = datetime.fromisoformat(f"2026-11-23T{last}:00+00:00")
    found = first(Activity(started_at=START, last_person_at=used), hours)
    due = datetime.fromisoformat(f"2026-11-23T{sleeps_at}:00+00:00")
    assert (found.reason, found.due_at) == (reason, due + delay(SERVER, due - used))


def test_outside_working_hours_more_time_may_be_given() -> None:
    hours = rule(idle_after=HOUR, working_hours="Mon-Fri 08:00-18:00 UTC", off_hours_idle_after=24 * HOUR)
    used = datetime(2026, 11, 23, 17, 30, tzinfo=UTC)
    due = first(Activity(started_at=START, last_person_at=used), hours).due_at
    morning = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    assert due == morning + delay(SERVER, morning - used), "at the next morning an hour is over"


def test_at_midnight_between_two_whole_days_of_work_nobody_is_outside() -> None:
    used = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    days = {"working_hours": "Mon-Fri 00:00-00:00 UTC", "off_hours_idle_after": 15 * MINUTE}
    found = first(Activity(started_at=START, last_person_at=used), rule(idle_after=2 * HOUR, **days))
    assert found.reason is Reason.IDLE and found.due_at >= used + 2 * HOUR
    days["working_hours"] = "Mon-Sun 00:00-00:00 UTC"
    assert first(Activity(started_at=START, last_person_at=used), rule(idle_after=2 * HOUR, **days)) == found


def test_an_unused_gpu_is_given_back_only_where_its_use_is_read() -> None:
    gpu = rule(gpu_idle_after=30 * MINUTE)
    busy = {"started_at": START, "last_kernel_busy_at": START + 2 * HOUR}
    unread = Activity.model_validate(busy)
    assert sleeps(unread, gpu, START + 2 * HOUR) is None, "nobody can say whether its GPU is idle"
    read = Activity.model_validate(busy | {"last_gpu_busy_at": START, "gpu_read_at": START + 2 * HOUR})
    assert sleeps(read, gpu, START + 2 * HOUR) is Reason.GPU_IDLE
    stale = read.model_copy(update={"gpu_read_at": START + 20 * MINUTE})
    assert sleeps(stale, gpu, START + 2 * HOUR) is None, "it was read last before it was due"


@pytest.mark.parametrize(
    ("reason", "used", "on"),
    [
        (Reason.IDLE, "last_person_at", True),
        (Reason.OFF_HOURS, "last_kernel_busy_at", True),
        (Reason.GPU_IDLE, "last_kernel_busy_at", False),
        (Reason.GPU_IDLE, "last_gpu_busy_at", True),
        (Reason.GPU_IDLE, "keep_awake_until", True),
        (Reason.MAX_AGE, "last_person_at", False),
        (Reason.MAX_AGE, "keep_awake_until", False),
    ],
)
def test_who_comes_back_while_it_is_saved_keeps_it(reason: Reason, used: str, on: bool) -> None:
    activity = Activity.model_validate({"started_at": START, used: START + 2 * HOUR})
    assert goes_on(activity, rule(), reason, START + HOUR, START + HOUR) is on


def test_it_is_said_why() -> None:
    hours = rule(max_age=26 * HOUR, gpu_idle_after=30 * MINUTE, idle_after=90 * MINUTE, **HOURS)
    said = {reason: because(reason, hours) for reason in Reason}
    assert said[Reason.IDLE] == "after 1 hour 30 minutes without activity"
    assert said[Reason.OFF_HOURS].startswith("outside working hours (Mon-Fri 08:00-18:00 UTC), after 15 minutes")
    assert said[Reason.GPU_IDLE] == "after 30 minutes without use of its GPU"
    assert said[Reason.MAX_AGE].startswith("after running for 1 day 2 hours")


IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=10, max_size=10).map(ServerId)


@given(IDS, st.timedeltas(NOTHING, timedelta(days=30)))
def test_the_delay_of_a_server_is_its_own_and_bounded(server: ServerId, given_: timedelta) -> None:
    assert NOTHING <= delay(server, given_) <= min(given_ / 10, 10 * MINUTE)
    assert delay(server, given_) == delay(server, given_)


def test_a_mornings_servers_do_not_sleep_at_once() -> None:
    minutes = [int(delay(ServerId(f"s{number:09d}"), HOUR) / MINUTE) for number in range(600)]
    assert set(minutes) == set(range(6))
    assert all(70 <= minutes.count(each) <= 130 for each in range(6)), "about a hundred in each minute"


DUE = st.builds(
    Due,
    server=IDS,
    tenant=st.sampled_from("abc").map(TenantId),
    node=st.sampled_from(["n1", "n2", "n3"]),
    since=st.datetimes(timezones=st.just(UTC)),
)
SAVING = st.lists(st.tuples(st.sampled_from(["n1", "n2", "n3"]), st.sampled_from("abc").map(TenantId)), max_size=6)


@given(st.lists(DUE, max_size=30, unique_by=lambda each: each.server), SAVING, st.integers(1, 3), st.integers(1, 6))
def test_no_more_sleep_than_there_is_room_for_and_no_room_is_left_unused(
    due: list[Due], saving: list[tuple[str, TenantId]], node: int, all_: int
) -> None:
    chosen = next_to_sleep(due, saving, Room(node, all_))
    assert len(set(chosen)) == len(chosen) and set(chosen) <= set(due)
    after = [name for name, _ in saving] + [each.node for each in chosen]
    before = [name for name, _ in saving]
    assert not chosen or len(after) <= all_
    assert all(after.count(name) <= max(node, before.count(name)) for name in set(after))
    if len(after) < all_:
        assert all(after.count(each.node) >= node for each in due if each not in chosen)


def test_the_longest_due_goes_first_and_a_large_team_does_not_hold_up_a_small_one() -> None:
    def waits(server: str, tenant: str, minutes: int) -> Due:
        return Due(ServerId(server), TenantId(tenant), "n1", START - minutes * MINUTE)

    large = [waits(f"a{number}", "a", 100 - number) for number in range(50)]
    found = next_to_sleep([*large, waits("b0", "b", 1)], [("n2", TenantId("a"))], Room(9, 4))
    assert [each.server for each in found] == ["b0", "a0", "a1"]
