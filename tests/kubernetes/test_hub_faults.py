"""What befalls a hub: it comes back among many running servers, ends during a stop, finds its API server slow or wrong.

F28, F30, F34, F35, F46. On the fake; whole hubs are in tests/spawner and tests/e2e.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubernate_core import names
from hubernate_core.errors import HubernateError
from hubernate_core.operation import Step
from hubernate_core.quota import Quota
from hubernate_spawner import lifecycle
from hubernate_spawner.kube_look import exit_code
from hubernate_spawner.kube_start import PodRunning, find
from hubernate_spawner.progress import Log
from support.fake_kube.faults import Fault
from support.kube_spawner import begin, connected
from support.kube_tenant import Tenancy, a_tenancy, bare_pod

MANY = 40


@pytest.fixture
def tenancy() -> Iterator[Tenancy]:
    with a_tenancy(Quota(servers=MANY + 10)) as made:
        yield made


def running(tenancy: Tenancy, count: int) -> list[PodRunning]:
    """Servers that run, as a hub's database names them after a restart."""
    found = []
    for _ in range(count):
        server, service = names.ServerId(names.new_id()), tenancy.service
        labels = {
            names.KUBE_INSTANCE: service.instance, names.KUBE_TENANT: service.tenant_id, names.KUBE_ROLE: "notebook",
            names.KUBE_SERVER: server, names.KUBE_GENERATION: "1",
        }  # fmt: skip
        name = names.server_pod(service.instance, server, 1)
        made = tenancy.kube.create(bare_pod(name, service.namespace, labels))
        found.append(PodRunning(server, 1, service.namespace, name, made["metadata"]["uid"]))
    for each in found:
        tenancy.kube.wait("pods", each.namespace, each.pod, lambda pod: pod and pod["status"]["phase"] == "Running", 60)
    return found


@pytest.mark.parametrize("how", ["errors", "stale"])
async def test_a_hub_that_comes_back_among_many_calls_none_of_them_stopped(
    tenancy: Tenancy, tmp_path: Path, how: str
) -> None:
    tenancy.gates.silent = True
    kube = tenancy.kube
    if how == "stale":  # the first list is of before they all started
        with kube.stale_lists("pods", always=True):
            servers = running(tenancy, MANY)
            await _none_is_stopped(tenancy, tmp_path, servers, reads=MANY)
        return
    servers = running(tenancy, MANY)
    if how == "errors":
        kube.faults.add(Fault(status=503), times=2, verb="list", resource="pods")
    await _none_is_stopped(tenancy, tmp_path, servers, reads=0)


async def _none_is_stopped(tenancy: Tenancy, folder: Path, servers: list[PodRunning], reads: int) -> None:
    tenancy.kube.calls.clear()
    async with connected(tenancy, folder) as ports:

        async def ended(server: PodRunning) -> int | None:
            try:
                return exit_code(await find(ports, server))
            except HubernateError:
                return None  # `poll` takes it for running

        assert set(await asyncio.gather(*map(ended, servers))) == {None}
        calls = tenancy.kube.calls
        assert calls.count(verb="list", resource="pods", status=200) <= 1, "one list, however many servers"
        assert calls.count(verb="get", resource="pods") <= reads
        assert calls.count(verb="delete") == 0


async def test_one_that_ended_meanwhile_is_found_among_them(tenancy: Tenancy, tmp_path: Path) -> None:
    """The test above could not tell otherwise."""
    tenancy.gates.silent = True
    servers = running(tenancy, 3)
    tenancy.kube.kubelet.oom_kill(servers[1].namespace, servers[1].pod, "notebook")
    tenancy.kube.wait("pods", servers[1].namespace, servers[1].pod, lambda pod: pod and exit_code(pod) == 137)
    async with connected(tenancy, tmp_path) as ports:
        assert [exit_code(await find(ports, each)) for each in servers] == [None, 137, None]


async def test_a_hub_that_ends_in_the_middle_of_a_stop_leaves_it_to_the_service(
    tenancy: Tenancy, tmp_path: Path
) -> None:
    """F28: the operation goes on; the hub that comes back joins it and says what becomes of it."""
    service = tenancy.service
    service.step_s = 0.5
    async with connected(tenancy, tmp_path) as ports:
        server = await begin(ports)
        tenancy.kube.calls.clear()
        stopping = asyncio.create_task(lifecycle.stop(ports.service, server, Log()))
        async with asyncio.timeout(30):
            while not service.called("stop"):  # noqa: ASYNC110 - another thread makes it true
                await asyncio.sleep(0.02)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
    assert tenancy.requests() == [] and len(service.pods()) == 1, "nothing was touched"
    (tmp_path / "again").mkdir()
    async with connected(tenancy, tmp_path / "again") as ports:
        told = Log()
        await lifecycle.stop(ports.service, server, told)
        assert any("Uploading" in each.message or "Saved" in each.message for each in told.events), told.events
    assert service.pods() == [] and Step.RELEASED in service.stop_steps


async def test_a_slow_api_server_delays_and_ends_nothing(tenancy: Tenancy, tmp_path: Path) -> None:
    """F34: 429 with Retry-After and answers that take seconds."""
    kube = tenancy.kube
    kube.faults.add(Fault(status=429, reason="TooManyRequests", retry_after_s=1), times=2, verb="create")
    kube.faults.add(Fault(delay_s=2), times=1, verb="create", resource="secrets")
    async with connected(tenancy, tmp_path) as ports:
        server = await asyncio.wait_for(begin(ports), 60)
        assert exit_code(await find(ports, server)) is None
    assert [each["metadata"]["uid"] for each in tenancy.service.pods()] == [server.uid]


async def test_a_device_that_is_gone_since_is_said_at_the_next_start(tenancy: Tenancy, tmp_path: Path) -> None:
    """F46: who runs goes on; who starts is told what is missing."""
    service, kube = tenancy.service, tenancy.kube
    for quota in kube.list("resourcequotas", service.namespace):
        kube.delete("resourcequotas", service.namespace, quota["metadata"]["name"])
    kube.kubelet.add_node("gpu-1", {}, allocatable={"nvidia.com/gpu": "1"})
    service.devices = {"nvidia.com/gpu": 1}
    async with connected(tenancy, tmp_path) as ports:
        server = await begin(ports)
        kube.status("nodes", "", "gpu-1", {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"}})
        assert exit_code(await find(ports, server)) is None
        await lifecycle.stop(ports.service, server, Log())
        told = Log()
        starting = asyncio.create_task(begin(ports, told))
        async with asyncio.timeout(30):
            while "no node offers nvidia.com/gpu" not in told.last:  # noqa: ASYNC110 - the cluster makes it true
                await asyncio.sleep(0.05)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
