"""What befalls a cluster: memory runs out, a node is lost, the API server is away, a namespace is deleted."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from support.at_work import TENANTS, come_back, working
from support.cluster_nodes import api_server_away, is_ready, move_away, node_lost, offer
from support.cluster_overlay import DEVICE
from support.cluster_platform import Platform
from support.installation import wait_until

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(900)]

_EAT = """
import os
for process in os.listdir("/proc"):  # the first process is to be the one that the kernel chooses
    if process.isdigit():
        try: open(f"/proc/{process}/oom_score_adj", "w").write("1000" if process == "1" else "0")
        except OSError: pass
eaten = []
while True:
    eaten.append(bytearray(os.urandom(1_000_000)) * 20)
"""


def test_out_of_memory_is_saved_and_told(platform: Platform) -> None:
    """The kernel ends the notebook; what it changed is saved from the dead container, and the page says why."""
    grace, mark = working(platform, "grace", 1_000_000, wait_s=300)
    before = {each["id"] for each in grace.checkpoints()}
    grace.leave_running(_EAT)
    wait_until("it is saved and sleeps", lambda: grace.platform_server()["state"] == "asleep", timeout_s=240)
    operation = grace.platform_server()["operation"]
    assert "ran out of memory" in operation["reason"], operation
    assert {each["id"] for each in grace.checkpoints()} - before
    come_back(grace, mark)


def test_an_api_server_that_is_away_stops_nobody(platform: Platform) -> None:
    """Notebooks are used meanwhile, a stop that was asked for happens afterwards, and nothing else changes."""
    ada, mark = working(platform, "ada", 1_000_000, wait_s=300)
    linus, other = working(platform, "linus", 1_000_000, wait_s=300)
    before = platform.pod_of(ada)["metadata"]["uid"]
    proxy = platform.component("proxy")["status"]["podIP"]
    headers = {"Authorization": f"token {ada.token}"}
    with api_server_away(platform.cluster):
        httpx.delete(
            f"http://{proxy}:8000{linus.server_path}", headers={"Authorization": f"token {linus.token}"}, timeout=60
        )
        until = time.monotonic() + 75
        while time.monotonic() < until:
            answer = httpx.get(f"http://{proxy}:8000{ada.base_path}api/kernels", headers=headers, timeout=30)
            assert answer.status_code == 200, "work goes on"
            time.sleep(3)
    wait_until("the platform answers", platform.answers, timeout_s=120)
    wait_until("the stop happens", lambda: linus.platform_server()["state"] == "asleep", timeout_s=240)
    assert platform.pod_of(ada)["metadata"]["uid"] == before, "nothing was made anew"
    assert ada.shell("cat /opt/env/mark.txt").strip() == mark
    come_back(linus, other)


def test_a_lost_node(platform: Platform) -> None:
    """It is told with the age of the newest save; once an admin removes the node, people go on elsewhere."""
    if len(platform.cluster.nodes()) < 2:
        pytest.skip("a cluster of one node has no other to go on with")
    grace, mark = working(platform, "grace", 1_000_000, wait_s=300)
    node = platform.pod_of(grace)["spec"]["nodeName"]
    move_away(platform, node)
    grace.save("before the storm")
    grace.shell("echo lost > /opt/env/after.txt")
    old = platform.pod_of(grace)["metadata"]["uid"]
    with node_lost(platform.cluster, node, platform.ctr(node)):
        wait_until("it is told", lambda: f"node {node}" in platform.page("grace").lower(), timeout_s=180, every_s=2)
        assert "newest save is" in platform.page("grace")
        assert grace.platform_server()["state"] == "running", "silence alone ends nothing"
        platform.cluster.kubectl("delete", "node", node)
        wait_until("its pod is gone", lambda: not platform.pods(grace.platform_server()["id"]), timeout_s=240)
        wait_until("the hub knows", lambda: not (grace.server() or {}).get("ready"), timeout_s=60)
        come_back(grace, mark)
        assert grace.shell("ls /opt/env/after.txt 2>/dev/null || echo gone").strip() == "gone"
        now = platform.pod_of(grace)
        assert now["spec"]["nodeName"] != node
    wait_until("the node is back", lambda: is_ready(platform.cluster, node), timeout_s=180)
    uid = now["metadata"]["uid"]
    assert uid != old and platform.pod_of(grace)["metadata"]["uid"] == uid, "what came back with the node is fenced"
    assert grace.shell("cat /opt/env/mark.txt").strip() == mark


def test_a_deleted_namespace_is_saved_first(platform: Platform) -> None:
    """It is held until the save is done; environments outlive it, and the space is made anew."""
    linus, mark = working(platform, "linus", 1_000_000, wait_s=300)
    pod = platform.pod_of(linus)
    space, before = pod["metadata"]["namespace"], {each["id"] for each in linus.checkpoints()}
    platform.cluster.kubectl("delete", "namespace", space, "--wait=false")
    wait_until("it sleeps", lambda: linus.platform_server()["state"] == "asleep", timeout_s=240)
    assert {each["id"] for each in linus.checkpoints()} - before, "the environment was saved first"

    def anew() -> bool:
        found = platform.cluster.kubectl("get", "namespace", space, "--ignore-not-found", "--output=json")
        return bool(found) and '"phase": "Active"' in found and space in platform.cluster.kubectl(
            "get", "rolebindings", f"--namespace={space}", "--output=json"
        )  # fmt: skip

    wait_until("the space is there again", anew, timeout_s=240, every_s=1)
    come_back(linus, mark)


@pytest.fixture
def device(platform: Platform) -> Iterator[str]:
    """The node that is to offer the device of profile ``device``; it offers none before and after."""
    node = platform.cluster.nodes()[-1].name
    yield node
    offer(platform.cluster, node, DEVICE, 0)


def test_a_device_is_waited_for_and_named(platform: Platform, device: str) -> None:
    """A profile with a device starts only where a node offers it; until then the page says what is missing."""
    ada = platform.person("ada").at("devices")
    assert ada.ask("POST", ada.server_path, json={"profile": "device", "tenant": TENANTS["ada"]}).status_code == 202
    wait_until("it says what is missing", lambda: DEVICE in ada.told(), timeout_s=60, every_s=1)
    assert f"no node offers {DEVICE}" in ada.told()
    offer(platform.cluster, device, DEVICE, 1)
    wait_until("it is ready", lambda: (ada.server() or {}).get("ready"), timeout_s=180)
    assert platform.pod_of(ada)["spec"]["nodeName"] == device
    ada.stop(wait_s=300)
    assert not platform.pods(ada.platform_server()["id"])


def test_preemption_is_held_until_it_is_saved(platform: Platform, device: str) -> None:
    """A pod of higher priority takes the device: what it pushes away is saved first."""
    ada = platform.person("ada").at("devices")
    offer(platform.cluster, device, DEVICE, 1)
    ada.start(profile="device", tenant=TENANTS["ada"], wait_s=300)
    mark = ada.shell("date +%s%N > /opt/env/mark.txt && cat /opt/env/mark.txt").strip()
    before = {each["id"] for each in ada.checkpoints()}
    urgent = f"{platform.instance}-urgent"
    container = {
        "name": "urgent",
        "image": platform.pod_of(ada)["spec"]["initContainers"][0]["image"],
        "command": ["/opt/hubernate/bin/python", "-c", "import time; time.sleep(100_000)"],
        "resources": {"limits": {DEVICE: "1"}},
    }
    spec = {
        "priorityClassName": f"{platform.instance}-platform",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": urgent, "namespace": "default"}, "spec": spec}
    platform.cluster.kubectl("create", "--filename=-", text=json.dumps(pod))
    try:
        wait_until("it sleeps", lambda: ada.platform_server()["state"] == "asleep", timeout_s=240)
        assert {each["id"] for each in ada.checkpoints()} - before, "it went after a save, not without one"
        platform.cluster.kubectl(
            "wait", "--namespace=default", "--for=condition=Ready", f"pod/{urgent}", "--timeout=120s", timeout_s=130
        )
    finally:
        platform.cluster.kubectl("delete", "pod", urgent, "--namespace=default")
    come_back(ada, mark)
    ada.stop(wait_s=300)
