"""Docker Engine dies and comes back in the middle of a save: what changed is there, nothing stands still (F49)."""

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from hubernate_core.operation import Kind, Step
from hubernate_core.wire import SavedImage
from support.agent import Node
from support.engine import is_root, registry, shell
from support.invariants import check
from support.private_engine import PrivateEngine, private_engine
from support.service import Row
from support.trees import differences, snapshot

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
_ENGINE_AWAY_S = 2


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    if not is_root():
        pytest.fail("a Docker Engine of one's own needs root")
    with private_engine() as made:
        yield made


@pytest.fixture
def own(engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node on the private engine."""

    monkeypatch.setattr("support.agent.engine", engine.client)
    with registry() as process:
        engine.reach(process.port)
        folder = Path(tempfile.mkdtemp(prefix="hbn-node-"))
        made = Node(process, folder)
        try:
            yield made
        finally:
            made.close()
            shutil.rmtree(folder, ignore_errors=True)


_KILLED = ("after:copied", "after:frozen", "after:pushed", "after:recorded", "before:removed")
_CASES = [(step, signal.SIGKILL) for step in _KILLED] + [("after:frozen", signal.SIGTERM)]


@pytest.mark.parametrize(("step", "number"), _CASES)
def test_the_engine_restarts_at_a_step(own: Node, engine: PrivateEngine, step: str, number: signal.Signals) -> None:
    container = own.notebook(stop_signal="SIGKILL")  # an engine that comes back ends what still runs
    shell(container, "echo one > /opt/one; rm /opt/app/base0; dd if=/dev/urandom of=/opt/noise bs=1024 count=2000")
    before = snapshot(container)
    restarts: list[Thread] = []

    def on_step(name: str) -> None:
        if name == step and not restarts:
            engine.end(number)
            restarts.append(Thread(target=_start_later, args=(engine,)))
            restarts[0].start()

    own.start_agent(on_step, engine_url=engine.url)
    started = time.time()
    rows = [own.save(container, Kind.STOP)]
    restarts[0].join()
    if rows[0].operation.step is Step.FAILED:
        assert "nothing was lost" in rows[0].operation.reason or "its changes are kept" in rows[0].operation.reason
        assert own.client.containers.get(container.id).status in ("running", "exited")
        rows.append(own.save(container, Kind.STOP))  # as the reconciler does with a server that ended
    assert rows[-1].operation.step is Step.RELEASED, rows[-1].operation.reason
    check(own, rows, container.id, started)
    assert differences(before, snapshot(own.resume(_newest(rows)))) == []


def _newest(rows: list[Row]) -> SavedImage:
    return next(row.recorded[-1][1] for row in reversed(rows) if row.recorded)


def _start_later(engine: PrivateEngine) -> None:
    time.sleep(_ENGINE_AWAY_S)
    engine.start()
