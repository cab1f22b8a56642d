"""What a job says of itself: any lines, in any number; what is kept has an end and goes on where it was."""

import json
import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubernate_core.job_metrics import NAMES_MAX, POINTS_MAX, Metrics, Series, take
from hubernate_hub.jobs import measures
from hubernate_hub.jobs.logs import make_raw
from hubernate_hub.jobs.measures import RAW_MAX, Measures
from hubernate_hub.ui.curves import curve

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def line(name: str = "loss", value: float = 0.5, step: int | None = None, at: float = NOW.timestamp()) -> bytes:
    return json.dumps({"name": name, "value": value, "step": step, "at": at}).encode()


def taken(*lines: bytes) -> Metrics:
    found = Metrics()
    take(found, lines, NOW)
    return found


_lines = st.one_of(
    st.binary(max_size=60),
    st.builds(
        line,
        st.sampled_from(["loss", "rate"]) | st.text(max_size=120),
        st.floats(),
        st.none() | st.integers(),
        st.just(NOW.timestamp()) | st.floats(),
    ),
    st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=5).map(lambda any: json.dumps(any).encode()),
)


@given(st.lists(_lines, max_size=30))
def test_whatever_is_written_what_is_kept_can_be_shown(lines: list[bytes]) -> None:
    found = taken(*lines)
    shown = json.loads(found.model_dump_json())
    assert all(
        each["value"] is None or math.isfinite(each["value"]) for some in shown["series"] for each in some["points"]
    )
    for number, series in enumerate(found.series):
        drawn = curve(series, number)
        numbers = [float(part) for text in drawn.lines for pair in text.split() for part in pair.split(",")]
        assert all(0 <= each <= 400 for each in numbers)
        assert all(each.at <= NOW for each in series.points)


@settings(max_examples=20)
@given(st.integers(1, 6 * POINTS_MAX))
def test_of_a_long_series_evenly_spread_points_are_kept_and_the_newest(number: int) -> None:
    series = Series(name="loss")
    for each in range(number):
        series.add(None, each, NOW)
    steps = [each.step for each in series.points]
    assert (steps[0], steps[-1]) == (0, number - 1)
    assert min(number, POINTS_MAX // 2) <= len(steps) <= POINTS_MAX
    gaps = {after - before for before, after in pairwise(steps[:-1])}
    assert len(gaps) <= 1, "each so manyth"


def test_what_cannot_be_kept_is_told_and_the_rest_is() -> None:
    found = taken(line(value=math.nan), b"rubbish", line(value=math.inf, step=7), line(at=NOW.timestamp() + 9999))
    (loss,) = found.series
    assert [(each.step, each.value) for each in loss.points] == [(0, None), (7, None), (8, 0.5)]
    assert loss.points[-1].at == NOW, "no value is from the future"
    assert found.left_out == "some of what the job wrote is no metric"
    many = taken(*(line(name=f"m{each}") for each in range(NAMES_MAX + 1)))
    assert len(many.series) == NAMES_MAX
    assert "more than 50 metrics" in many.left_out
    assert curve(loss, 0).lines == ["400.0,50.0 400.0,50.0"], "one point is a dot"
    (least,) = taken(line(value=0.0), line(value=5e-324)).series
    assert curve(least, 0).lines == ["0.0,50.0 400.0,50.0"], "as one, where nothing lies between"
    assert "broken" in curve(loss, 0).summary


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    make_raw(tmp_path / "raw")
    return tmp_path / "raw", tmp_path / "metrics.json"


def add(raw: Path, content: bytes) -> None:
    with raw.open("ab") as file:
        file.write(content)


def test_a_service_that_was_killed_goes_on_where_it_was(files: tuple[Path, Path]) -> None:
    values: list[Any] = []
    for number in range(5):
        add(files[0], line(value=number) + b"\n" + line(value=-number)[:20])
        assert Measures(*files).take(NOW)
        assert not Measures(*files).take(NOW), "a line that is being written is waited for"
        add(files[0], line(value=-number)[20:] + b"\n")
        assert Measures(*files).take(NOW)
        values += [number, -number]
    assert [each.value for each in measures.read(files[1]).series[0].points] == values
    assert [each.step for each in measures.read(files[1]).series[0].points] == list(range(10))


def test_what_was_kept_and_is_lost_costs_no_more_than_that(files: tuple[Path, Path]) -> None:
    add(files[0], line() + b"\n")
    assert Measures(*files).take(NOW)
    files[1].write_bytes(b"")  # as after a power cut
    assert measures.read(files[1]).series == []
    add(files[0], line(value=0.25) + b"\n")
    assert Measures(*files).take(NOW)
    found = measures.read(files[1])
    assert [each.value for each in found.series[0].points] == [0.5, 0.25], "of the job's file what is there"
    assert found.left_out == "what was kept before cannot be read any more"


def test_a_file_that_grows_without_end_is_emptied_and_one_that_was_emptied_is_read_again(
    files: tuple[Path, Path],
) -> None:
    keep = Measures(*files)
    add(files[0], b"x" * (RAW_MAX + 1))
    assert keep.take(NOW)
    assert files[0].stat().st_size == 0
    add(files[0], line() + b"\n")
    assert keep.take(NOW)
    with files[0].open("r+b") as file:
        file.truncate(1 << 40)  # a hole
    assert keep.take(NOW)
    assert files[0].stat().st_size == 0
    add(files[0], b"y" * 5000)
    assert keep.take(NOW + timedelta(seconds=1)), "one line without end is passed over"
    add(files[0], b"\n" + line(value=0.25) + b"\n")
    assert keep.take(NOW)
    found = measures.read(files[1])
    assert [each.value for each in found.series[0].points] == [0.5, 0.25]
    assert found.left_out
