"""Parameters of a sweep: always within what was said, the same for the same seed, and spread as they should be."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hubernate
from hubernate.space import draw
from hubernate_core.errors import InvalidInput

_floats = st.floats(-1e308, 1e308)
_pair = st.tuples(_floats, _floats).map(sorted)
_positive = st.tuples(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300)).map(sorted)
_whole = st.tuples(st.integers(), st.integers()).map(sorted)


@given(_pair, _positive, _whole, st.lists(st.text() | st.none() | st.integers(), min_size=1), st.integers())
def test_what_is_drawn_lies_within_and_the_same_seed_draws_the_same(
    pair: list[float], positive: list[float], whole: list[int], values: list[Any], seed: int
) -> None:
    space = {
        "u": hubernate.uniform(*pair),
        "l": hubernate.loguniform(*positive),
        "i": hubernate.integers(*whole),
        "c": values,
        "same": 3,
    }
    found = draw(space, 20, seed)
    assert found == draw(space, 20, seed)
    assert len(found) == 20
    for each in found:
        assert list(each) == list(space)
        assert pair[0] <= each["u"] <= pair[1]
        assert positive[0] <= each["l"] <= positive[1]
        assert whole[0] <= each["i"] <= whole[1]
        assert each["c"] in values
        assert each["same"] == 3


def test_they_are_spread_over_all_of_it() -> None:
    space = {"l": hubernate.loguniform(1e-4, 1), "i": hubernate.integers(1, 3), "c": "ab", "d": ("x", "y")}
    found = draw(space, 1000, 1)
    decades = [sum(-d - 1 <= math.log10(each["l"]) < -d for each in found) for d in range(4)]
    assert min(decades) > 150, decades
    assert {each["i"] for each in found} == {1, 2, 3}
    assert {each["d"] for each in found} == {"x", "y"}
    assert {each["c"] for each in found} == {"ab"}, "text is one value"
    assert draw(space, 5, 1) != draw(space, 5, 2)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: hubernate.uniform(2, 1), "the lower end comes first"),
        (lambda: hubernate.uniform(0, math.inf), "both are numbers"),
        (lambda: hubernate.loguniform(0, 1), "above zero"),
        (lambda: hubernate.integers(3, 2), "the lower end"),
        (lambda: draw({"x": []}, 1, 0), "at least one value"),
        (lambda: draw({"x": [object()]}, 1, 0), r"space\.x: <object"),
        (lambda: draw({"x": math.nan}, 1, 0), r"space\.x: nan"),
    ],
)
def test_what_is_no_space_is_said(make: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        make()
