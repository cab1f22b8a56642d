"""Metering and money: nothing is lost between two looks, nothing is a float, a new price leaves the past alone."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hubernate_core.cost import PriceList, cost, money, quantity, unit_of, with_list
from hubernate_core.csv_text import as_csv
from hubernate_core.errors import InvalidInput
from hubernate_core.metering import Span, days_of, meter

NOON = datetime(2026, 11, 24, 12, 0, 0, 700_000, tzinfo=UTC)
moments = st.floats(0, 5 * 86400).map(lambda seconds: NOON + timedelta(seconds=seconds))


@given(st.lists(moments, min_size=2, max_size=20).map(sorted))
def test_looks_at_any_moments_add_up_to_the_whole(cuts: list[datetime]) -> None:
    def spans(marks: list[datetime]) -> list[Span]:
        return [Span("t", "ada", {"cpu": 1500, "memory": 2**32}, a, b) for a, b in pairwise(marks)]

    assert meter(spans(cuts)) == meter(spans([cuts[0], cuts[-1]]))


def test_a_span_over_midnight_is_of_two_days_with_sums_beside_it() -> None:
    span = Span("t", "ada", {"servers": 1, "memory": 4 * 1024**3}, NOON, NOON + timedelta(hours=13))
    assert days_of(span.since, span.until) == [(date(2026, 11, 24), 12 * 3600), (date(2026, 11, 25), 3600)]
    found = meter([span, Span("t", "bob", {"servers": 1}, NOON, NOON + timedelta(hours=1))])
    assert found["t", "ada", date(2026, 11, 24), "memory"] == 4 * 1024**2 * 12 * 3600
    assert found["t", "", date(2026, 11, 24), "servers"] == 13 * 3600 == found["", "", date(2026, 11, 24), "servers"]
    assert days_of(NOON, NOON - timedelta(days=1)) == [], "a clock that went back takes nothing away"


def test_prices_are_exact_and_rounded_once() -> None:
    euros = PriceList.model_validate({"currency": "EUR", "prices": {"cpu": "0.04", "memory": "0.005"}})
    third = {(date.min, "cpu"): unit_of("cpu").size // 3, (date.min, "servers"): 10**9}
    assert cost(third, [euros]) == Fraction(4, 300)
    assert money(Fraction(4, 300)) == "0.01"
    assert [money(Fraction(each)) for each in ("0.005", "0.0049", "1234.5", "0")] == ["0.01", "0.00", "1234.50", "0.00"]
    assert quantity("memory", 3600 * 1024**2 * 5 // 2) == "2.5"
    assert quantity("nvidia.com/gpu", 5400) == "1.5"
    assert euros.model_dump(mode="json")["prices"] == {"cpu": "0.04", "memory": "0.005"}
    assert euros.prices["cpu"] == Decimal("0.04")


@pytest.mark.parametrize("price", [0.04, 1, "-1", "1e3", "NaN", "1,5", ".5", "0.0000001", "٣", "", " 1", None, True])
def test_a_price_that_is_no_plain_decimal_is_refused(price: Any) -> None:
    with pytest.raises((InvalidInput, ValidationError)):
        PriceList.model_validate({"currency": "EUR", "prices": {"cpu": price}})


@pytest.mark.parametrize("bad", [{"currency": "eur"}, {"prices": {"gpu": "1"}}, {"prices": {"a/b/c": "1"}}])
def test_an_unknown_currency_or_resource_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, ValidationError)):
        PriceList.model_validate({"currency": "EUR", "prices": {}} | bad)


def test_a_new_list_leaves_the_past_alone() -> None:
    old = PriceList(currency="EUR", prices={"cpu": Decimal("1")})
    new = PriceList(currency="EUR", prices={"cpu": Decimal("2")}, since=date(2026, 12, 1))
    assert with_list([old], new) == (old, new)
    hour = unit_of("cpu").size
    assert cost({(date.min, "cpu"): hour, (date(2026, 12, 1), "cpu"): hour}, with_list([old], new)) == 3
    earlier = new.model_copy(update={"since": date(2026, 11, 1)})
    assert with_list([old, new], earlier) == (old, earlier)
    dollars = new.model_copy(update={"currency": "USD"})
    with pytest.raises(InvalidInput, match="two currencies"):
        with_list([old], dollars)
    anew = dollars.model_copy(update={"since": None})
    assert with_list([old, new], anew) == (anew,)


def test_no_cell_of_a_table_is_a_formula() -> None:
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", 'a "quote", and comma', "two\nlines", "plain"]
    rows = list(csv.reader(io.StringIO(as_csv(["name"], [[each] for each in names]))))
    assert [row[0] for row in rows[1:]] == [*("'" + each for each in names[:5]), *names[5:]]
