"""Random search: a job for each try, one group; the best, a table, an end of all; nothing half submitted."""

from pathlib import Path
from typing import Any

import pytest

import hubernate
from hubernate.link import Link
from hubernate.space import draw
from hubernate_core.errors import Conflict, InvalidInput, Unavailable
from support.jobs import Site
from support.kernel import as_in_a_cell

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

_TRAIN = """
def f(rate, depth, bias=0):
    if depth == 0:
        raise ValueError("no depth")
    return {"loss": (rate - 0.5) ** 2 + bias}
"""


def sweep(source: str, space: dict[str, Any], n: int, **more: Any) -> hubernate.Sweep:
    return hubernate.sweep(as_in_a_cell(source), space, n, env="profile", profile="base", **more)


def test_the_best_of_all_tries_is_found_and_they_list_together(python_place: Site, kernel: Path) -> None:
    space = {"rate": hubernate.uniform(0, 1), "depth": [1], "bias": 2}
    tries = sweep(_TRAIN, space, 4, seed=7).wait(240)
    wanted = draw(space, 4, 7)
    assert tries.jobs[0].info.label == f"f rate={wanted[0]['rate']:.4g}, depth=1, bias=2"
    best = tries.best("loss")
    assert best.parameters == min(wanted, key=lambda each: abs(each["rate"] - 0.5))
    assert best.result(10) == {"loss": (best.parameters["rate"] - 0.5) ** 2 + 2}
    assert tries.best("loss", highest=True).parameters == max(wanted, key=lambda each: abs(each["rate"] - 0.5))
    rows = tries.table()
    assert [{name: each[name] for name in space} for each in rows] == wanted
    assert [(each["job"], each["state"]) for each in rows] == [(each.id, "succeeded") for each in tries.jobs]
    assert all(each["loss"] >= 2 for each in rows)
    with pytest.raises(InvalidInput, match="called 'lost'; metrics: loss"):
        tries.best("lost")
    assert len({each.info.request["files"] for each in tries.jobs}) == 1, "sent once"
    again = hubernate.Sweep.find(tries.group)
    assert [each.id for each in again.jobs] == [each.id for each in tries.jobs]
    with pytest.raises(InvalidInput, match="no jobs of yours"):
        hubernate.Sweep.find("x123456789")
    _lists_together(python_place, tries)


def _lists_together(place: Site, tries: hubernate.Sweep) -> None:
    ada = place.member("ada")
    other = ada.submit("true")
    assert {each["id"] for each in ada.get(f"?group={tries.group}").json()["items"]} == {each.id for each in tries.jobs}
    shown = place.service.ask("GET", f"/jobs?group={tries.group}", ada.ask.token, headers={"accept": "text/html"}).text
    assert other not in shown
    assert all(each.id in shown for each in tries.jobs)
    assert f"jobs?group={tries.group}" in place.service.ask(
        "GET", "/jobs", ada.ask.token, headers={"accept": "text/html"}
    ).text  # fmt: skip
    assert place.member("eve").get(f"?group={tries.group}").json()["items"] == []


def test_what_does_not_fit_is_refused_whole_and_all_can_be_ended(
    python_place: Site, kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python_place.service.person("root", admin=True)("PATCH", "/tenants/physics", json={"quota": {"jobs": 1}})
    slow, space = "import time\ndef f(rate): time.sleep(300)", {"rate": [0.1, 0.2]}
    tries = sweep(slow, space, 3)
    python_place.service.inside.jobs.settings.waiting_of_person_max = 5  # type: ignore[union-attr]
    with pytest.raises(Conflict, match=r"5 jobs of yours wait already.* were cancelled") as told:
        sweep(slow, space, 9)
    group = str(told.value).rpartition("group ")[2].rstrip(")")
    assert {str(each.state) for each in hubernate.Sweep.find(group).jobs} == {"cancelled"}
    _ends_what_it_can(tries, monkeypatch)
    tries.cancel().wait(120)
    assert {each["state"] for each in tries.table()} == {"cancelled"}
    with pytest.raises(InvalidInput, match="missing a required argument: 'rate'"):
        sweep(slow, {}, 1)
    with pytest.raises(InvalidInput, match="1 to 1000 jobs"):
        sweep(slow, space, 1001)


def _ends_what_it_can(tries: hubernate.Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = tries.jobs
    with monkeypatch.context() as patch:
        patch.setattr(first, "cancel", _unavailable)
        with pytest.raises(Unavailable, match="1 of 3 jobs could not be reached and go on"):
            tries.cancel()
    assert not first.state.over
    assert {str(each.state) for each in others} == {"cancelled"}, "they waited"


def _unavailable(*_: Any) -> Any:
    raise Unavailable("no answer")


def test_a_lost_answer_leaves_nothing_running(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, space = "import time\ndef f(rate): time.sleep(300)", {"rate": [0.1, 0.2]}
    really, posts, lost = Link.call, [0], {2}

    def call(link: Link, method: str, path: str, *body: Any) -> Any:
        answer = really(link, method, path, *body)
        if path == "":
            posts[0] += 1
            if posts[0] in lost:
                _unavailable()
        return answer

    monkeypatch.setattr(Link, "call", call)
    tries = sweep(slow, space, 2)
    assert [each.id for each in hubernate.Sweep.find(tries.group).jobs] == [each.id for each in tries.jobs]
    assert len(tries.jobs) == 2, "asked once more, it is the same job"
    tries.cancel().wait(120)
    posts[0], lost = 0, {2, 3}
    with pytest.raises(Conflict, match=r"no answer.* job 2 of 3; .* were cancelled") as told:
        sweep(slow, space, 3)
    left = hubernate.Sweep.find(str(told.value).rpartition("group ")[2].rstrip(")")).wait(120)
    assert [each.info.state for each in left.jobs] == ["cancelled"] * 2, "also the one whose answers were lost"
