"""This node's troubles: disk full, a freeze that fails or lasts, a notebook that died, ended meanwhile, or is
hostile."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from hubernate_checkpointer.capture.containerd import Containerd
from hubernate_checkpointer.capture.docker import DockerEngine
from hubernate_core.errors import Unavailable
from hubernate_core.operation import Kind, Step
from hubernate_core.wire import Directive
from support.agent import Node, succeeded
from support.engine import merged, shell, unpacked, upper
from support.engines import on_both_engines
from support.faulty import Fault, FaultyProxy
from support.invariants import check
from support.service import Row
from support.trees import differences, snapshot

pytestmark = pytest.mark.docker


@pytest.fixture
def small_disk(node: Node) -> Iterator[Path]:
    """A state folder on a file system of 6 MB."""
    folder = node.folder / "state"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], check=True)
    yield folder
    node.stop_agents()
    subprocess.run(["umount", str(folder)], check=True)


def _noise(megabytes: int) -> str:
    return f"dd if=/dev/urandom of=/opt/noise bs=1048576 count={megabytes} 2>/dev/null"


@on_both_engines
def test_a_full_disk_fails_the_save_and_leaves_nothing(node: Node, small_disk: Path) -> None:
    """F19."""
    container = node.notebook()
    shell(container, _noise(20))
    node.start_agent()
    started = time.time()
    row = node.save(container, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert "disk is full" in row.operation.reason
    assert not list((small_disk / "spool").iterdir())
    check(node, [row], container.id, started)
    shell(container, "rm /opt/noise; echo small > /opt/small")
    succeeded(node.save(container).operation)


def test_a_disk_full_while_frozen_thaws(node: Node, small_disk: Path) -> None:
    container = node.notebook()

    def on_step(step: str) -> None:
        if step == "before:frozen":
            shell(container, _noise(20))

    node.start_agent(on_step)
    started = time.time()
    row = node.save(container)
    assert row.operation.step is Step.FAILED
    check(node, [row], container.id, started)


@on_both_engines
def test_a_pause_that_is_ignored_aborts(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """F23: unlike docker commit, which copies a moving container without a word."""
    for engine in (DockerEngine, Containerd):
        monkeypatch.setattr(engine, "pause", lambda self, container_id: None)
    container = node.notebook()
    node.start_agent()
    row = node.save(container, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert "paused" in row.operation.reason
    container.reload()
    assert container.status == "running"


@on_both_engines
def test_the_watchdog_thaws_what_stands_still_too_long(node: Node) -> None:
    """F24."""
    container = node.notebook()
    thawed_after: list[float] = []

    def on_step(step: str) -> None:
        if step == "after:frozen":
            begun = time.monotonic()
            while time.monotonic() - begun < 10:
                container.reload()
                if container.status == "running":
                    thawed_after.append(time.monotonic() - begun)
                    return
                time.sleep(0.1)

    node.start_agent(on_step, freeze_limit_s=1.0)
    row = node.save(container, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert "stand still" in row.operation.reason
    assert thawed_after
    assert thawed_after[0] < 5


@on_both_engines
def test_a_container_left_frozen_is_thawed_at_the_next_start(node: Node) -> None:
    container = node.notebook()
    node.service.open(node.order(container))
    dying = node.start_failing_agent("after:frozen", 1)
    assert dying.wait(timeout=60) == -9
    container.reload()
    assert container.status == "paused"
    node.service.down = True
    node.start_agent()
    for _ in range(100):
        container.reload()
        if container.status == "running":
            break
        time.sleep(0.1)
    assert container.status == "running", "thawed although the service is away"


@on_both_engines
def test_a_container_that_was_paused_stays_paused(node: Node) -> None:
    container = node.notebook()
    shell(container, "echo x > /opt/x")
    container.pause()
    node.start_agent()
    row = node.save(container)
    succeeded(row.operation)
    container.reload()
    assert container.status == "paused"
    container.unpause()


@on_both_engines
@pytest.mark.parametrize("end", ["exit", "kill", "oom"])
def test_a_notebook_that_ended_by_itself_is_saved(node: Node, end: str) -> None:
    """F17."""
    commands = {
        "exit": "echo x > /opt/x; exit 3",
        "kill": "echo x > /opt/x; sleep 1000000",
        "oom": "echo x > /opt/x; sync; exec dd if=/dev/zero of=/dev/null bs=500M",
    }
    container = node.notebook(command=["/bin/sh", "-c", commands[end]], mem_limit="64m", memswap_limit="64m")
    if end == "kill":
        time.sleep(1)
        container.kill()
    container.wait(timeout=30)
    node.start_agent()
    row = node.save(container, Kind.STOP)
    succeeded(row.operation)
    seen = [each for poll in node.service.polls for each in poll.containers if each.container_id == container.id]
    assert seen[0].running is False
    assert seen[0].oom_killed is (end == "oom")
    steps = [report.step for _, report in row.reports]
    assert Step.FROZEN not in steps
    assert shell(node.resume(row.recorded[-1][1]), "cat /opt/x") == "x\n"


@on_both_engines
@pytest.mark.parametrize(
    "moment",
    [
        "after:quiesced",
        "after:copied",
        "before:frozen",
        "after:frozen",
        "before:captured",
        "after:thawed",
        "before:pushed",
    ],
)
def test_a_notebook_killed_during_its_save(node: Node, moment: str) -> None:
    """Whatever the moment, either it is saved as it lies or it is kept with a reason; the next save has everything."""
    container = node.notebook(command=["/bin/sh", "-c", "echo x > /opt/x; sleep 1000000"])
    time.sleep(0.5)

    def on_step(step: str) -> None:
        if step == moment and container.id:
            try:
                container.kill()
            except (docker.errors.APIError, RuntimeError) as problem:
                print(f"kill: {problem}")

    agent_started = time.time()
    node.start_agent(on_step)
    row = node.save(container, Kind.STOP)
    check(node, [row], container.id, agent_started)
    if row.operation.step is Step.FAILED:
        node.stop_agents()
        container.reload()
        node.start_agent()
        row = node.save(container, Kind.STOP)
        succeeded(row.operation)
    assert shell(node.resume(row.recorded[-1][1]), "cat /opt/x") == "x\n"


def test_a_notebook_that_ends_as_it_is_frozen_is_saved_by_the_same_operation(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine says "is not running": what it left is captured as it lies, nobody has to ask again."""
    container = node.notebook(command=["/bin/sh", "-c", "echo x > /opt/x; sleep 1000000"])
    pause = DockerEngine.pause
    said: list[str] = []

    def pause_too_late(self: DockerEngine, container_id: str) -> None:
        if not said:
            shell(container, "echo y > /opt/y")
            container.kill()
            container.wait(timeout=30)
        try:
            pause(self, container_id)
        except Unavailable as problem:
            said.append(problem.message)
            raise

    monkeypatch.setattr(DockerEngine, "pause", pause_too_late)
    node.start_agent()
    row = node.save(container, Kind.STOP)
    succeeded(row.operation)
    assert "not running" in said[0]
    assert shell(node.resume(row.recorded[-1][1]), "cat /opt/x /opt/y") == "x\ny\n"


