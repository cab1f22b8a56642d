"""The service is killed around every step; the agent repeats itself; the checkpoint is recorded exactly once."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from hubernate_core.operation import Step
from hubernate_core.wire import Order
from support.fake_hub import FakeHub
from support.platform_service import Running, ScriptedAgent, eventually, running, saved, write_state

SCRIPT = textwrap.dedent(
    """
    import os, signal, sys
    from hubernate_hub.app import serve
    from hubernate_hub.config import HubernateService
    folder, port, point = sys.argv[1], int(sys.argv[2]), sys.argv[3]

    def on_step(at):
        if at == point:
            os.kill(os.getpid(), signal.SIGKILL)

    serve(HubernateService(state_dir=folder, port=port, hub_api_url="http://127.0.0.1:9/hub/api"), on_step=on_step)
    """
)


@contextmanager
def process(folder: Path, port: int, point: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """The service as a process of its own that kills itself at `point`."""
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), str(port), point], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/services/hubernate/health", timeout=2, trust_env=False)
                    break
                except httpx.HTTPError:
                    time.sleep(0.05)
            else:
                raise AssertionError((folder / "log").read_text())
            yield child
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait(10)


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Running]:
    write_state(tmp_path)
    with uvicorn.Config(lambda: None, port=0).bind_socket() as listener:
        port = listener.getsockname()[1]
    return tmp_path, Running(f"http://127.0.0.1:{port}", tmp_path, FakeHub())


def tell(agent: ScriptedAgent, order: Order, step: Step, **fields: object) -> str | None:
    """A report that may find nobody: the directive, or None."""
    try:
        return agent.say(order, step, **fields)
    except httpx.HTTPError:
        return None


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["captured", "verified", "released"])
def test_killed_around_a_step_it_is_recorded_once(place: tuple[Path, Running], step: str, when: str) -> None:
    folder, service = place
    port = int(service.url.rpartition(":")[2])
    image = saved()
    said = {Step.VERIFIED: {"saved": image}}
    walk = (Step.QUIESCED, Step.CAPTURED, Step.THAWED, Step.PUSHED, Step.VERIFIED, Step.RELEASED)
    with process(folder, port, f"{step}:{when}") as child:
        server = service.start("ada")
        service.tell(server.ticket, "stop", {"generation": 1})
        agent = service.agent()
        order = agent.order(server.seen())
        reached = []
        for each in walk:
            if tell(agent, order, each, **said.get(each, {})) is None:
                break
            reached.append(each)
        assert str(walk[len(reached)]) == step
        assert child.wait(10) == -signal.SIGKILL
    with process(folder, port):
        orders = agent.poll(server.seen()).orders
        finished = step == "released" and when == "after"
        assert [each.operation_id for each in orders] == ([] if finished else [order.operation_id])
        # The agent repeats the report that got no answer, then goes on.
        for each in walk[len(reached) :]:
            assert agent.say(order, each, **said.get(each, {})) in ("continue", "release")
        operation = service.spawner("GET", f"/operations/{order.operation_id}").json()
        assert (operation["step"], operation["outcome"]) == ("released", "stopped")
        options = service.spawner("POST", "/users/ada/start-options", json={"groups": ["physics"]}).json()
        recorded = options["tenants"][0]["checkpoints"]
        assert [each["digest"] for each in recorded] == [image["digest"]]
        assert service.request_start("ada").json()["image"].endswith(str(image["digest"])), "and its signature holds"


def test_two_services_do_not_act_at_once(place: tuple[Path, Running]) -> None:
    folder, service = place
    port = int(service.url.rpartition(":")[2])
    with process(folder, port):
        second = "\n".join(["from hubernate_hub.store import lease", "lease.Lease.take.__defaults__ = (0.5,)", SCRIPT])
        done = subprocess.run(
            [sys.executable, "-c", second, str(folder), str(port + 1), ""], capture_output=True, text=True, timeout=60
        )
        assert done.returncode != 0
        assert "another platform service" in done.stderr


def test_it_ends_on_a_signal(place: tuple[Path, Running]) -> None:
    folder, service = place
    port = int(service.url.rpartition(":")[2])
    with process(folder, port) as child:
        os.kill(child.pid, signal.SIGTERM)
        child.wait(10)


@pytest.mark.parametrize("point", ["departure:before", "departure:after"])
def test_a_deleted_team_goes_although_the_service_is_killed_on_the_way(place: tuple[Path, Running], point: str) -> None:
    folder, service = place
    with running(folder) as first:
        root = first.person("root", admin=True)
        root("POST", "/tenants", json={"name": "chemistry", "members": [{"user": "eve"}]})
        server = first.start("eve", groups=())
        first.tell(server.ticket, "stop", {"generation": 1})
        agent = first.agent()
        agent.finish(agent.order())
        root("POST", "/tenants/chemistry/deletion")
        assert root("DELETE", "/tenants/chemistry?confirm=chemistry").status_code == 204
    port = int(service.url.rpartition(":")[2])
    killed = subprocess.run([sys.executable, "-c", SCRIPT, str(folder), str(port), point], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL, "in its first round"
    with process(folder, port):
        agent = service.agent()

        def all_of_it() -> bool:
            orders = agent.poll()
            agent.poll(forgotten=list(orders.forget), removed=[each.model_dump() for each in orders.leftovers])
            return {each.kind for each in orders.leftovers} == {"network"} and not orders.forget

        eventually("home, image and network are given up", all_of_it)
        eventually("nothing is left", lambda: not agent.poll().leftovers)
