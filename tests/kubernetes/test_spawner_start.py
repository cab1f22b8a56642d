"""Starts on the fake API server, with the hub's own rights: what is asked, what is made, what is left, what is told."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hubernate_core import names
from hubernate_core.errors import Broken, Conflict, HubernateError, Unavailable
from hubernate_core.manifests.confined import excesses
from hubernate_core.manifests.restricted import violations
from hubernate_core.operation import Step
from hubernate_core.quantity import parse_bytes
from hubernate_core.quota import Quota
from hubernate_core.server import StartChoice
from hubernate_core.wire import StartRequest
from hubernate_spawner import kube_wait, lifecycle
from hubernate_spawner.kube_errors import QuotaRefused
from hubernate_spawner.kube_look import exit_code
from hubernate_spawner.kube_start import KubeBackend, KubePorts, PodRunning, find
from hubernate_spawner.progress import Log
from hubernate_spawner.start import ImageMissing, Start
from hubernate_spawner.turns import AT_ONCE
from support.fake_kube.faults import Fault
from support.fake_kube.runtime import Behaviour
from support.kube_spawner import begin, connected
from support.kube_tenant import GATE_IMAGE, IMAGE, Tenancy, a_tenancy, bare_pod
from support.queueing import check_position_was_told
from support.tickets import CANARY, hub_env


@pytest.fixture
def tenancy() -> Iterator[Tenancy]:
    with a_tenancy() as made:
        yield made


@pytest.fixture
async def ports(tenancy: Tenancy, tmp_path: Path) -> AsyncIterator[KubePorts]:
    async with connected(tenancy, tmp_path) as made:
        yield made


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - another thread makes it true
            await asyncio.sleep(0.02)


def gate_file(tenancy: Tenancy, running: PodRunning) -> dict[str, Any]:
    secret = tenancy.kube.get("secrets", running.namespace, running.pod)
    assert secret is not None
    content: dict[str, Any] = json.loads(base64.b64decode(secret["data"]["gate.json"]))
    return content


async def test_a_start_tells_its_position_while_it_waits(tenancy: Tenancy, ports: KubePorts) -> None:
    service = tenancy.service
    service.queue = [2, 2, 1]
    told = Log()
    await begin(ports, told)
    check_position_was_told(service, told, (2, 1))


async def test_a_first_start_and_a_later_one(tenancy: Tenancy, ports: KubePorts) -> None:
    told = Log()
    tenancy.gates.starting = True
    starting = asyncio.create_task(begin(ports, told))
    await until(lambda: "A node was found" in [event.message for event in told.events])
    tenancy.gates.starting = False
    running = await starting
    service, kube = tenancy.service, tenancy.kube
    assert (running.namespace, running.pod) == (service.namespace, service.pod)
    assert [verb for verb, _ in service.calls] == ["start", "started", "started", "ready"]
    first, second = service.called("started")
    assert (first["node"], first["container_id"], first["gate_container_id"]) == ("", running.uid, "")
    assert second["node"] in ("node-1", "node-2")
    assert [event.percent for event in told.events] == sorted(event.percent for event in told.events)
    messages = [event.message for event in told.events]
    assert messages[-1] == "Ready"
    assert sorted(tenancy.requests()) == sorted(["create persistentvolumeclaims", "create pods", "create secrets"])
    await lifecycle.stop(ports.service, running, Log())
    assert service.pods() == []
    kube.calls.clear()
    later = await begin(ports)
    assert later.generation == 2
    assert sorted(tenancy.requests()) == ["create pods", "create secrets"], "a later start makes two requests"
    assert (kube.calls.count(verb="list", resource="pods"), kube.calls.count(verb="list", resource="events")) == (0, 0)


async def test_a_hub_that_just_started_asks_for_the_home_once(
    tenancy: Tenancy, ports: KubePorts, tmp_path: Path
) -> None:
    await lifecycle.stop(ports.service, await begin(ports), Log())
    tenancy.kube.calls.clear()
    async with connected(tenancy, tmp_path) as fresh:
        await begin(fresh)
    assert sorted(tenancy.requests()) == ["create pods", "create secrets", "get persistentvolumeclaims"]


async def test_a_first_start_uses_the_home_that_is_there_also_where_there_is_room_for_no_other(
    tenancy: Tenancy, tmp_path: Path
) -> None:
    async with connected(tenancy, tmp_path) as ports:
        await lifecycle.stop(ports.service, await begin(ports), Log())
    service = tenancy.service
    (home,) = tenancy.kube.list("persistentvolumeclaims", service.namespace)
    full = {"metadata": {"name": "full"}, "spec": {"hard": {"persistentvolumeclaims": "1"}}}
    tenancy.kube.create({"apiVersion": "v1", "kind": "ResourceQuota", **full}, service.namespace)
    service.server_id, service.generation = names.new_id(), 0  # another server of the same person
    async with connected(tenancy, tmp_path) as ports:
        await begin(ports)
        assert [each["metadata"]["uid"] for each in tenancy.kube.list("persistentvolumeclaims", service.namespace)] == [
            home["metadata"]["uid"]
        ]
        service.owner_id, service.server_id, service.generation = names.new_id(), names.new_id(), 0
        with pytest.raises(QuotaRefused, match="homes: 1 of 1 in use"):
            await begin(ports)


async def test_a_team_that_starts_many_at_once_keeps_nobody_else_waiting(tenancy: Tenancy, ports: KubePorts) -> None:
    other = tenancy.service.join("linus")
    other.place(other_tenant := names.TenantId(names.new_id()))
    tenancy.add_tenant(other_tenant)
    told = Log()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(AT_ONCE):
            await stack.enter_async_context(ports.turns.take(tenancy.service.namespace, Log()))
        waiting = asyncio.create_task(begin(ports, told))
        await until(lambda: "yours is in line" in told.last)
        request = StartRequest(user="linus", server_name="", groups=("physics",), choice=StartChoice())
        backend = KubeBackend(ports, hub_env("linus", "/user/linus/"), Log())
        await asyncio.wait_for(Start(ports.service, backend, request, Log()).run(), 30)
        assert tenancy.service.pods() == []
    assert (await waiting).generation == 1


async def test_only_the_secret_holds_the_hub_token_and_it_goes_with_the_pod(tenancy: Tenancy, ports: KubePorts) -> None:
    running = await begin(ports)
    pod = tenancy.kube.get("pods", running.namespace, running.pod)
    assert pod is not None
    for secret in (CANARY, tenancy.service.relay_token, tenancy.service.token, "JUPYTERHUB"):
        assert secret not in json.dumps(pod)
    del pod["spec"]["nodeName"]  # the scheduler's
    assert violations(pod) == [] and excesses(pod) == []
    assert pod["spec"]["restartPolicy"] == "Never"
    assert gate_file(tenancy, running)["hub_token"] == CANARY
    secret = tenancy.kube.get("secrets", running.namespace, running.pod)
    assert secret is not None
    assert [each["uid"] for each in secret["metadata"]["ownerReferences"]] == [running.uid]
    everywhere = json.dumps(tenancy.kube.list("events"))
    assert CANARY not in everywhere


async def test_a_start_waits_for_an_open_save(tenancy: Tenancy, ports: KubePorts) -> None:
    steps = (Step.CAPTURED, Step.VERIFIED, Step.RECORDED, Step.RELEASED)
    tenancy.service.wait_for = tenancy.service.open_operation(steps).id
    told = Log()
    assert (await begin(ports, told)).generation == 1
    assert any(event.message.startswith("Waiting for the previous session: Uploading") for event in told.events)


async def test_a_running_pod_is_adopted_and_told_the_new_token(tenancy: Tenancy, ports: KubePorts) -> None:
    first = await begin(ports)
    tenancy.service.adopt, tenancy.gates.renewed_after = first.uid, 2
    tenancy.kube.calls.clear()
    again = await begin(ports, JUPYTERHUB_API_TOKEN="a-new-token")
    assert again == first
    assert gate_file(tenancy, again)["hub_token"] == "a-new-token"
    assert len(tenancy.service.pods()) == 1
    assert "delete pods" not in tenancy.requests()
    assert tenancy.service.called("abandoned") == []


async def test_an_adopted_pod_is_never_removed_when_the_start_ends(tenancy: Tenancy, ports: KubePorts) -> None:
    first = await begin(ports)
    tenancy.service.adopt, tenancy.gates.renewed_after = first.uid, 10_000
    starting = asyncio.create_task(begin(ports, JUPYTERHUB_API_TOKEN="a-new-token"))
    await asyncio.sleep(1)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert "deletionTimestamp" not in tenancy.service.pods()[0]["metadata"]
    assert tenancy.service.called("abandoned") == []


async def test_a_pod_that_ended_is_saved_and_then_resumed(tenancy: Tenancy, ports: KubePorts) -> None:
    first = await begin(ports)
    tenancy.kube.kubelet.oom_kill(first.namespace, first.pod, "notebook")
    tenancy.kube.wait("pods", first.namespace, first.pod, until=lambda pod: pod and exit_code(pod) == 137)
    tenancy.service.adopt = first.uid
    second = await begin(ports)
    assert second.generation == 2
    assert len(tenancy.service.called("stop")) == 1


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.1, 0.3, 1.0])
async def test_a_start_cancelled_at_any_moment_leaves_nothing(
    tenancy: Tenancy, ports: KubePorts, after_s: float
) -> None:
    tenancy.gates.silent = True
    starting = asyncio.create_task(begin(ports))
    await asyncio.sleep(after_s)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert tenancy.service.pods() == []
    assert tenancy.kube.list("secrets", tenancy.service.namespace) == []
    starts, abandoned = (len(tenancy.service.called(word)) for word in ("start", "abandoned"))
    # A ticket that was under way is the service's to give up: it saw no pod of that start.
    assert abandoned == starts or (abandoned == 0 and tenancy.requests() == [])
    assert tenancy.service.called("stop") == []


async def test_an_abandoned_start_does_not_wait_for_a_save_that_nobody_makes(
    tenancy: Tenancy, ports: KubePorts
) -> None:
    tenancy.gates.silent = True
    tenancy.kube.kubelet.runtime.hold = lambda pod: True
    starting = asyncio.create_task(begin(ports))
    await until(lambda: [pod for pod in tenancy.service.pods() if pod["status"].get("phase") == "Running"])
    starting.cancel()
    async with asyncio.timeout(15):
        with pytest.raises(asyncio.CancelledError):
            await starting
    assert tenancy.service.pods() == []


async def test_a_lost_answer_to_the_pods_request_makes_no_second_pod(tenancy: Tenancy, ports: KubePorts) -> None:
    tenancy.kube.faults.add(Fault(lose_answer=True), times=1, verb="create", resource="pods")
    running = await begin(ports)
    assert [pod["metadata"]["uid"] for pod in tenancy.service.pods()] == [running.uid]
    assert "delete pods" not in tenancy.requests()


async def test_a_pod_of_an_older_attempt_is_used_and_never_deleted(tenancy: Tenancy, ports: KubePorts) -> None:
    first = await begin(ports)
    tenancy.service.generation = 0  # the service lost its memory of the first attempt
    again = await begin(ports)
    assert again.uid == first.uid
    tenancy.service.generation = 0
    tenancy.gates.close()  # nothing answers: the attempt fails
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(begin(ports), 1.5)
    assert [pod["metadata"]["uid"] for pod in tenancy.service.pods()] == [first.uid]
    assert "delete pods" not in tenancy.requests()
    assert tenancy.service.called("abandoned") == []


async def test_a_foreign_pod_of_that_name_is_left_alone(tenancy: Tenancy, ports: KubePorts) -> None:
    service = tenancy.service
    name = names.server_pod(service.instance, names.ServerId(service.server_id), 1)
    pod = bare_pod(name, service.namespace, {})
    made = tenancy.kube.create(pod)
    with pytest.raises(Broken, match="not this server's"):
        await begin(ports)
    now = tenancy.kube.get("pods", service.namespace, name)
    assert now is not None and now["metadata"]["uid"] == made["metadata"]["uid"]
    assert "deletionTimestamp" not in now["metadata"]


async def test_a_foreign_claim_is_left_alone(tenancy: Tenancy, ports: KubePorts) -> None:
    service = tenancy.service
    tenancy.kube.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": names.home_claim(service.instance, names.OwnerId(service.owner_id)),
                "namespace": service.namespace,
            },
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    )
    with pytest.raises(Conflict, match="left alone"):
        await begin(ports)
    assert service.pods() == []


async def test_a_home_grows_with_the_teams_setting(tenancy: Tenancy, ports: KubePorts) -> None:
    await lifecycle.stop(ports.service, await begin(ports), Log())
    assert tenancy.service.placement is not None
    tenancy.service.placement = tenancy.service.placement.model_copy(update={"home_size": 2 * 1024**3})
    await begin(ports)
    (claim,) = tenancy.kube.list("persistentvolumeclaims", tenancy.service.namespace)
    assert parse_bytes(claim["spec"]["resources"]["requests"]["storage"]) == 2 * 1024**3


async def test_a_home_that_cannot_grow_is_used_as_it_is_and_that_is_said(tenancy: Tenancy, ports: KubePorts) -> None:
    await lifecycle.stop(ports.service, await begin(ports), Log())
    tenancy.kube.delete("storageclasses", "", "standard", group="storage.k8s.io")
    assert tenancy.service.placement is not None
    tenancy.service.placement = tenancy.service.placement.model_copy(update={"home_size": 2 * 1024**3})
    told = Log()
    assert (await begin(ports, told)).generation == 2
    assert any("could not be enlarged" in event.message for event in told.events)


async def test_a_missing_image_is_a_choice(tenancy: Tenancy, ports: KubePorts) -> None:
    tenancy.kube.kubelet.runtime.missing_images.add(IMAGE)
    with pytest.raises(ImageMissing, match="not in the registry any more"):
        await begin(ports)
    assert tenancy.service.pods() == []
    (told,) = tenancy.service.called("abandoned")
    assert told["image_missing"]


async def test_a_missing_gate_is_not_a_missing_checkpoint(tenancy: Tenancy, ports: KubePorts) -> None:
    tenancy.kube.kubelet.runtime.missing_images.add(GATE_IMAGE)
    with pytest.raises(Unavailable, match="the gate's image cannot be had"):
        await begin(ports)
    assert not tenancy.service.called("abandoned")[0]["image_missing"]


async def test_a_notebook_that_ends_fails_the_start_with_its_words(tenancy: Tenancy, ports: KubePorts) -> None:
    tenancy.kube.kubelet.runtime.behaviour = lambda pod, container: (
        Behaviour(runs_s=0.05, exit_code=7, logs="No module named 'jupyterlab'")
        if container["name"] == "notebook"
        else Behaviour()
    )
    with pytest.raises(Unavailable, match="ended with code 7"):
        await begin(ports)
    assert tenancy.service.pods() == []


async def test_a_quota_refusal_says_what_is_used_by_whom_and_the_limit(tmp_path: Path) -> None:
    # Gates come on top of a team's own: 0.7 cores and two gates of half a core each.
    with a_tenancy(Quota(cpu="0.7", servers=2)) as tenancy:  # type: ignore[arg-type]
        async with connected(tenancy, tmp_path) as ports:
            await begin(ports)
            other, told = tenancy.service.join("linus"), Log()
            second = StartRequest(user="linus", server_name="", groups=("research",), choice=StartChoice())
            backend = KubeBackend(ports, hub_env("linus", "/user/linus/"), told)
            with pytest.raises(QuotaRefused) as refused:
                await Start(ports.service, backend, second, told).run()
            said = refused.value.message
            assert "CPU cores: 1 of 1700m in use, 1 more wanted" in said
            assert "Running now: ada (1)" in said
            assert len(other.called("abandoned")) == 1
            assert other.pods() == []


async def test_no_node_offers_the_device_and_the_start_says_so(
    tenancy: Tenancy, ports: KubePorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenancy.service.devices = {"nvidia.com/gpu": 1}
    tenancy.kube.get("resourcequotas", tenancy.service.namespace, "")
    for quota in tenancy.kube.list("resourcequotas", tenancy.service.namespace):
        tenancy.kube.delete("resourcequotas", tenancy.service.namespace, quota["metadata"]["name"])
    told = Log()
    with pytest.raises(Unavailable, match=r"no node offers nvidia.com/gpu"):
        await begin(replace(ports, patience_s=2), told)
    assert "Waiting for a free node: no node offers nvidia.com/gpu" in [event.message for event in told.events]
    tenancy.kube.kubelet.add_node("gpu-1", {}, allocatable={"nvidia.com/gpu": "1"})
    assert (await begin(ports)).generation == 2


async def test_a_pod_in_a_queue_is_not_timed_out(tenancy: Tenancy, ports: KubePorts) -> None:
    def gate(op: str, resource: Any, pod: Any, old: Any) -> None:
        if op == "CREATE" and resource.plural == "pods":
            pod["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]

    tenancy.kube.writer.extra_admission.append(gate)
    told = Log()
    starting = asyncio.create_task(begin(replace(ports, patience_s=1), told))
    await asyncio.sleep(3)
    assert not starting.done(), starting
    assert "Waiting in the cluster's queue" in told.last
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert tenancy.service.pods() == []


async def test_the_api_server_being_away_delays_a_start(tenancy: Tenancy, ports: KubePorts) -> None:
    await lifecycle.stop(ports.service, await begin(ports), Log())
    tenancy.kube.down()
    told = Log()
    starting = asyncio.create_task(begin(ports, told))
    await asyncio.sleep(2)
    assert not starting.done()
    assert "Waiting for the Kubernetes API" in told.last
    tenancy.kube.up()
    assert (await asyncio.wait_for(starting, 30)).generation == 2


async def test_an_api_server_that_is_away_ends_no_server(tenancy: Tenancy, ports: KubePorts) -> None:
    running = await begin(ports)
    tenancy.kube.down()
    assert exit_code(await find(ports, running)) is None
    tenancy.kube.up()
    for uid in list(ports.pods.items):  # a list that missed it
        del ports.pods.items[uid]
    assert exit_code(await find(ports, running)) is None, "asked again before it is called gone"


async def test_watches_go_on_without_listing_again(tenancy: Tenancy, ports: KubePorts) -> None:
    running = await begin(ports)
    assert (tenancy.kube.watches.count("pods"), tenancy.kube.watches.count("events")) == (1, 1)
    tenancy.kube.cut_watches("pods")
    tenancy.kube.cut_watches("pods", abrupt=True)
    await asyncio.sleep(1.5)
    assert ports.pods.lists == 1, "it goes on from where it was"
    tenancy.kube.compact()
    tenancy.kube.cut_watches("pods")
    tenancy.kube.delete("pods", running.namespace, running.pod, grace_s=0)
    await until(lambda: running.uid not in ports.pods.items)
    assert ports.pods.lists <= 2


async def test_a_tenant_move_changes_the_namespace(tenancy: Tenancy, ports: KubePorts) -> None:
    first = await begin(ports)
    await lifecycle.stop(ports.service, first, Log())
    tenancy.add_tenant("tbbbbbbbb2")
    tenancy.service.place("tbbbbbbbb2")
    second = await begin(ports)
    assert second.namespace == f"{tenancy.service.instance}-t-tbbbbbbbb2" != first.namespace


async def test_a_ticket_with_a_foreign_namespace_is_refused(tenancy: Tenancy, ports: KubePorts) -> None:
    assert tenancy.service.placement is not None
    tenancy.service.placement = tenancy.service.placement.model_copy(update={"namespace": "kube-system"})
    with pytest.raises(Broken, match="kube-system"):
        await begin(ports)
    assert tenancy.requests() == []


async def test_a_stop_waits_and_deletes_nothing_itself(tenancy: Tenancy, ports: KubePorts) -> None:
    running = await begin(ports)
    tenancy.kube.calls.clear()
    tenancy.service.stop_steps, tenancy.service.reason = (Step.CAPTURED, Step.FAILED), "the registry is full"
    with pytest.raises(HubernateError, match="runs on: the registry is full"):
        await lifecycle.stop(ports.service, running, Log())
    assert tenancy.requests() == []
    assert len(tenancy.service.pods()) == 1


async def test_a_pod_that_somebody_deletes_while_it_starts_fails_the_start(tenancy: Tenancy, ports: KubePorts) -> None:
    tenancy.gates.silent = True
    starting = asyncio.create_task(begin(ports))
    await until(tenancy.service.pods)
    await asyncio.sleep(0.3)
    tenancy.kube.delete("pods", tenancy.service.namespace, tenancy.service.pod)
    with pytest.raises(Unavailable, match="deleted"):
        await starting
    assert len(tenancy.service.called("abandoned")) == 1


async def test_a_registry_in_trouble_is_given_time_and_then_said(
    tenancy: Tenancy, ports: KubePorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_wait, "_TROUBLE_S", 1.0)

    async def away(pod: Any, container: Any) -> None:
        from support.fake_kube.runtime import ImageMissing as CannotPull

        raise CannotPull("dial tcp: i/o timeout")

    monkeypatch.setattr(tenancy.kube.kubelet.runtime, "pull", away)
    with pytest.raises(Unavailable, match="i/o timeout"):
        await begin(ports)
    assert not tenancy.service.called("abandoned")[0]["image_missing"]
