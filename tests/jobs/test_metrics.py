"""What a job says of itself by `hubernate.log_metric`: heard while it runs, plotted, kept; nothing outside of a job."""

import errno
import json
import math
from pathlib import Path
from typing import Any

import pytest

import hubernate
from hubernate_core.errors import InvalidInput
from support.jobs import Site
from support.kernel import as_in_a_cell, submit
from support.platform_service import eventually

pytestmark = pytest.mark.docker

_TRAIN = """
import hubernate, math, time
def f(steps, wait):
    for step in range(steps):
        hubernate.log_metric("loss", math.inf if step == 1 else 1 / (step + 1), step=10 * step)
    hubernate.log_metric("<b>rate</b>", 3)
    time.sleep(wait)
    return {"loss": 0.125, "model": "kept", "good": True}
"""


def test_metrics_are_heard_while_it_runs_and_kept_when_it_is_over(python_place: Site, kernel: Path) -> None:
    job = submit(as_in_a_cell(_TRAIN), 4, 300)
    heard = eventually("it is heard", lambda: len(job.metrics()) == 2 and job.metrics())
    assert job.state == "running"
    assert [(each.step, each.value) for each in heard["loss"] if each.step != 10] == [(0, 1), (20, 1 / 3), (30, 0.25)]
    assert math.isnan(heard["loss"][1].value)
    assert [each.value for each in heard["<b>rate</b>"]] == [3]
    ada = python_place.member("ada")
    page = python_place.service.ask(
        "GET", f"/jobs/physics/{job.id}", ada.ask.token, headers={"accept": "text/html"}
    ).text
    assert page.count("<polyline") == 3, "broken where it was no number"
    assert "&lt;b&gt;rate" in page
    assert "<b>rate" not in page
    job.cancel().wait(60)
    assert job.metrics() == heard
    shown: dict[str, Any] = ada.get(f"{job.id}/metrics").json()
    assert [list(each) for each in shown["series"]] == [["name", "points"]] * 2
    assert python_place.member("eve").get(f"{job.id}/metrics").status_code == 404


def test_numbers_that_a_function_returns_are_metrics_too(kernel: Path) -> None:
    job = submit(as_in_a_cell(_TRAIN), 2, 0)
    assert job.result(120)["model"] == "kept"
    assert [each.value for each in job.metrics()["loss"]][-1] == 0.125
    assert set(job.metrics()) == {"loss", "<b>rate</b>"}
    one = submit(as_in_a_cell("def f(): return 7"))
    assert one.result(120) == 7
    assert [each.value for each in one.metrics()["result"]] == [7]


def test_a_disk_that_takes_no_metrics_costs_nothing_else(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hubernate_hub.jobs.measures.Measures._write", full)
    job = submit(as_in_a_cell("def f(): return 7"))
    assert job.result(120) == 7
    assert job.metrics() == {}


def test_outside_of_a_job_it_says_so_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("hubernate.measure._told", set())
    for step in range(3):
        hubernate.log_metric("loss", 0.5, step)
    assert capfd.readouterr().err == "hubernate.log_metric: this is no job, so nothing is kept.\n"
    with pytest.raises(InvalidInput, match="1 to 100"):
        hubernate.log_metric("", 1)
    with pytest.raises(TypeError):
        hubernate.log_metric("loss", [1])  # type: ignore[arg-type]


def test_a_point_that_cannot_be_kept_does_not_end_the_training(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("hubernate.measure._told", set())
    monkeypatch.setenv("HUBERNATE_METRICS", "/dev/full")
    hubernate.log_metric("loss", 0.5)
    assert "could not be kept (No space left on device)" in capfd.readouterr().err
    file = tmp_path / "metrics"
    file.touch()
    monkeypatch.setenv("HUBERNATE_METRICS", str(file))
    hubernate.log_metric("loss", 0.5, 3)
    found = json.loads(file.read_text())
    assert (found["name"], found["value"], found["step"]) == ("loss", 0.5, 3)
