"""A source that hangs, dies or leads elsewhere hurts nobody but those who asked it, and those for a bounded time."""

import concurrent.futures
import os
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hubernate_hub.data.breaker import Breaker, State
from hubernate_hub.data.config import DataGateway
from support.platform_service import PREFIX, eventually

from .conftest import Platform, settings
from .misbehaving import Misbehaving, misbehaving
from .processes import workers


@pytest.fixture
def data_settings(shared: Path) -> DataGateway:
    return settings(shared, queue_s=4, waiting_per_source=20, open_for_s=0.5, failures_to_open=3)


@pytest.fixture
def web() -> Iterator[Misbehaving]:
    with misbehaving() as found:
        yield found


@pytest.fixture
def both(platform: Platform, web: Misbehaving) -> Platform:
    (platform.folder / "team" / "x").write_text("hello")
    platform.add({"name": "files", "place": {"kind": "files", "folder": "shared", "prefix": "team"}})
    platform.add(
        {"name": "web", "place": {"kind": "http", "url": f"http://127.0.0.1:{web.port}/"}}, {"token": "canary-1"}
    )
    return platform


def test_two_hundred_calls_of_a_hanging_source_are_bounded_and_others_go_on(both: Platform) -> None:
    assert both.notebook("GET", "/files/object?path=x").text == "hello"
    both.service.inside.data.settings.deadline_s = 6
    before = workers()
    address = f"{both.service.url}{PREFIX}/api/v1/relay/sources/web/object?path=hang"

    def hang(_: int) -> tuple[int, float]:
        began = time.monotonic()
        # A connection each: the harness's client is made for a few threads.
        with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
            answer = client.get(address, headers={"Authorization": f"Bearer {both.ada_token}"})
        return answer.status_code, time.monotonic() - began

    with concurrent.futures.ThreadPoolExecutor(200) as threads:
        hanging = [threads.submit(hang, number) for number in range(200)]
        taken = []
        for _ in range(20):
            began = time.monotonic()
            assert both.notebook("GET", "/files/object?path=x").text == "hello"
            taken.append(time.monotonic() - began)
            assert len(workers() - before) <= 4 + 2, "its own four, and those that are made ready"
        ended = [each.result() for each in hanging]
    assert {status for status, _ in ended} == {503}
    assert max(seconds for _, seconds in ended) < 30
    assert max(taken) < 6 and statistics.median(taken) < 1.5, "nobody waits for the hanging one's deadline"
    eventually("the processes are reclaimed", lambda: len(workers()) <= 3)


def test_a_source_that_keeps_failing_is_left_alone_and_found_again(both: Platform, web: Misbehaving) -> None:
    both.service.inside.data.settings.deadline_s = 2
    for _ in range(3):
        assert both.notebook("GET", "/web/object?path=hang").status_code == 503
    asked, began = len(web.asked), time.monotonic()
    refused = both.notebook("GET", "/web/object?path=hang")
    assert refused.status_code == 503 and "left alone" in refused.json()["detail"]
    assert time.monotonic() - began < 2 and len(web.asked) == asked, "nobody waited for it"
    shown = {each["name"]: each["state"] for each in both.notebook("GET", "").json()["items"]}
    assert shown["web"] != "closed" and shown["files"] == "closed"
    web.hanging = False
    both.service.inside.data.settings.deadline_s = 20
    eventually("it is tried again", lambda: both.notebook("GET", "/web/object?path=hang").status_code == 200)
    assert both.notebook("GET", "/web").json()["state"] == "closed"


@pytest.mark.parametrize("path", ["broken", "stall"])
def test_an_answer_that_breaks_off_does_not_look_complete(both: Platform, path: str) -> None:
    if path == "stall":
        answer = both.notebook("GET", "/web/object?path=stall")
        assert len(answer.content) == 100_000, "all of it came, whatever the server does then"
        return
    with pytest.raises(httpx.RemoteProtocolError):
        both.notebook("GET", f"/web/object?path={path}")


