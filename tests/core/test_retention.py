"""What retention lets go: never the only way back, never what is pinned or in use, and never unannounced."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.names import CheckpointId, OwnerId, ServerId
from hubernate_core.retention import Leaving, Retention, Stored, Why, what_goes

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AT_ONCE = timedelta()


def a_checkpoint(number: int, *, age: timedelta, server: str = "s", owner: str = "o", **more: object) -> Stored:
    values: dict[str, Any] = {"size": 1} | more
    reference = f"repo@{number}"
    identity = (CheckpointId(f"c{number:04d}"), ServerId(server), OwnerId(owner), reference)
    return Stored(*identity, created_at=NOW - age, **values)


def ids(gone: list[Leaving]) -> list[str]:
    return [each.stored.id for each in gone]


def test_by_count_the_oldest_go_first() -> None:
    every = [a_checkpoint(number, age=number * HOUR) for number in range(5)]
    assert ids(what_goes(every, Retention(keep_count=2), NOW)) == ["c0004", "c0003", "c0002"]


def test_the_newest_usable_one_stays_however_old() -> None:
    lost, good = a_checkpoint(1, age=DAY, usable=False), a_checkpoint(0, age=900 * DAY)
    assert what_goes([lost, good], Retention(keep_count=1), NOW) == []
    strict = Retention.model_validate({"keep_count": 1, "user_bytes": "1", "tenant_bytes": "1"})
    assert ids(what_goes([lost, good], strict, NOW)) == [lost.id]


def test_of_a_server_that_has_no_usable_one_the_newest_stays() -> None:
    older, newer = a_checkpoint(1, age=901 * DAY, usable=False), a_checkpoint(0, age=900 * DAY, usable=False)
    strict = Retention.model_validate({"keep_count": 1, "user_bytes": "1", "tenant_bytes": "1"})
    assert ids(what_goes([older, newer], strict, NOW)) == [older.id], "its image may come back with its registry"


def test_pinned_and_used_ones_stay() -> None:
    newest, pinned = a_checkpoint(0, age=AT_ONCE), a_checkpoint(1, age=400 * DAY, pinned=True)
    used = a_checkpoint(2, age=400 * DAY)
    assert what_goes([newest, pinned, used], Retention(keep_count=1), NOW, frozenset({used.reference})) == []


def test_nothing_goes_before_its_notice_and_what_is_announced_goes_then() -> None:
    every = [a_checkpoint(number, age=number * HOUR) for number in range(2)]
    rule = Retention(keep_count=1, notice=DAY)
    (first,) = what_goes(every, rule, NOW)
    assert (first.why, first.goes_at) == (Why.COUNT, NOW + DAY)
    announced = [every[0], replace(every[1], goes_at=first.goes_at)]
    assert [each.goes_at for each in what_goes(announced, rule, NOW + 20 * HOUR)] == [NOW + DAY], "it does not move"
    sooner = rule.model_copy(update={"notice": AT_ONCE})
    assert [each.goes_at for each in what_goes(announced, sooner, NOW)] == [NOW], "an admin may be in a hurry"


def test_what_comes_of_age_is_known_before() -> None:
    every = [a_checkpoint(0, age=AT_ONCE), a_checkpoint(1, age=80 * DAY), a_checkpoint(2, age=89.5 * DAY)]
    assert [(each.why, each.goes_at) for each in what_goes(every, Retention(), NOW)] == [(Why.AGE, NOW + DAY)]
    assert [each.goes_at for each in what_goes(every, Retention(), NOW, ahead=30 * DAY)] == [NOW + DAY, NOW + 10 * DAY]


def test_by_bytes_of_a_person_only_their_own_oldest_go_and_of_the_team_the_oldest_of_all() -> None:
    ada = [a_checkpoint(number, age=number * HOUR, size=10, owner="ada", server="a") for number in range(4)]
    eve = [a_checkpoint(10 + number, age=(5 + number) * HOUR, size=10, owner="eve", server="e") for number in range(2)]
    mine = Retention.model_validate({"user_bytes": "25"})
    assert ids(what_goes([*ada, *eve], mine, NOW)) == ["c0003", "c0002"]
    whole = Retention.model_validate({"tenant_bytes": "40"})
    gone = what_goes([*ada, *eve], whole, NOW)
    assert ids(gone) == ["c0011", "c0003"], "eve's newest is the last good one and stays"
    assert {each.why for each in gone} == {Why.TENANT_BYTES}


def test_bytes_take_nothing_more_than_the_count_takes_already() -> None:
    every = [a_checkpoint(number, age=number * HOUR, size=10) for number in range(4)]
    rule = Retention.model_validate({"keep_count": 2, "tenant_bytes": "20"})
    assert [(each.stored.id, each.why) for each in what_goes(every, rule, NOW)] == [
        ("c0003", Why.COUNT),
        ("c0002", Why.COUNT),
    ]


a_history = st.lists(
    st.tuples(
        st.integers(0, 200), st.booleans(), st.booleans(), st.booleans(), st.sampled_from("abc"), st.integers(1, 100)
    ),
    max_size=30,
)
a_rule = st.builds(
    lambda count, days, mine, whole, notice: Retention.model_validate(
        {"keep_count": count, "keep_age": timedelta(days=days), "notice": timedelta(hours=notice)}
        | ({} if mine is None else {"user_bytes": str(mine)})
        | ({} if whole is None else {"tenant_bytes": str(whole)})
    ),
    st.integers(1, 5), st.integers(1, 100), st.none() | st.integers(1, 300), st.none() | st.integers(1, 600),
    st.integers(0, 48),
)  # fmt: skip


def way_back(every: list[Stored]) -> set[CheckpointId]:
    """The newest of each server, a usable one before all others."""
    servers = {each.server_id for each in every}
    return {
        max((each.usable, each.created_at, each.id) for each in every if each.server_id == server)[2]
        for server in servers
    }


@given(a_history, a_rule, st.integers(0, 40))
def test_no_rule_takes_the_only_way_back_or_what_is_held(
    rows: list[tuple[int, bool, bool, bool, str, int]], rule: Retention, ahead: int
) -> None:
    every = [
        a_checkpoint(number, age=days * DAY, pinned=pinned, usable=usable, server=server, owner=server, size=size)
        for number, (days, pinned, usable, _, server, size) in enumerate(rows)
    ]
    used = frozenset(each.reference for each, row in zip(every, rows, strict=True) if row[3])
    gone = what_goes(every, rule, NOW, used, ahead=ahead * DAY)
    left = [each for each in every if each.id not in ids(gone)]
    assert way_back(every) <= {each.id for each in left}
    for each in gone:
        assert not each.stored.pinned
        assert each.stored.reference not in used
        assert each.goes_at >= NOW + rule.notice, "nothing was announced before"
    assert len(set(ids(gone))) == len(gone)


@given(a_history, a_rule)
def test_what_is_over_a_limit_of_bytes_goes_unless_it_is_held(
    rows: list[tuple[int, bool, bool, bool, str, int]], rule: Retention
) -> None:
    every = [
        a_checkpoint(number, age=days * DAY, pinned=pinned, usable=usable, server=server, owner=server, size=size)
        for number, (days, pinned, usable, _, server, size) in enumerate(rows)
    ]
    gone = set(ids(what_goes(every, rule, NOW)))
    held = {each.id for each in every if each.pinned}
    held |= way_back(every)
    left = [each for each in every if each.id not in gone]
    if rule.tenant_bytes is not None and sum(each.size for each in left) > rule.tenant_bytes:
        assert {each.id for each in left if each.size} <= held


@pytest.mark.parametrize("notice", ["-PT1S", "P31D"])
def test_a_notice_has_bounds(notice: str) -> None:
    with pytest.raises(ValueError, match="notice"):
        Retention.model_validate({"notice": notice})
