"""kill -9 of the agent before and after every step: the next agent finishes, once, and nothing is lost (F09–F11, F24,
F29)."""

import mmap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hubernate_core.operation import Kind, Step
from support.agent import Node, succeeded
from support.engine import merged, upper
from support.engines import on_both_engines
from support.invariants import check
from support.trees import Seen, differences, snapshot

pytestmark = pytest.mark.docker

_WRITES_AT_THE_END = "trap 'echo last > /opt/last; exit 0' TERM; echo first > /opt/first; while :; do sleep 0.1; done"
_ONCE = ["after:copied"] + [
    f"{when}:{step}" for step in ("frozen", "thawed", "stopped", "removed", "released") for when in ("before", "after")
]
_TWICE = [
    f"{when}:{step}"
    for step in ("quiesced", "captured", "pushed", "verified", "recorded")
    for when in ("before", "after")
]
_POINTS = [(step, 1) for step in _ONCE] + [(step, count) for step in _TWICE for count in (1, 2)]


@on_both_engines
@pytest.mark.parametrize(("step", "count"), _POINTS)
def test_killed_while_stopping_a_server(node: Node, step: str, count: int) -> None:
    """A stop whose notebook writes something when it is told to end, so that the second save has something to do."""
    container = node.notebook(command=["/bin/sh", "-c", _WRITES_AT_THE_END])
    gate = node.gate()  # in the same pod on Kubernetes: no order names it
    _wait_for_file(container)
    before = snapshot(container)
    started = time.time()
    row = node.service.open(node.order(container, Kind.STOP, gate_container_id=gate.id if gate else ""))
    dying = node.start_failing_agent(step, count, stop_grace_s=5)
    assert dying.wait(timeout=60) == -9, f"the agent never reached {step} a {count}. time"
    if not row.recorded:
        assert container.id in node.statuses(), "I1: removed before anything was recorded"
    node.start_agent(stop_grace_s=5)
    node.service.wait(row)
    succeeded(row.operation)
    check(node, [row], container.id, started)
    assert node.let_go(container)
    assert gate is None or gate.id not in {
        each.id for each in node.client.containers.list(all=True, ignore_removed=True)
    }
    assert not list((node.folder / "state/spool").iterdir())
    assert not list((node.folder / "state/frozen").iterdir())
    assert _soon(lambda: not list((node.folder / "state/operations").iterdir())), "the journal is cleared"
    resumed = node.resume(row.recorded[-1][1])
    after = snapshot(resumed)
    assert "opt/last" in after, "what the notebook wrote while it ended"
    assert differences(_without_last(before), _without_last(after)) == []


def _without_last(tree: dict[str, Seen]) -> dict[str, Seen]:
    return {path: each for path, each in tree.items() if path not in ("opt/last", "opt")}


def _soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not condition():
        time.sleep(0.1)
    return condition()


def _wait_for_file(container: object) -> None:
    path = Path(merged(container)) / "opt/first"  # type: ignore[arg-type]
    for _ in range(100):
        if path.exists() and path.read_text():  # written, not only made: its times stand still now
            return
        time.sleep(0.1)
    raise AssertionError("the notebook did not start")


@on_both_engines
@pytest.mark.parametrize(
    "step", ["before:quiesced", "after:frozen", "before:captured", "after:thawed", "before:pushed", "before:stopped"]
)
def test_a_bug_at_any_step_leaves_the_server_running(node: Node, step: str) -> None:
    """An exception nobody foresaw: thawed, said so, nothing removed."""
    container = node.notebook()

    def on_step(name: str) -> None:
        if name == step:
            raise RuntimeError("a bug")

    node.start_agent(on_step)
    started = time.time()
    row = node.save(container, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert "a bug in the agent" in row.operation.reason
    container.reload()
    assert container.status == "running"
    check(node, [row], container.id, started)


def test_a_failed_last_save_starts_the_server_again(node: Node) -> None:
    container = node.notebook()

    def on_step(name: str) -> None:
        if name == "after:stopped":
            raise OSError(28, "No space left on device")

    node.start_agent(on_step)
    row = node.save(container, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert "disk is full" in row.operation.reason
    container.reload()
    assert container.status == "running"
    assert row.recorded, "the first checkpoint stays"


@on_both_engines
def test_a_mapped_file_written_between_the_freeze_and_the_end_is_saved(node: Node) -> None:
    """np.memmap: a page that is dirty takes more writes without moving its file's times."""
    container = node.notebook(command=["/bin/sh", "-c", "echo zero > /opt/first; while :; do sleep 0.1; done"])
    _wait_for_file(container)
    with open(upper(container) / "opt/first", "r+b") as file:
        page = mmap.mmap(file.fileno(), 5)
        words = {"after:copied": b"copy\n", "after:thawed": b"last\n"}

        def on_step(name: str) -> None:
            if name in words:
                page[:] = words.pop(name)

        node.start_agent(on_step, stop_grace_s=1)
        row = node.save(container, Kind.STOP)
        page.close()
    succeeded(row.operation)
    resumed = node.resume(row.recorded[-1][1])
    assert (Path(merged(resumed)) / "opt/first").read_bytes() == b"last\n"


def test_removing_is_tried_until_it_works(node: Node) -> None:
    """Once the newest state is recorded there is no way back and no reason for one."""
    container = node.notebook()
    tries: list[str] = []

    def on_step(name: str) -> None:
        if name == "before:removed":
            tries.append(name)
            if len(tries) < 3:
                raise OSError(5, "Input/output error")

    node.start_agent(on_step)
    started = time.time()
    row = node.save(container, Kind.STOP)
    succeeded(row.operation)
    check(node, [row], container.id, started)
