"""What only pods have: a hold instead of a removal, a death that is final, CRI's images, another snapshotter."""

import json
import signal
import time
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from hubernate_checkpointer.capture.containerd import Containerd
from hubernate_core.errors import Broken, Unavailable
from hubernate_core.operation import Kind, Step
from hubernate_core.wire import Directive
from support.agent import succeeded
from support.containerd import private_containerd
from support.engine import shell, unpacked
from support.engines import on_containerd
from support.invariants import check
from support.pods import Pod, PodNode, pod_node
from support.service import Row
from support.trees import differences, snapshot

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]
_LAST_WORDS = "trap 'echo last > /opt/last; exit 0' TERM; echo first > /opt/first; while :; do sleep 0.1; done"


def _engine(node: PodNode) -> Containerd:
    values = node.values()
    return Containerd(str(values["containerd_socket"]), lambda: None, str(values["kubelet_dir"]), "")


@on_containerd
def test_a_pod_that_is_deleted_is_held_until_it_is_saved(node: PodNode) -> None:
    """``kubectl delete pod``, a drain, an eviction: the notebook runs until its newest state is recorded."""
    pod = node.notebook()
    shell(pod, "echo x > /opt/x; rm /opt/app/base0")
    before = snapshot(pod)
    deletion = pod.delete()
    seen: list[str] = []

    def on_step(step: str) -> None:
        if step in ("after:recorded", "before:removed"):
            pod.reload()
            seen.append(f"{step} {pod.status}")

    node.start_agent(on_step)
    started = time.time()
    row = node.save(pod, Kind.STOP, deleting=True)
    succeeded(row.operation)
    assert seen == ["after:recorded running", "before:removed running"], "nothing is stopped, nothing is saved twice"
    deletion.join(timeout=10)
    assert not deletion.is_alive(), "the pod goes at once when it is let go"
    pod.reload()
    assert pod.status == "removed"
    check(node, [row], pod.id, started)
    assert differences(before, snapshot(node.resume(row.recorded[-1][1]))) == []


@on_containerd
def test_a_deletion_that_begins_during_a_stop_changes_how_it_ends(node: PodNode) -> None:
    """The order was written before; the answer to the record knows better."""
    pod = node.notebook(command=["/bin/sh", "-c", _LAST_WORDS])
    steps: list[str] = []
    deletions: list[Thread] = []

    def on_step(step: str) -> None:
        steps.append(step)
        if step == "after:copied":
            node.service.deleting = True
            deletions.append(pod.delete())

    node.start_agent(on_step)
    row = node.save(pod, Kind.STOP)
    succeeded(row.operation)
    assert "before:stopped" not in steps
    deletions[0].join(timeout=10)
    assert not deletions[0].is_alive()


@on_containerd
def test_a_failed_save_does_not_let_a_held_pod_go(node: PodNode) -> None:
    pod = node.notebook()
    shell(pod, "echo x > /opt/x")
    deletion = pod.delete()

    def on_step(step: str) -> None:
        if step == "before:pushed":
            raise OSError(28, "No space left on device")

    node.start_agent(on_step)
    row = node.save(pod, Kind.STOP, deleting=True)
    assert row.operation.step is Step.FAILED
    assert "being deleted" in row.operation.reason
    pod.reload()
    assert pod.status == "running"
    assert not (pod.hold / "released").exists()
    node.stop_agents()
    node.start_agent()
    succeeded(node.save(pod, Kind.STOP, deleting=True).operation)
    deletion.join(timeout=10)


@on_containerd
def test_an_exec_that_begins_at_the_freeze_does_not_hang_the_pod(node: PodNode) -> None:
    """A preStop hook or a probe, frozen half-way, blocks containerd's shim: thawing must not need it."""
    pod = node.notebook()
    over = Event()

    def keep_running() -> None:
        while not over.is_set():
            try:
                pod.run("true")
            except Unavailable as problem:
                print(f"exec: {problem.message}")

    threads = [Thread(target=keep_running) for _ in range(3)]
    for thread in threads:
        thread.start()
    node.start_agent()
    for number in range(4):
        shell(pod, f"echo {number} > /opt/{number}")
        row = node.save(pod)
        assert row.operation.step is Step.RELEASED or "nothing was lost" in row.operation.reason
    over.set()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive(), "the pod hangs"
    assert shell(pod, "cat /opt/3") == "3\n"
    succeeded(node.save(pod, Kind.STOP).operation)


@on_containerd
@pytest.mark.parametrize("step", ["after:recorded", "before:removed", "after:removed"])
def test_an_agent_killed_before_it_let_go_is_followed_by_one_that_does(node: PodNode, step: str) -> None:
    pod = node.notebook()
    shell(pod, "echo x > /opt/x")
    deletion = pod.delete()
    row = node.service.open(node.order(pod, Kind.STOP, deleting=True))
    assert node.start_failing_agent(step, 1).wait(timeout=60) == -9
    node.start_agent()
    succeeded(node.service.wait(row))
    deletion.join(timeout=10)
    assert not deletion.is_alive()


