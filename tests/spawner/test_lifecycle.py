"""Starts and stops on a real Docker Engine with stand-in containers and a scripted platform service."""

import asyncio
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import docker
import httpx
import pytest

from hubernate_core import names
from hubernate_core.errors import Conflict, HubernateError, NotFound, Unavailable
from hubernate_core.operation import Step
from hubernate_core.server import StartChoice
from hubernate_core.wire import StartRequest
from hubernate_spawner import lifecycle
from hubernate_spawner.client import GateProbe, ServiceClient
from hubernate_spawner.docker_start import Containers, DockerBackend, Ports, url_of
from hubernate_spawner.engine import Engine
from hubernate_spawner.plan import Facts, make_network
from hubernate_spawner.progress import Log
from hubernate_spawner.start import ImageMissing, Start
from support.fake_service import Installed
from support.queueing import check_position_was_told
from support.tickets import CANARY, hub_env, ticket

pytestmark = pytest.mark.docker
REQUEST = StartRequest(user="ada", server_name="", groups=("research",), choice=StartChoice())


@pytest.fixture
def ports(installed: Installed) -> Ports:
    service = ServiceClient(installed.service.url, str(installed.token_file))
    return Ports(service, Engine(), GateProbe(), Facts(installed.instance, installed.images.gate), "local")


@pytest.fixture
def engine() -> Iterator[Any]:
    yield docker.from_env()


async def begin(ports: Ports, env: dict[str, str], told: Log) -> Containers:
    return await Start(ports.service, DockerBackend(ports, env, told), REQUEST, told).run()


async def start(ports: Ports, told: Log | None = None) -> Containers:
    return await begin(ports, hub_env("ada", "/user/ada/"), told or Log())


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=10) as client:
        return await client.get(url)


async def test_a_start_makes_a_gate_that_answers_for_its_notebook(
    installed: Installed, ports: Ports, engine: Any
) -> None:
    told = Log()
    running = await start(ports, told)
    assert installed.containers() == [
        f"{installed.instance}-{running.server_id}-g1",
        f"{installed.instance}-{running.server_id}-g1-gate",
    ]
    url = await url_of(ports.engine, running)
    assert (await get(f"{url}/user/ada/api")).status_code == 200
    assert [verb for verb, _ in installed.service.calls] == ["start", "started", "ready"]
    assert installed.service.called("started")[0]["container_id"] == running.notebook
    assert [event.percent for event in told.events] == sorted(event.percent for event in told.events)
    notebook = engine.containers.get(running.notebook).attrs
    everything = json.dumps(notebook) + json.dumps(engine.containers.get(running.gate).attrs)
    for secret in (CANARY, installed.service.relay_token, installed.service.token, "JUPYTERHUB"):
        assert secret not in everything
    assert notebook["HostConfig"]["CapDrop"] == ["ALL"]
    assert not notebook["HostConfig"]["Privileged"]
    assert notebook["HostConfig"]["SecurityOpt"] == ["no-new-privileges"]
    assert notebook["HostConfig"]["Memory"] == 64 * 1024**2
    (mount,) = notebook["Mounts"]
    assert (mount["Type"], mount["Destination"]) == ("volume", "/home/jovyan")


async def test_a_start_tells_its_position_while_it_waits(installed: Installed, ports: Ports) -> None:
    service = installed.service
    service.queue = [2, 2, 1]
    told = Log()
    await start(ports, told)
    check_position_was_told(service, told, (2, 1))


async def test_a_start_that_takes_too_long_ends_with_what_it_waited_for(installed: Installed, ports: Ports) -> None:
    installed.service.image = installed.images.silent
    with pytest.raises(Unavailable, match=r"did not answer within 0 minutes\. Last: Waiting for JupyterLab to answer"):
        await start(replace(ports, patience_s=3))
    assert installed.containers() == []
    assert len(installed.service.called("abandoned")) == 1


async def test_the_gates_file_is_for_the_gate_alone(ports: Ports, engine: Any) -> None:
    running = await start(ports)
    stream, _ = engine.containers.get(running.gate).get_archive("/etc/hubernate/gate.json")
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        entry = tar.getmember("gate.json")
        content = tar.extractfile(entry)
        assert content is not None
        assert json.load(content)["hub_token"] == CANARY
    assert (entry.mode & 0o777, entry.uid, entry.gid) == (0o400, 65532, 65532)
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(running.notebook).get_archive("/etc/hubernate/gate.json")


async def test_a_stop_waits_for_the_save_and_tells_its_sizes(installed: Installed, ports: Ports) -> None:
    running, told = await start(ports), Log()
    await lifecycle.stop(ports.service, running, told)
    assert installed.containers() == []
    messages = [event.message for event in told.events]
    assert "Uploading 130 MB of 212 MB" in messages
    assert "Saved and verified: 212 MB of changes" in messages
    assert messages[-1] == "Stopped"


