"""The agent itself: orders it cannot begin, and a second agent."""

import subprocess
import sys

import pytest

from hubernate_checkpointer.agent import Agent
from hubernate_checkpointer.capture.docker import DockerEngine
from hubernate_checkpointer.config import CheckpointAgent
from hubernate_core.errors import Conflict, Unavailable
from hubernate_core.names import ServerId, new_id
from hubernate_core.operation import Kind, Step
from support.agent import Node, succeeded
from support.engine import start_gate

pytestmark = pytest.mark.docker


@pytest.mark.timeout(60)
@pytest.mark.parametrize("damage", ["", "{", '{"operation_id": "x"}'], ids=["empty", "cut", "other"])
def test_a_damaged_journal_fails_the_operation_and_says_so(node: Node, damage: str) -> None:
    container = node.notebook()
    order = node.order(container)
    folder = node.folder / "state" / "operations"
    folder.mkdir(parents=True)
    entry = folder / f"{order.operation_id}.json"
    entry.write_text(damage)
    old = folder / f"{new_id()}.json"
    old.write_text(damage)
    node.start_agent()
    row = node.service.open(order)
    node.service.wait(row)
    assert row.operation.step is Step.FAILED
    assert "could not begin" in row.operation.reason and "as they were" in row.operation.reason
    container.reload()
    assert container.status == "running"
    succeeded(node.save(container).operation)
    assert not entry.exists() and not old.exists(), "what is over is forgotten"


@pytest.mark.timeout(60)
def test_a_second_agent_on_the_same_folder_refuses(node: Node) -> None:
    node.start_agent()
    container = node.notebook()
    succeeded(node.save(container).operation)
    with pytest.raises(Conflict, match=r"another one works in .*state"):
        Agent(CheckpointAgent(**node.values())).run()
    options = [f"--CheckpointAgent.{name}={value}" for name, value in node.values().items()]
    program = [sys.executable, "-c", "from hubernate_checkpointer.agent import main; main()", *options]
    second = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert "another one works in" in second.stderr + second.stdout and "Traceback" not in second.stderr
    succeeded(node.save(container).operation)
    node.stop_agents()
    node.start_agent()
    succeeded(node.save(container).operation)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", [Kind.STOP, Kind.DISCARD])
@pytest.mark.parametrize("stumbles", [False, True], ids=["at once", "after trying again"])
def test_a_removal_that_cannot_be_finished_tells_no_lies(
    node: Node, kind: Kind, stumbles: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The gate of the order belongs to another server: it stays, while the notebook is gone."""
    release, refusals = DockerEngine.release, [Unavailable("the engine is busy")] * stumbles

    def stumble(engine: DockerEngine, container_id: str) -> None:
        if refusals:
            raise refusals.pop()
        release(engine, container_id)

    monkeypatch.setattr(DockerEngine, "release", stumble)
    other = start_gate(node.client, node.base.reference, node.instance, ServerId(new_id()))
    container = node.notebook()
    node.start_agent()
    row = node.save(container, kind, gate_container_id=other.id)
    assert row.operation.step is Step.FAILED
    assert node.client.containers.list(all=True, ignore_removed=True, filters={"id": container.id}) == []
    other.reload()
    assert other.status == "running"
    assert "kept" not in row.operation.reason and "may be removed" in row.operation.reason
    assert ("newest state is saved" in row.operation.reason) is (kind is Kind.STOP)
    assert not [each for each in caplog.records if each.message == "an order failed"], "nothing escaped"
