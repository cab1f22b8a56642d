"""Which layers are merged and which checkpoints go: depth and bytes stay bounded, nothing needed is deleted."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.checkpoint import GROWTH_MAX, LAYERS_MAX, Checkpoint, Retention, layers_to_merge, what_to_delete
from hubernate_core.names import CheckpointId, OperationId, OwnerId, ServerId, TenantId

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def a_checkpoint(number: int, *, age: timedelta, name: str = "", usable: bool = True) -> Checkpoint:
    return Checkpoint(
        id=CheckpointId(f"c{number:09d}"), operation_id=OperationId("o123456789"), server_id=ServerId("s123456789"),
        tenant_id=TenantId("t123456789"), owner_id=OwnerId("u123456789"), generation=number + 1, name=name,
        profile="base", repository="t-t123456789/u-u123456789", digest=f"sha256:{number:064x}",
        base_digest="sha256:" + "0" * 64, size=1, created_at=NOW - age, usable=usable,
    )  # fmt: skip


def test_the_first_layer_is_merged_with_nothing() -> None:
    assert layers_to_merge([], 10) == 0


def test_a_small_change_is_stacked_on_a_large_layer() -> None:
    assert layers_to_merge([650_000_000], 1000) == 0


def test_small_layers_are_merged_with_each_other_not_with_the_large_one() -> None:
    assert layers_to_merge([650_000_000, 1000], 1000) == 1


def test_everything_is_merged_when_newer_layers_outweigh_their_share() -> None:
    assert layers_to_merge([1000, 200], int(GROWTH_MAX * 1000)) == 2


@given(st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=200))
def test_depth_and_dead_weight_stay_bounded_over_any_history(changes: list[int]) -> None:
    sizes: list[int] = []
    for change in changes:
        merged = layers_to_merge(sizes, change)
        assert 0 <= merged <= len(sizes)
        top = sum(sizes[len(sizes) - merged :]) + change
        sizes = [*sizes[: len(sizes) - merged], top]
        assert len(sizes) <= LAYERS_MAX
        assert sum(sizes[1:]) <= GROWTH_MAX * sizes[0]


def test_retention_keeps_the_newest_and_deletes_the_oldest_first() -> None:
    policy = Retention(keep_count=2)
    every = [a_checkpoint(number, age=timedelta(hours=number)) for number in range(5)]
    assert [each.id for each in what_to_delete(every, policy, NOW)] == [each.id for each in every[:1:-1]]


def test_the_newest_usable_one_stays_however_old() -> None:
    lost = a_checkpoint(1, age=timedelta(days=1), usable=False)
    good = a_checkpoint(0, age=timedelta(days=900))
    assert good not in what_to_delete([lost, good], Retention(keep_count=1), NOW)


def test_named_and_used_ones_stay() -> None:
    policy = Retention(keep_count=1)
    newest, named, used = (
        a_checkpoint(0, age=timedelta()),
        a_checkpoint(1, age=timedelta(days=400), name="thesis"),
        a_checkpoint(2, age=timedelta(days=400)),
    )
    assert what_to_delete([newest, named, used], policy, NOW, frozenset({used.digest})) == []


@given(
    st.lists(st.tuples(st.integers(0, 200), st.booleans(), st.booleans()), min_size=1, max_size=30), st.integers(1, 5)
)
def test_no_policy_deletes_the_only_way_back(rows: list[tuple[int, bool, bool]], keep: int) -> None:
    every = [
        a_checkpoint(number, age=timedelta(days=days), name="n" if named else "", usable=usable)
        for number, (days, named, usable) in enumerate(rows)
    ]
    gone = what_to_delete(every, Retention(keep_count=keep), NOW)
    if any(each.usable for each in every):
        assert any(each.usable for each in every if each not in gone)