@on_both_engines
def test_the_person_who_came_back_keeps_the_server(node: Node) -> None:
    """F39: the service says keep once the image is recorded."""
    container = node.notebook()
    node.service.decide = lambda row: Directive.KEEP
    node.start_agent()
    row = node.save(container, Kind.STOP)
    succeeded(row.operation)
    assert row.reports[-1][1].kept
    container.reload()
    assert container.status == "running"


@on_both_engines
def test_an_abort_leaves_everything_as_it_is(node: Node) -> None:
    container = node.notebook()
    shell(container, "echo x > /opt/x")

    def decide(row: Row) -> Directive:
        row.operation = row.operation.model_copy(update={"step": Step.FAILED})
        return Directive.ABORT

    node.service.decide = decide
    node.start_agent()
    row = node.service.open(node.order(container, Kind.STOP))
    node.service.wait_for(row, lambda: bool(row.recorded))
    time.sleep(2)
    container.reload()
    assert container.status == "running"


def test_an_older_generation_is_refused(node: Node) -> None:
    """F15: neither the container of another start nor that of another server is touched."""
    container = node.notebook()
    node.start_agent()
    row = node.save(container, Kind.STOP, generation=node.generation + 1)
    assert row.operation.step is Step.FAILED
    assert "not of this server's start" in row.operation.reason
    container.reload()
    assert container.status == "running"
    other = node.save(container, Kind.DISCARD, server_id="zzzzzzzzzz")
    assert other.operation.step is Step.FAILED
    container.reload()
    assert container.status == "running"