def test_a_redirect_leads_nowhere_that_is_closed(both: Platform, web: Misbehaving) -> None:
    with misbehaving("127.0.0.2") as inner:
        web.elsewhere = f"http://127.0.0.2:{inner.port}/x"
        answer = both.notebook("GET", "/web/object?path=elsewhere")
        assert answer.status_code == 403 and "did not open" in answer.json()["detail"]
        assert inner.asked == []
    web.elsewhere = "http://169.254.169.254/latest/meta-data/"
    assert both.notebook("GET", "/web/object?path=elsewhere").status_code == 403
    web.elsewhere = "file:///etc/passwd"
    answer = both.notebook("GET", "/web/object?path=elsewhere")
    assert answer.status_code == 403 and "root:" not in answer.text


def test_a_redirect_does_not_leave_encryption(both: Platform, web: Misbehaving) -> None:
    """The source's own server may be reached in the clear; a public one only encrypted, whoever sends there."""
    web.elsewhere = "http://8.8.8.8/x"
    answer = both.notebook("GET", "/web/object?path=elsewhere")
    assert answer.status_code == 403 and "encrypted" in answer.json()["detail"]


def test_a_token_does_not_follow_to_another_host(both: Platform, web: Misbehaving) -> None:
    both.service.inside.data.settings.open_networks = ["127.0.0.0/8"]
    with misbehaving("127.0.0.2") as other:
        web.elsewhere = f"http://127.0.0.2:{other.port}/x"
        assert both.notebook("GET", "/web/object?path=elsewhere").status_code == 200
        assert web.asked[-1][1] == "Bearer canary-1" and other.asked == [("GET", "")]
    with misbehaving() as other_port:
        web.elsewhere = f"http://127.0.0.1:{other_port.port}/x"
        assert both.notebook("GET", "/web/object?path=elsewhere").status_code == 200
        assert other_port.asked == [("GET", "")]
    web.elsewhere = "/x"
    assert both.notebook("GET", "/web/object?path=elsewhere").status_code == 200
    assert [token for _, token in web.asked[-2:]] == ["Bearer canary-1"] * 2


def test_a_file_is_as_long_as_it_is(both: Platform, web: Misbehaving) -> None:
    assert both.notebook("GET", "/web/object?path=packed").content == b"x" * 100_000, "not unpacked"
    answer = both.notebook("GET", "/web/object?path=unknown")
    assert answer.status_code == 422 and "how long" in answer.json()["detail"]


def test_a_wrong_request_is_not_the_sources_failure(both: Platform, web: Misbehaving) -> None:
    for _ in range(4):
        assert both.notebook("GET", "/web/object?path=wrong").status_code == 422
    assert both.notebook("GET", "/web").json()["state"] == "closed"


def test_a_name_is_judged_by_what_it_resolves_to(both: Platform, web: Misbehaving) -> None:
    """``localhost`` is a name like any other: what counts is the address that is connected to."""
    both.service.inside.data.settings.open_networks = []
    both.add({"name": "inner", "place": {"kind": "http", "url": f"http://localhost:{web.port}/"}})
    answer = both.notebook("GET", "/inner/object?path=x")
    assert answer.status_code == 403 and web.asked == []


def test_a_worker_that_is_killed_is_replaced(both: Platform) -> None:
    both.notebook("GET", "/files/object?path=x")
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    answers = [both.notebook("GET", "/files/object?path=x").status_code for _ in range(3)]
    assert answers[-1] == 200 and answers.count(503) <= 1


def test_memory_has_an_end(both: Platform, shared: Path) -> None:
    """A gigabyte in one line, and a row group that is larger than a process may be."""
    with (shared / "team" / "line.csv").open("wb") as file:
        file.truncate(1024**3)
    began = time.monotonic()
    answer = both.notebook("GET", "/files/sample?path=line.csv")
    assert answer.status_code == 422 and "first line is longer" in answer.json()["detail"]
    assert time.monotonic() - began < 15


def test_the_breaker() -> None:
    breaker = Breaker(failures_to_open=2, open_for_s=10)
    breaker.failed(0, "x")
    assert breaker.may_call(0)
    breaker.failed(0, "x")
    assert breaker.state(9) is State.OPEN and not breaker.may_call(9)
    assert breaker.may_call(10) and not breaker.may_call(10), "one goes through to see"
    breaker.failed(10, "x")
    assert not breaker.may_call(29) and breaker.may_call(30), "twice as long"
    breaker.gave_up()
    assert breaker.may_call(30)
    breaker.succeeded()
    assert breaker.state(30) is State.CLOSED and breaker.may_call(30)