@on_containerd
def test_the_changes_of_a_stopped_pod_stay_until_it_is_deleted(node: PodNode) -> None:
    """The last save fails: nothing is lost, and the next operation finds the dead container with all that it wrote."""
    pod = node.notebook(command=["/bin/sh", "-c", _LAST_WORDS])
    _wait_for(pod, "opt/first")

    def on_step(step: str) -> None:
        if step == "after:stopped":
            raise OSError(28, "No space left on device")

    node.start_agent(on_step, stop_grace_s=5)
    row = node.save(pod, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert "its container and changes are kept" in row.operation.reason
    node.stop_agents()
    pod.wait()
    pod.reload()
    assert pod.status == "exited"
    node.start_agent()
    again = node.save(pod, Kind.STOP)
    succeeded(again.operation)
    assert shell(node.resume(again.recorded[-1][1]), "cat /opt/first /opt/last") == "first\nlast\n"


@on_containerd
def test_who_comes_back_after_the_stop_finds_it_saved(node: PodNode) -> None:
    """A container in a pod cannot be started again, so that the server is not said to go on."""
    pod = node.notebook(command=["/bin/sh", "-c", _LAST_WORDS])
    _wait_for(pod, "opt/first")

    def decide(row: Row) -> Directive:
        return Directive.RELEASE if len(row.recorded) == 1 else Directive.KEEP

    node.service.decide = decide
    node.start_agent(stop_grace_s=5)
    row = node.save(pod, Kind.STOP)
    succeeded(row.operation)
    assert len(row.recorded) == 2
    assert not row.reports[-1][1].kept
    assert shell(node.resume(row.recorded[-1][1]), "cat /opt/last") == "last\n"


@on_containerd
@pytest.mark.parametrize("label", ["instance", "tenant", "owner", "server", "generation", "role"])
def test_a_pod_of_somebody_else_is_not_touched(node: PodNode, label: str) -> None:
    node.generation = 1
    pod = node.start_pod(node.base.reference, node.labels | {f"hubernate.io/{label}": "zzzzzzzzzz"})
    steps: list[str] = []
    node.start_agent(steps.append)
    row = node.save(pod, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert f"io.hubernate.{label}" in row.operation.reason
    assert steps == []
    pod.reload()
    assert pod.status == "running"
    assert not list(pod.hold.iterdir())


@on_containerd
def test_an_image_cannot_name_itself_ours(node: PodNode) -> None:
    """Labels of the container come from its image too; only the pod's own count."""
    node.generation = 1
    pod = node.start_pod(node.base.reference, {}, labels_of_container=node.labels)
    node.start_agent()
    row = node.save(pod, Kind.STOP)
    assert row.operation.step is Step.FAILED
    pod.reload()
    assert pod.status == "running"
    assert _engine(node).ours(node.instance) == []


@on_containerd
@pytest.mark.parametrize("container_id", ["", "../../etc", "0a1b2c3d-0000-4000-8000-00000000000a", "{runtime_id}"])
def test_only_a_pod_of_this_node_can_be_named(node: PodNode, container_id: str) -> None:
    pod = node.notebook()
    node.start_agent()
    row = node.save(pod, Kind.STOP, container_id=container_id.format(runtime_id=pod.runtime_id))
    assert row.operation.step is Step.FAILED
    assert "its container is gone" in row.operation.reason
    pod.reload()
    assert pod.status == "running"


@on_containerd
def test_a_pod_that_runs_another_image_is_left_as_it_is(node: PodNode) -> None:
    node.start_agent()
    pod = node.notebook()
    shell(pod, "echo x > /opt/x")
    image = node.saved(pod)
    resumed = node.resume(image)
    row = node.save(resumed)  # as if it had been started clean
    assert row.operation.step is Step.FAILED
    assert "runs another image" in row.operation.reason


@on_containerd
def test_what_a_node_tells_of_its_pods(node: PodNode) -> None:
    pod = node.notebook(command=["/bin/sh", "-c", "trap '' TERM; while :; do :; done"])
    node.start_pod(node.base.reference, {f"hubernate.io/{name}": "other" for name in ("instance", "server")})
    engine = _engine(node)
    (seen,) = engine.ours(node.instance)
    assert (seen.id, seen.running, seen.paused, seen.exit_code) == (pod.id, True, False, None)
    first = engine.cpu_seconds(pod.id)
    assert engine.pids(pod.id) == [pod.pid]
    time.sleep(1)
    later = engine.cpu_seconds(pod.id)
    assert first is not None and later is not None and 0.05 < later - first < 1.5
    pod.pause()
    assert engine.inspect(pod.id).paused  # type: ignore[union-attr]
    pod.unpause()
    engine.stop(pod.id, 0)
    pod.wait()
    assert [each.running for each in engine.ours(node.instance)] == [False]
    time.sleep(0.5)  # CRI notes the exit code a moment after it cleared the task away
    (seen,) = engine.ours(node.instance)
    assert (seen.running, seen.exit_code, seen.oom_killed) == (False, 137, False)
    assert engine.cpu_seconds(pod.id) is None
    pod.remove()
    assert engine.ours(node.instance) == [] and engine.inspect(pod.id) is None


@on_containerd
def test_nothing_of_the_pod_but_its_files_is_pushed(node: PodNode) -> None:
    """P3: no environment, argument, label, or file that CRI mounts."""
    node.generation = 1
    canary = "canary-5f1c9a"
    pod = node.start_pod(
        node.base.reference,
        node.labels | {"note": f"{canary}-label"},
        command=["/bin/sh", "-c", f"sleep 1000000; : {canary}-argument"],
        environment={"JUPYTERHUB_API_TOKEN": f"{canary}-environment"},
    )
    shell(pod, f"echo {canary}-hold > /run/hubernate/x; echo {canary}-tmp > /tmp/x; echo kept-5150 > /opt/kept")
    node.start_agent()
    row = node.save(pod, Kind.STOP)
    succeeded(row.operation)
    blobs = [unpacked(data) for data in node.registry.blobs().values()]
    assert any(b"kept-5150" in data for data in blobs), "the scan would find what is there"
    assert not any(canary.encode() in data for data in blobs)
    manifest = json.loads(node.registry.blobs()[row.recorded[-1][1].digest])
    assert manifest["layers"][-1]["mediaType"].endswith("tar+zstd"), "containerd reads zstd"


@on_containerd
def test_saved_images_are_made_ready_where_the_kubelet_sees_them(node: PodNode) -> None:
    node.start_agent()
    pod = node.notebook()
    shell(pod, "echo x > /opt/x")
    image = node.saved(pod, Kind.STOP)
    reference = f"{node.repository}@{image.digest}"
    node.service.prefetch = (reference,)
    with node.service.changed:
        assert node.service.changed.wait_for(lambda: reference in node.service.polls[-1].local_checkpoints, timeout=20)
    assert node.reference(image) in node.containerd.ctr("images", "ls", "-q").stdout.split()
    assert _engine(node).local_images(node.registry_name)[reference].startswith("sha256:")
    node.service.prefetch = ()
    node.service.forget = (reference,)
    with node.service.changed:
        assert node.service.changed.wait_for(lambda: reference in node.service.polls[-1].forgotten, timeout=20)
    assert node.reference(image) not in node.containerd.ctr("images", "ls", "-q").stdout.split()


@on_containerd
@pytest.mark.parametrize("step", ["after:copied", "after:frozen", "after:recorded"])
def test_containerd_dies_and_comes_back_during_a_save(node: PodNode, step: str) -> None:
    """F49: its containers run on under their shims; nothing stands still, nothing is lost."""
    pod = node.notebook()
    shell(pod, "echo one > /opt/one; rm /opt/app/base0")
    before = snapshot(pod)
    killed: list[Thread] = []

    def on_step(name: str) -> None:
        if name == step and not killed:
            node.containerd.end(signal.SIGKILL)
            killed.append(Thread(target=lambda: (time.sleep(1), node.containerd.start())))
            killed[0].start()

    node.start_agent(on_step)
    started = time.time()
    rows = [node.save(pod, Kind.STOP)]
    killed[0].join()
    if rows[0].operation.step is Step.FAILED:
        rows.append(node.save(pod, Kind.STOP))
    succeeded(rows[-1].operation)
    check(node, rows, pod.id, started)
    newest = next(row.recorded[-1][1] for row in reversed(rows) if row.recorded)
    assert differences(before, snapshot(node.resume(newest))) == []


@pytest.fixture
def other_snapshotter() -> Iterator[PodNode]:
    with private_containerd("native") as containerd, pod_node(containerd) as made:
        yield made


def test_another_snapshotter_is_refused_with_a_reason(other_snapshotter: PodNode) -> None:
    node = other_snapshotter
    pod = node.notebook()
    node.start_agent()
    row = node.save(pod, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert "'native'" in row.operation.reason and "overlayfs" in row.operation.reason
    pod.reload()
    assert pod.status == "running"


@on_containerd
def test_a_pod_that_ran_its_notebook_twice_is_not_guessed_at(node: PodNode) -> None:
    pod = node.notebook()
    node.again(pod)
    with pytest.raises(Broken, match="restartPolicy"):
        _engine(node).inspect(pod.id)
    assert [each.id for each in _engine(node).ours(node.instance)] == [pod.id], "it is still told of"


@on_containerd
def test_a_discard_lets_go_and_leaves_the_agent_idle(node: PodNode) -> None:
    """The service deletes discarded pods itself; an agent that is asked all the same does no harm."""
    pod = node.notebook()
    node.start_agent()
    succeeded(node.save(pod, Kind.DISCARD).operation)
    assert (pod.hold / "released").exists()
    with node.service.changed:
        assert node.service.changed.wait_for(lambda: node.service.polls[-1].busy_with == (), timeout=20)


def _wait_for(pod: Pod, path: str) -> None:
    for _ in range(100):
        if (pod.merged / path).exists():
            return
        time.sleep(0.1)
    raise AssertionError("the notebook did not start")
