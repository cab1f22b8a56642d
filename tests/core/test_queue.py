"""The order of the queue: fair between people and between teams, nobody starves, and no quota is exceeded by it."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from hubernate_core.names import PlaceId, TenantId
from hubernate_core.queue import (
    PERSON_HANDICAP,
    TENANT_HANDICAP,
    Place,
    Wait,
    fair_order,
    next_starts,
    settle,
    why_not,
)
from hubernate_core.quota import Holding, Quota, decide

T0 = datetime(2026, 11, 25, 8, tzinfo=UTC)
ONE = {"servers": 1}


def wait(name: str, user: str, minute: float = 0, *, tenant: str = "t", **wanted: int) -> Wait:
    return Wait(PlaceId(name), TenantId(tenant), user, wanted or ONE, T0 + timedelta(minutes=minute))


def quota(**fields: object) -> Quota:
    return Quota.model_validate(fields)


def names(order: list[Wait]) -> list[str]:
    return [each.id for each in order]


def test_who_runs_nothing_goes_before_who_runs_much_but_not_forever() -> None:
    held = [Holding("ada", {"servers": 1})] * 3
    waiting = [wait("ada's", "ada", 0), wait("bob's", "bob", 5), wait("eve's", "eve", 40)]
    assert [each.wait.id for each in settle(quota(servers=3), held, waiting)] == ["bob's", "ada's", "eve's"]


def test_one_person_who_asks_for_many_does_not_hold_up_another() -> None:
    mine = [wait(f"a{number}", "ada") for number in range(50)]
    order = names(fair_order([*mine, wait("b", "bob", 5)], lambda each: each.user, {}, PERSON_HANDICAP))
    assert order.index("b") == 1


def test_a_small_start_passes_a_large_one_only_where_it_takes_nothing_from_it() -> None:
    limits = quota(servers=10, cpu="8", devices={"gpu.example.com/x": 1})
    held = [Holding("zoe", {"servers": 1, "cpu": 4000, "gpu.example.com/x": 1})]
    large = wait("large", "ada", 0, servers=1, cpu=2000, **{"gpu.example.com/x": 1})
    fits, tight = wait("fits", "bob", 1, servers=1, cpu=2000), wait("tight", "eve", 2, servers=1, cpu=1000)
    first, second, third = settle(limits, held, [tight, fits, large])
    assert (first.wait, first.fits, first.short[0].resource) == (large, False, "gpu.example.com/x")
    assert (second.wait, second.fits) == (fits, True)
    assert (third.wait, third.fits, third.short) == (tight, False, ()), "one core of two is free, and kept"
    assert "kept for those who asked before" in why_not("Research", third)


def test_a_persons_own_limit_holds_up_nobody_else() -> None:
    limits = quota(servers=2, per_user={"servers": 1})
    held = [Holding("ada", {"servers": 1})]
    waiting = [wait("ada's", "ada", 0), wait("bob's", "bob", 60)]
    assert {each.wait.id: each.fits for each in settle(limits, held, waiting)} == {"ada's": False, "bob's": True}
    hers = settle(limits, held, waiting)[0]
    assert why_not("Research", hers) == "ada uses 1 of 1 running servers; this needs 1 more.", "others read it, too"
    twice = settle(limits, [], [wait("1st", "ada"), wait("2nd", "ada"), wait("bob's", "bob", 60)])
    assert {each.wait.id: each.fits for each in twice} == {"1st": True, "2nd": False, "bob's": True}


def test_what_can_never_fit_waits_in_vain_and_holds_up_nobody() -> None:
    limits = quota(servers=10, cpu="4", homes=2)
    large = wait("large", "ada", 0, servers=1, cpu=8000)
    homeless = wait("homeless", "new", 1, servers=1, cpu=1000, homes=1)
    held = [Holding("zoe", {"servers": 1, "cpu": 2000}), *[Holding("zoe", {"homes": 1})] * 2]
    first, second, third = settle(limits, held, [large, homeless, wait("bob's", "bob", 60, servers=1, cpu=2000)])
    assert (first.wait, first.fits, first.in_vain) == (large, False, True), "the quota was lowered while it waited"
    assert (second.wait, second.fits, second.in_vain) == (homeless, False, True), "no home is ever given back"
    assert (third.fits, third.in_vain) == (True, False)
    assert "needs 8 cores more" in why_not("Research", first)
    waits = settle(limits, held, [wait("bob's", "bob", 0, servers=1, cpu=4000)])[0]
    assert (waits.fits, waits.in_vain) == (False, False), "once zoe's environment sleeps"


def test_whose_hub_is_silent_keeps_the_place_and_holds_up_nobody() -> None:
    away = replace(wait("away", "ada"), here=False)
    standings = settle(quota(servers=1), [], [away, wait("bob's", "bob", 5)])
    assert [(each.wait.id, each.position, each.fits) for each in standings] == [("away", 1, True), ("bob's", 2, True)]


def test_a_burst_of_one_team_does_not_hold_another() -> None:
    burst = [wait(f"a{number:03}", f"u{number}", tenant="a") for number in range(500)]
    go, later = next_starts([*burst, wait("b", "bob", 1, tenant="b")], {"a": 63}, 64)
    assert names(go) == ["b"], "the one free place is the other team's, though it asked a minute later"
    assert len(later) == 500


def test_what_is_told_names_the_position_and_the_reason() -> None:
    standing = settle(quota(servers=2), [Holding("ada", {"servers": 2})], [wait("x", "bob")])[0]
    place = Place(
        id=standing.wait.id, user="bob", server_name="", tenant="research", profile="base", since=T0,
        position=2, of=5, waits_for="quota", reason=why_not("Research", standing),
    )  # fmt: skip
    assert place.told == (
        "Waiting for quota: position 2 of 5. Team Research uses 2 of 2 running servers (ada 2); this needs 1 more."
    )


_USERS = st.sampled_from(["ada", "bob", "eve"])
_RESOURCES = st.dictionaries(st.sampled_from(["servers", "cpu", "gpu.example.com/x"]), st.integers(0, 4), min_size=1)
_WAITS = st.lists(st.tuples(_USERS, st.integers(0, 90), _RESOURCES, st.booleans()), max_size=12).map(
    lambda found: [
        replace(wait(f"w{number:02}", user, minute, **wanted), here=here)
        for number, (user, minute, wanted, here) in enumerate(found)
    ]
)
_HELD = st.lists(st.builds(Holding, _USERS, _RESOURCES), max_size=5)
_QUOTAS = st.builds(
    lambda servers, cpu, device, own: quota(
        servers=servers, cpu=f"{cpu}m", devices={"gpu.example.com/x": device}, per_user={"servers": own}
    ),
    st.integers(0, 12),
    st.integers(1, 8),
    st.integers(0, 6),
    st.one_of(st.none(), st.integers(0, 6)),
)


@settings(deadline=None)
@given(_QUOTAS, _HELD, _WAITS)
def test_those_who_may_start_all_fit_together(limits: Quota, held: list[Holding], waiting: list[Wait]) -> None:
    taken = list(held)
    for standing in settle(limits, held, waiting):
        if standing.fits and standing.wait.here:
            assert decide(limits, taken, standing.wait.user, standing.wait.wanted) == ()
            taken.append(Holding(standing.wait.user, standing.wait.wanted))


@settings(deadline=None)
@given(_QUOTAS, _HELD, _WAITS, st.randoms())
def test_the_order_depends_on_who_waits_and_on_nothing_else(
    limits: Quota, held: list[Holding], waiting: list[Wait], random: Random
) -> None:
    found = settle(limits, held, waiting)
    mixed = list(waiting)
    random.shuffle(mixed)
    assert settle(limits, held, mixed) == found
    assert [each.position for each in found] == list(range(1, len(waiting) + 1))
    for user in ("ada", "bob", "eve"):
        mine = [each.wait for each in found if each.wait.user == user]
        assert mine == sorted(mine, key=lambda each: (each.since, each.id)), "nobody passes themselves"


@settings(deadline=None)
@given(_QUOTAS, _HELD, _WAITS)
def test_who_comes_later_in_turn_changes_nothing_for_those_before(
    limits: Quota, held: list[Holding], waiting: list[Wait]
) -> None:
    found = settle(limits, held, waiting)
    if found:
        last = found[-1].wait
        again = settle(limits, held, [each for each in waiting if each is not last])
        assert [(each.wait, each.fits) for each in again] == [(each.wait, each.fits) for each in found[:-1]]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.lists(st.integers(1, 6), min_size=1, max_size=30))
def test_nobody_starves_however_many_come_later(room: int, runs: int, lasting: list[int]) -> None:
    """A person who runs much waits while people who run nothing keep coming, one a minute: the wait has an end."""
    limits = quota(servers=room + runs)
    held = [Holding("ada", ONE)] * runs
    hers = wait("hers", "ada")
    waiting, ends = [hers, *(wait(f"first{n}", f"first{n}") for n in range(room))], Counter[int]()
    running: dict[int, list[str]] = {}
    for minute in range(1000):
        for user in running.pop(minute, []):
            held.remove(Holding(user, ONE))
        waiting.append(wait(f"new{minute}", f"new{minute}", minute))
        for standing in settle(limits, held, waiting):
            if standing.fits:
                if standing.wait is hers:
                    return
                waiting.remove(standing.wait)
                held.append(Holding(standing.wait.user, ONE))
                running.setdefault(minute + lasting[minute % len(lasting)], []).append(standing.wait.user)
                ends[minute] += 1
    raise AssertionError(f"still waiting after 1000 minutes; {ends.total()} others started")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), max_size=30),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 5)),
    st.integers(0, 12),
)
def test_no_more_start_at_once_and_no_start_of_another_team_passes_for_long(
    asked: list[tuple[str, int]], starting: dict[str, int], at_once: int
) -> None:
    ready = [wait(f"w{n:02}", f"u{n}", minute, tenant=tenant) for n, (tenant, minute) in enumerate(asked)]
    go, later = next_starts(ready, starting, at_once)
    assert len(go) == min(len(ready), max(0, at_once - sum(starting.values())))
    assert sorted(names(go + later)) == sorted(names(ready))
    order = go + later
    for place, each in enumerate(order):
        mine = [other for other in ready if other.tenant == each.tenant and other.since <= each.since]
        latest = each.since + (starting.get(each.tenant, 0) + len(mine)) * TENANT_HANDICAP
        assert all(other.since <= latest for other in order[:place])
