"""Quantities by Kubernetes' grammar; everything that Python would also read is refused with the field's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core import quantity
from hubernate_core.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1Gi", 2**30), ("1G", 10**9), ("512Mi", 2**29), ("1.5Gi", 3 * 2**29), ("4096", 4096), (4096, 4096), ("2k", 2000)],
)
def test_bytes(text: object, amount: int) -> None:
    assert quantity.parse_bytes(text) == amount


@pytest.mark.parametrize(("text", "millis"), [("2", 2000), ("500m", 500), ("1.5", 1500), (1, 1000), ("0.001", 1)])
def test_cores(text: object, millis: int) -> None:
    assert quantity.parse_millicpu(text) == millis


BAD = [
    "-1",
    "-1G",
    "0",
    "NaN",
    "nan",
    "Infinity",
    "1e400",
    "1e3",
    "0x10",
    "１２",
    "1_0",
    " 2G",
    "2G ",
    "2G\n",
    "1e3G",
    "infG",
    "2g",
    "1gi",
    "",
    ".",
    "1.",
    ".5",
    "9223372036854775808",
    str(2**63) + "Ki",
    "9" * 5000,
    True,
    False,
    None,
    [],
    {},
    1.5,
    float("nan"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda value: repr(value)[:24])
def test_bad_memory_names_the_field(bad: object) -> None:
    with pytest.raises(InvalidInput) as refusal:
        quantity.parse_bytes(bad, "profile.memory")
    assert refusal.value.field == "profile.memory" and len(refusal.value.message) < 300


@pytest.mark.parametrize("bad", [*BAD, "1Gi", "1k", "0.0001", "1001"], ids=lambda value: repr(value)[:24])
def test_bad_cpu_names_the_field(bad: object) -> None:
    with pytest.raises(InvalidInput, match=r"^cpu:"):
        quantity.parse_millicpu(bad)


@pytest.mark.parametrize("bad", ["100m", "0.5", "1.0001k"])
def test_memory_is_whole_bytes(bad: str) -> None:
    with pytest.raises(InvalidInput):
        quantity.parse_bytes(bad)


@pytest.mark.parametrize("bad", ["1.5", "1k", "-1", True, "１", 10**9])
def test_devices_are_whole_numbers(bad: object) -> None:
    with pytest.raises(InvalidInput, match="gpu"):
        quantity.parse_count(bad, "gpu")


@given(st.integers(min_value=1, max_value=1024**5))
def test_formatted_bytes_read_back_exactly(amount: int) -> None:
    assert quantity.parse_bytes(quantity.format_bytes(amount)) == amount


@given(st.integers(min_value=1, max_value=1_000_000))
def test_formatted_cores_read_back_exactly(millis: int) -> None:
    assert quantity.parse_millicpu(quantity.format_millicpu(millis)) == millis


@pytest.mark.parametrize(
    ("amount", "shown"), [(0, "0 B"), (999, "999 B"), (212_300_000, "212 MB"), (1_500, "1.5 kB"), (999_600, "1 MB")]
)
def test_bytes_for_people(amount: int, shown: str) -> None:
    assert quantity.show_bytes(amount) == shown