async def test_a_failed_save_leaves_the_server_running_and_says_why(installed: Installed, ports: Ports) -> None:
    running = await start(ports)
    installed.service.stop_steps = (Step.CAPTURED, Step.FAILED)
    installed.service.reason = "the registry is full"
    with pytest.raises(Unavailable, match="runs on: the registry is full"):
        await lifecycle.stop(ports.service, running, Log())
    assert len(installed.containers()) == 2


async def test_a_cancelled_stop_touches_nothing(installed: Installed, ports: Ports) -> None:
    running = await start(ports)
    installed.service.stop_steps = (Step.CAPTURED,)  # and then it takes for ever
    stopping = asyncio.create_task(lifecycle.stop(ports.service, running, Log()))
    await asyncio.sleep(0.5)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert len(installed.containers()) == 2
    assert (await ports.engine.state(running.notebook)).running


async def test_a_stop_outlasts_a_restart_of_the_platform_service(installed: Installed, ports: Ports) -> None:
    running, told = await start(ports), Log()
    installed.service.down = True
    stopping = asyncio.create_task(lifecycle.stop(ports.service, running, told))
    await asyncio.sleep(1)
    assert not stopping.done()
    assert "Waiting for the platform service" in told.last
    installed.service.down = False
    await asyncio.wait_for(stopping, 20)
    assert installed.containers() == []


async def test_a_notebook_that_ends_fails_the_start_with_its_words(installed: Installed, ports: Ports) -> None:
    installed.service.image = installed.images.broken
    with pytest.raises(Unavailable, match=r"ended with code 7.*No module named 'jupyterlab'"):
        await start(ports)
    assert installed.containers() == []
    (told,) = installed.service.called("abandoned")
    assert told["generation"] == 1
    assert not told["image_missing"]
    assert installed.service.called("stop") == []


async def test_a_start_that_takes_too_long_is_abandoned_and_leaves_nothing(installed: Installed, ports: Ports) -> None:
    installed.service.image = installed.images.silent
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(start(ports), 3)
    assert installed.containers() == []
    assert len(installed.service.called("abandoned")) == 1
    assert installed.service.called("stop") == [], "a start that failed is never saved"


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
async def test_a_start_cancelled_at_any_moment_leaves_no_container(
    installed: Installed, ports: Ports, after_s: float
) -> None:
    installed.service.image = installed.images.silent
    starting = asyncio.create_task(start(ports))
    await asyncio.sleep(after_s)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert installed.containers() == []


async def test_a_missing_image_is_a_choice_and_never_an_empty_start(installed: Installed, ports: Ports) -> None:
    installed.service.image = f"{installed.images.registry}/t-taaaaaaaa1/u-oaaaaaaaa1@sha256:{'0' * 64}"
    with pytest.raises(ImageMissing, match="not in the registry any more"):
        await start(ports)
    assert installed.containers() == []
    (told,) = installed.service.called("abandoned")
    assert told["image_missing"]


async def test_a_registry_that_is_away_is_not_a_missing_image(installed: Installed, ports: Ports) -> None:
    installed.service.image = f"127.0.0.1:9/gone@sha256:{'0' * 64}"
    with pytest.raises(Unavailable, match="could not pull"):
        await start(ports)
    assert not installed.service.called("abandoned")[0]["image_missing"]


async def test_an_image_that_is_not_here_is_pulled(installed: Installed, ports: Ports, engine: Any) -> None:
    tag = installed.images.silent  # any of ours; taken away from the engine, still in the registry
    engine.images.remove(tag, force=True)
    events = [event async for event in ports.engine.pull(tag)]
    assert any(event.get("status") == "Pull complete" or "Downloaded" in event.get("status", "") for event in events)
    assert await ports.engine.has_image(tag)


async def test_a_running_server_is_adopted_and_its_gate_told_the_new_token(installed: Installed, ports: Ports) -> None:
    first = await start(ports)
    installed.service.adopt = first.notebook
    env = hub_env("ada", "/user/ada/", JUPYTERHUB_API_TOKEN="a-new-token")
    again = await begin(ports, env, Log())
    assert again == first
    assert len(installed.containers()) == 2
    answer = await get(f"{await url_of(ports.engine, again)}/user/ada/api")
    assert answer.headers["X-Hups"] == "1"
    stream, _ = docker.from_env().containers.get(again.gate).get_archive("/etc/hubernate/gate.json")
    assert b"a-new-token" in b"".join(stream)
    assert installed.service.called("abandoned") == []


async def test_an_adopted_server_is_never_removed_when_the_start_fails(installed: Installed, ports: Ports) -> None:
    first = await start(ports)
    installed.service.adopt = first.notebook
    starting = asyncio.create_task(begin(ports, hub_env("ada", "/user/other/"), Log()))
    await asyncio.sleep(0.1)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert len(installed.containers()) == 2
    assert installed.service.called("abandoned") == []


