"""The registry is down, refuses, is slow, full, forgets, or breaks off: the save waits or fails, the server runs on."""

import time
from collections.abc import Iterator

import pytest

from hubernate_core.operation import Kind, Step
from support.agent import Node, succeeded
from support.engine import shell
from support.faulty import Fault, FaultyProxy
from support.invariants import check
from support.trees import differences, snapshot

pytestmark = pytest.mark.docker
_NOISE = "dd if=/dev/urandom of=/opt/noise bs=1048576 count=8 2>/dev/null"


@pytest.fixture
def proxy(node: Node) -> Iterator[FaultyProxy]:
    made = FaultyProxy(node.registry.port)
    node.registry_name = made.name
    yield made
    made.close()


def _is_upload(method: str) -> bool:
    return method == "PATCH"


def test_a_registry_that_comes_back_is_waited_for(node: Node) -> None:
    """F01: down before anything; the note says since when, the container never stands still meanwhile."""
    container = node.notebook()
    shell(container, _NOISE)
    node.registry.stop()
    node.start_agent(registry_patience_s=60)
    started = time.time()
    row = node.service.open(node.order(container))
    time.sleep(4)
    container.reload()
    assert container.status == "running"
    assert row.operation.step is Step.REQUESTED
    node.registry.start()
    succeeded(node.service.wait(row))
    check(node, [row], container.id, started)