def test_discard_removes_without_saving(node: Node) -> None:
    container = node.notebook()
    gate = node.gate()
    node.start_agent()
    row = node.save(container, Kind.DISCARD, gate_container_id=gate.id)
    succeeded(row.operation)
    assert not row.recorded
    assert node.client.containers.list(all=True, filters={"label": f"io.hubernate.server={node.server}"}) == []


@on_both_engines
def test_more_than_the_limit_is_refused_with_its_size(node: Node) -> None:
    """F22."""
    container = node.notebook()
    shell(container, _noise(5))
    node.start_agent()
    row = node.save(container, Kind.STOP, max_bytes=1_000_000)
    assert row.operation.step is Step.FAILED
    assert "5.24 MB" in row.operation.reason


@on_both_engines
def test_reports_wait_for_the_service(node: Node) -> None:
    """F41: the service is away in the middle; nothing stands still, nothing is removed, nothing is forgotten."""
    container = node.notebook()
    shell(container, "echo x > /opt/x")
    node.start_agent(lambda step: setattr(node.service, "down", True) if step == "after:copied" else None)
    started = time.time()
    row = node.service.open(node.order(container, Kind.STOP))
    time.sleep(5)
    container.reload()
    assert container.status == "running"
    assert not row.recorded
    node.service.down = False
    succeeded(node.service.wait(row))
    check(node, [row], container.id, started)


@on_both_engines
def test_symbolic_links_lead_nowhere(node: Node, tmp_path: Path) -> None:
    """A hostile tree: directories that are links out of the upper directory, also swapped while we copy."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "passwords").write_text("the host's own secret")
    container = node.notebook()
    shell(container, f"mkdir -p /opt/evil/dir; echo mine > /opt/evil/dir/passwords; ln -s {secret} /opt/evil/link")

    def on_step(step: str) -> None:
        if step == "after:quiesced" and not (upper(container) / "opt/evil/was").exists():
            folder = upper(container) / "opt/evil"
            (folder / "dir").rename(folder / "was")
            (folder / "dir").symlink_to(secret)

    node.start_agent(on_step)
    node.save(container)
    row = node.save(container)
    succeeded(row.operation)
    resumed = node.resume(row.recorded[-1][1])
    assert os.readlink(merged(resumed) / "opt/evil/link") == str(secret)
    assert _nowhere(node, b"the host's own secret")


def _nowhere(node: Node, needle: bytes) -> bool:
    return not any(needle in unpacked(data) for data in node.registry.blobs().values())


@pytest.mark.parametrize("fault", [Fault(break_after=30_000_000), Fault(503)])
def test_a_large_layer_of_noise_is_sent_again(node: Node, fault: Fault) -> None:
    """It is not spooled, so that after a break the save starts over by itself."""
    proxy = FaultyProxy(node.registry.port)
    node.registry_name = proxy.name
    hit: list[str] = []

    def rule(method: str, path: str, count: int) -> Fault | None:
        if method == "PATCH" and not hit:
            hit.append(path)
            return fault
        return None

    proxy.rule = rule
    container = node.notebook()
    shell(container, _noise(80))
    before = snapshot(container)
    node.start_agent(registry_patience_s=30)
    row = node.save(container)
    succeeded(row.operation)
    assert hit
    assert row.recorded[-1][1].layers[0].media_type.endswith(".tar")
    assert differences(before, snapshot(node.resume(row.recorded[-1][1]))) == []
    proxy.close()


def test_saved_images_are_made_ready_and_forgotten(node: Node) -> None:
    """The cache pulls what is wanted, reports it, and deletes what retention lets go."""
    node.start_agent()
    container = node.notebook()
    shell(container, "echo x > /opt/x")
    image = node.saved(container, Kind.STOP)
    reference = f"{node.repository}@{image.digest}"
    node.service.prefetch = (reference,)
    with node.service.changed:
        assert node.service.changed.wait_for(lambda: reference in node.service.polls[-1].local_checkpoints, timeout=20)
    node.client.images.get(node.reference(image))
    node.service.prefetch = ()
    node.service.forget = (reference,)
    with node.service.changed:
        assert node.service.changed.wait_for(lambda: reference in node.service.polls[-1].forgotten, timeout=20)
    with pytest.raises(docker.errors.ImageNotFound):
        node.client.images.get(node.reference(image))
    with pytest.raises(docker.errors.APIError):
        node.client.api.pull(f"{node.registry.name}/{node.repository}", tag=image.digest)