async def test_a_server_whose_gate_died_is_saved_then_resumed(installed: Installed, ports: Ports, engine: Any) -> None:
    first = await start(ports)
    engine.containers.get(first.gate).kill()
    installed.service.adopt = first.notebook
    second = await start(ports)
    assert second.generation == 2
    assert len(installed.service.called("stop")) == 1, "the old one was saved before it went"
    assert installed.containers() == [f"{installed.instance}-{second.server_id}-g2" + end for end in ("", "-gate")]


async def test_a_foreign_container_is_never_adopted(installed: Installed, ports: Ports, engine: Any) -> None:
    foreign = engine.containers.run(installed.images.silent, detach=True, labels={names.INSTANCE_LABEL: "other"})
    try:
        installed.service.adopt = foreign.id
        with pytest.raises(HubernateError, match="not this server's"):
            await start(ports)
        foreign.reload()
        assert foreign.status == "running"
    finally:
        foreign.remove(force=True)


async def test_a_start_waits_for_an_open_save_and_tells_how_far_it_is(installed: Installed, ports: Ports) -> None:
    steps = (Step.CAPTURED, Step.VERIFIED, Step.RECORDED, Step.RELEASED)
    installed.service.wait_for = installed.service.open_operation(steps).id
    told = Log()
    running = await start(ports, told)
    messages = [event.message for event in told.events]
    assert "Waiting for the previous session: Uploading 130 MB of 212 MB" in messages
    assert len(installed.service.called("start")) == 2
    assert running.generation == 1


async def test_a_refusal_of_the_platform_is_told_as_it_is(installed: Installed, ports: Ports) -> None:
    installed.service._start = lambda body: (403, {"message": "no team allows profile 'gpu'"})  # type: ignore[method-assign]
    with pytest.raises(HubernateError, match="no team allows profile 'gpu'"):
        await start(ports)
    assert installed.containers() == []


async def test_a_name_that_is_taken_is_not_taken_over(installed: Installed, ports: Ports, engine: Any) -> None:
    name = names.notebook_container(installed.instance, names.ServerId(installed.service.server_id), 1)
    other = engine.containers.create(installed.images.silent, name=name)
    try:
        with pytest.raises(Conflict):
            await start(ports)
        other.reload()
        assert other.name == name
        assert installed.containers() == []
    finally:
        other.remove(force=True)


async def test_a_network_that_is_not_ours_is_left_alone(installed: Installed, ports: Ports, engine: Any) -> None:
    tenant = names.TenantId(installed.service.tenant_id)
    foreign = engine.networks.create(names.tenant_network(installed.instance, tenant), driver="bridge")
    try:
        with pytest.raises(Conflict, match="left alone"):
            await start(ports)
        assert installed.containers() == []
        foreign.reload()
    finally:
        foreign.remove()


async def test_a_volume_that_is_not_ours_is_left_alone(installed: Installed, ports: Ports, engine: Any) -> None:
    name = names.home_volume(installed.instance, names.OwnerId(installed.service.owner_id))
    foreign = engine.volumes.create(name)
    try:
        with pytest.raises(Conflict, match="left alone"):
            await start(ports)
        assert installed.containers() == []
    finally:
        foreign.remove()


async def test_many_starts_of_one_tenant_make_one_network(installed: Installed, engine: Any) -> None:
    own = Engine()
    spec = make_network(ticket(tenant_id=installed.service.tenant_id), Facts(installed.instance, "gate"))
    await asyncio.gather(*(own.ensure_network(spec) for _ in range(8)))
    found = [each for each in engine.networks.list(names=[spec.name]) if each.name == spec.name]
    assert len(found) == 1
    assert found[0].attrs["Options"]["com.docker.network.bridge.enable_icc"] == "false"


async def test_an_engine_that_does_not_answer_is_said_so() -> None:
    with pytest.raises(Unavailable, match="Docker Engine did not answer"):
        await Engine("unix:///nonexistent.sock").has_image("x")


async def test_a_token_that_was_renewed_is_read_again(installed: Installed, ports: Ports) -> None:
    with pytest.raises(NotFound):
        await ports.engine.state("nothing")
    assert (await ports.service.start_options("ada", "", ["research"])).tenants
    installed.service.token = "renewed"
    installed.token_file.write_text("renewed")
    assert (await ports.service.start_options("ada", "", ["research"])).tenants
    installed.token_file.write_text("wrong")
    installed.service.token = "renewed-again"
    with pytest.raises(HubernateError, match="does not know the spawner's token"):
        await ports.service.start_options("ada", "", [])


async def test_a_proxy_of_the_machine_is_no_way_to_the_platform(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `hubernate up` is run behind a proxy, the hub inherits its variables."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    client = ServiceClient(installed.service.url, str(installed.token_file))
    assert (await client.start_options("ada", "", ["research"])).tenants


def test_running_survives_the_hubs_database() -> None:
    running = Containers(names.ServerId("saaaaaaaa1"), 3, "n", "g", "net")
    assert Containers.from_state(json.loads(json.dumps(running.to_state() | {"progress": "x"}))) == running
    assert Containers.from_state({}) is None
    assert Containers.from_state({"object_id": "of another spawner"}) is None