def test_a_registry_that_stays_away_fails_the_save(node: Node) -> None:
    container = node.notebook()
    node.registry.stop()
    node.start_agent(registry_patience_s=2)
    row = node.save(container, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert "The server runs on" in row.operation.reason
    container.reload()
    assert container.status == "running"
    node.registry.start()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login_fails_at_once(node: Node, proxy: FaultyProxy, status: int) -> None:
    """F03: visible, no loop."""
    proxy.rule = lambda method, path, count: Fault(status) if _is_upload(method) or method == "POST" else None
    container = node.notebook()
    shell(container, _NOISE)
    node.start_agent()
    row = node.save(container, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert "refuses our login" in row.operation.reason
    assert len(proxy.requests) < 30
    container.reload()
    assert container.status == "running"


def test_retry_after_is_honoured(node: Node, proxy: FaultyProxy) -> None:
    """F04: one 429 that asks for two seconds."""
    seen: list[float] = []

    def rule(method: str, path: str, count: int) -> Fault | None:
        if method != "POST":
            return None
        seen.append(time.monotonic())
        return Fault(429, {"Retry-After": "2"}) if len(seen) == 1 else None

    proxy.rule = rule
    container = node.notebook()
    shell(container, _NOISE)
    node.start_agent()
    succeeded(node.save(container).operation)
    assert seen[1] - seen[0] >= 2


def test_a_slow_registry_delays_only_the_push(node: Node, proxy: FaultyProxy) -> None:
    """F04: the freeze does not wait for the upload."""
    proxy.rule = lambda method, path, count: Fault(bytes_per_s=3_000_000) if _is_upload(method) else None
    container = node.notebook()
    shell(container, _NOISE)
    node.start_agent()
    row = node.save(container)
    succeeded(row.operation)
    assert row.recorded[-1][1].frozen_s < 2
    assert any(0 < report.progress.pushed_bytes < 8_000_000 for _, report in row.reports), "progress was shown"


def test_a_registry_too_slow_for_the_limit_fails_the_save(node: Node, proxy: FaultyProxy) -> None:
    proxy.rule = lambda method, path, count: Fault(bytes_per_s=10_000) if _is_upload(method) else None
    container = node.notebook()
    shell(container, _NOISE)
    node.start_agent(push_limit_s=2, registry_timeout_s=5)
    row = node.save(container)
    assert row.operation.step is Step.FAILED


@pytest.mark.parametrize("times", [1, 3])
def test_an_upload_that_breaks_off_goes_on(node: Node, proxy: FaultyProxy, times: int) -> None:
    """F02: a reset in the middle of a blob."""
    broken: list[str] = []

    def rule(method: str, path: str, count: int) -> Fault | None:
        if _is_upload(method) and len(broken) < times:
            broken.append(path)
            return Fault(break_after=2_000_000)
        return None

    proxy.rule = rule
    node.start_agent(registry_patience_s=30)
    container = node.notebook()
    shell(container, _NOISE)
    before = snapshot(container)
    row = node.save(container)
    succeeded(row.operation)
    assert len(broken) == times
    assert differences(before, snapshot(node.resume(row.recorded[-1][1]))) == []


def test_a_full_registry_fails_at_once_and_visibly(node: Node, proxy: FaultyProxy) -> None:
    """F07."""
    proxy.rule = lambda method, path, count: Fault(507, body="no space left on device") if _is_upload(method) else None
    container = node.notebook()
    shell(container, _NOISE)
    node.start_agent(registry_patience_s=60)
    started = time.monotonic()
    row = node.save(container, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert "full" in row.operation.reason
    assert time.monotonic() - started < 20
    container.reload()
    assert container.status == "running"


def test_a_blob_lost_on_the_way_is_pushed_again(node: Node, proxy: FaultyProxy) -> None:
    """F05: accepted, then not there when it is read back."""
    lost: list[str] = []

    def rule(method: str, path: str, count: int) -> Fault | None:
        if method == "GET" and "/u-" in path and "/blobs/sha256" in path and len(lost) < 1:
            lost.append(path)
            return Fault(404)
        return None

    proxy.rule = rule
    node.start_agent()
    container = node.notebook()
    shell(container, _NOISE)
    row = node.save(container)
    succeeded(row.operation)
    assert lost
    assert sum(1 for method, _ in proxy.requests if _is_upload(method)) >= 2


def test_a_manifest_lost_once_is_pushed_again(node: Node, proxy: FaultyProxy) -> None:
    """F05: the image's manifest is accepted, then not there when it is read back."""
    lost: list[str] = []

    def rule(method: str, path: str, count: int) -> Fault | None:
        if method == "GET" and "/u-" in path and "/manifests/sha256" in path and not lost:
            lost.append(path)
            return Fault(404)
        return None

    proxy.rule = rule
    node.start_agent()
    container = node.notebook()
    shell(container, _NOISE)
    succeeded(node.save(container).operation)
    assert lost
    puts = [path for method, path in proxy.requests if method == "PUT" and "/manifests/sha256" in path]
    assert len(puts) == 2


def test_a_registry_that_keeps_losing_a_blob_fails_the_save(node: Node, proxy: FaultyProxy) -> None:
    proxy.rule = lambda method, path, count: (
        Fault(404) if method == "GET" and "/u-" in path and "/blobs/sha256" in path else None
    )
    node.start_agent()
    container = node.notebook()
    shell(container, _NOISE)
    row = node.save(container, Kind.STOP)
    assert row.operation.step is Step.FAILED
    assert not row.recorded
    container.reload()
    assert container.status == "running"


def test_a_lost_layer_of_an_earlier_save_is_written_anew(node: Node) -> None:
    """F08: the next save notices and does not build on sand."""
    node.start_agent()
    container = node.notebook()
    shell(container, "echo one > /opt/one")
    first = node.saved(container)
    node.registry.stop()
    for digest in {layer.digest for layer in first.layers}:
        node.registry.lose(digest)
    node.registry.start()
    shell(container, "echo two > /opt/two")
    before = snapshot(container)
    second = node.saved(container)
    assert differences(before, snapshot(node.resume(second))) == []


def test_a_lost_layer_below_a_resumed_server_is_written_anew(node: Node) -> None:
    node.start_agent()
    container = node.notebook()
    shell(container, "echo one > /opt/one; rm /opt/app/base0")
    first = node.saved(container, Kind.STOP)
    resumed = node.resume(first)
    node.registry.stop()
    for digest in {layer.digest for layer in first.layers}:
        node.registry.lose(digest)
    node.registry.start()
    shell(resumed, "echo two > /opt/two")
    before = snapshot(resumed)
    second = node.saved(resumed, parent=first)
    node.client.containers.get(resumed.id).remove(force=True)
    node.client.api.remove_image(node.reference(first), force=True)
    assert differences(before, snapshot(node.resume(second))) == []
