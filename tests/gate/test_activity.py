"""What counts as activity, and that hub and platform service learn of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubernate_core.wire import GateActivity
from support.gate_process import NAVIGATE, Browser, GateProcess, browser, whole_gate

INTERVAL_S = 0.2


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[GateProcess]:
    async with whole_gate(tmp_path, settings={"activity_interval_s": INTERVAL_S}) as made:
        yield made


async def next_reports(gate: GateProcess, count: int = 2) -> list[GateActivity]:
    """The next reports; the first may have been on its way already."""
    start = len(gate.hub.reports)
    async with asyncio.timeout(10):
        while len(gate.hub.reports) < start + count:  # noqa: ASYNC110 - the hub double fills it
            await asyncio.sleep(0.02)
    return [GateActivity.model_validate(each) for each in gate.hub.reports[start:]]


async def test_nothing_happens(gate: GateProcess) -> None:
    report = (await next_reports(gate))[-1]
    assert (report.generation, report.person_age_s, report.kernels_busy, report.terminals_busy) == (3, None, 0, 0)
    assert gate.hub.activity == [], "the hub hears only of activity"


async def test_a_person_at_work(gate: GateProcess, ada: Browser) -> None:
    report = (await next_reports(gate))[-1]
    assert report.person_age_s is not None and report.person_age_s < 30
    await next_reports(gate, 4)
    assert len(gate.hub.activity) == 1, "told once, not at every round"
    assert set(gate.hub.activity[0]["servers"]) == {""}
    async with ada.post("api/sessions") as answer:
        assert answer.status == 200
    await next_reports(gate, 3)
    assert len(gate.hub.activity) == 2


async def test_an_open_tab_alone_is_not_activity(gate: GateProcess, ada: Browser) -> None:
    await asyncio.sleep(1)
    for tail in ("api/kernels", "api/sessions", "api/terminals", "api/contents"):
        async with ada.get(tail) as answer:
            assert answer.status == 200
    for tail in ("git/status", "lab/api/workspaces/default"):
        async with ada.post(tail) as answer:
            assert answer.status == 200
    async with ada.socket("api/kernels/k/channels") as kernel, ada.socket("terminals/websocket/1") as terminal:
        await kernel.ping()
        await kernel.send_bytes(b'\x00\x01{"msg_type": "kernel_info_request"}')
        await terminal.send_str('["set_size",24,80,400,600]')
        async with ada.socket("other/socket") as other:
            await other.send_str("language server")
            await other.receive(timeout=5)
        report = (await next_reports(gate))[-1]
    assert report.person_age_s is not None and report.person_age_s >= 1


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ("api/kernels/k/channels", '{"header": {"msg_type": "execute_request"}}'),
        ("terminals/websocket/1", '["stdin","ls\\r"]'),
        ("proxy/8501/stream", "a click in an app"),
    ],
)
async def test_typing_is_activity(gate: GateProcess, ada: Browser, tail: str, message: str) -> None:
    async with ada.socket(tail) as socket:
        await asyncio.sleep(1)
        began = time.monotonic()
        await socket.send_str(message)
        await socket.receive(timeout=5)
        report = (await next_reports(gate))[-1]
    assert report.person_age_s is not None
    assert report.person_age_s < time.monotonic() - began + 0.5, "it counts from the typing, not from the login"


async def test_the_admin_says_which_other_sockets_count(tmp_path: Path) -> None:
    tuned = {"activity_interval_s": INTERVAL_S, "activity_sockets": ["other/"]}
    async with whole_gate(tmp_path, settings=tuned) as gate, browser(gate) as ada:
        (await ada.login()).close()
        for tail, counts in (("proxy/8501/stream", False), ("other/socket", True)):
            async with ada.socket(tail) as socket:
                await asyncio.sleep(1.5)
                await socket.send_str("a click")
                await socket.receive(timeout=5)
                report = (await next_reports(gate))[-1]
            assert report.person_age_s is not None and (report.person_age_s < 1.4) is counts, tail


async def test_a_refused_request_is_not_activity(gate: GateProcess, ada: Browser) -> None:
    await asyncio.sleep(1)
    async with ada.post("api/sessions", xsrf=False) as answer:
        assert answer.status == 403
    async with browser(gate) as stranger, stranger.get("lab", headers=NAVIGATE) as answer:
        assert answer.status == 302
    report = (await next_reports(gate))[-1]
    assert report.person_age_s is not None and report.person_age_s >= 1


async def test_a_silent_busy_kernel_keeps_the_server_awake(gate: GateProcess) -> None:
    gate.notebook.kernels = [{"execution_state": "busy"}, {"execution_state": "idle"}]
    gate.notebook.terminals_busy = 2
    report = (await next_reports(gate))[-1]
    assert (report.person_age_s, report.kernels_busy, report.terminals_busy) == (None, 1, 2)
    before = len(gate.hub.activity)
    await next_reports(gate, 3)
    assert len(gate.hub.activity) > before, "and the hub hears it again and again"


@pytest.mark.parametrize(("said", "told"), [(0.4, 0.4), (0, 0.0), (None, None), ("much", None), (40, None)])
async def test_gpu_use_is_told_where_the_notebook_can_read_it(gate: GateProcess, said: object, told: object) -> None:
    gate.notebook.terminals_busy, gate.notebook.gpu = 0, said
    assert (await next_reports(gate, 3))[-1].gpu == told


async def test_a_notebook_that_says_nothing_is_not_idle(gate: GateProcess) -> None:
    gate.notebook.kernels = [{"execution_state": "busy"}]
    await next_reports(gate)
    gate.rewrite(upstream="http://127.0.0.1:9")
    gate.process.send_signal(1)
    await gate.said("settings read again")
    assert [each.kernels_busy for each in await next_reports(gate, 3)][-1] == 1


@pytest.mark.parametrize("status", [500, 429, 404, 200], ids=["broken", "overrun", "half started", "too large"])
async def test_a_notebook_that_answers_nonsense_is_not_idle(gate: GateProcess, status: int) -> None:
    gate.notebook.kernels = [{"execution_state": "busy"}]
    gate.notebook.terminals_busy = 2
    await next_reports(gate)
    gate.notebook.ill = status
    report = (await next_reports(gate, 3))[-1]
    # A 404 of the extension's own path says that there is no such extension, and nothing else.
    assert (report.kernels_busy, report.terminals_busy) == (1, 0 if status == 404 else 2)
    gate.notebook.ill, gate.notebook.kernels, gate.notebook.terminals_busy = 0, [], None
    report = (await next_reports(gate, 3))[-1]
    assert (report.kernels_busy, report.terminals_busy) == (0, 0)


async def test_a_service_that_is_down_is_told_later(gate: GateProcess, ada: Browser) -> None:
    await next_reports(gate)
    gate.hub.broken = True
    async with ada.post("api/sessions") as answer:
        assert answer.status == 200
    await gate.said("did not reach the hub")
    gate.hub.broken = False
    before = len(gate.hub.activity)
    await next_reports(gate, 3)
    assert len(gate.hub.activity) > before


async def test_a_person_who_comes_back_is_told_of_at_once(tmp_path: Path) -> None:
    """An idle server is being saved: the service decides from the last report whether it goes on (F39)."""
    async with whole_gate(tmp_path, settings={"activity_interval_s": 60}) as gate, browser(gate) as made:
        (await made.login()).close()
        async with asyncio.timeout(10):
            while not gate.hub.reports:  # noqa: ASYNC110 - the hub double fills it
                await asyncio.sleep(0.02)
        assert gate.hub.reports[0]["person_age_s"] < 10
