"""Which layers are merged: depth and dead weight stay bounded."""

from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.checkpoint import GROWTH_MAX, LAYERS_MAX, layers_to_merge


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
