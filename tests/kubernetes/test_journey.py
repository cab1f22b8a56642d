"""What people live through on a real cluster: two teams, work, sleep and waking up; and all that befalls a pod."""

import json
import time

import pytest

from support.at_work import ask_to_stop, come_back, working
from support.cluster_platform import Platform
from support.installation import wait_until
from support.person import Person

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(900)]

_CHANGE = "head -c {size} /dev/urandom > /opt/env/big.bin && date +%s%N > /opt/env/mark.txt && cat /opt/env/mark.txt"


def _working(platform: Platform, name: str, size: int = 20_000_000) -> tuple[Person, str]:
    return working(platform, name, size, wait_s=300)


def _no_pod(platform: Platform, person: Person) -> bool:
    return not platform.pods(person.platform_server()["id"])


def _asleep(platform: Platform, person: Person) -> bool:
    return person.platform_server()["state"] == "asleep" and _no_pod(platform, person)


def test_a_day_of_two_teams(platform: Platform) -> None:
    """Log in, start, change the environment, stop, come back, go back in time, start clean."""
    ada, first = _working(platform, "ada")
    linus, other = _working(platform, "linus")
    spaces = {each["metadata"]["namespace"] for each in platform.pods()}
    assert len(spaces) == 2, f"two teams are in two namespaces: {spaces}"
    ada.shell("pip install --quiet cowsay")
    ada.shell("echo at home > ~/notes.txt && pip list --format=freeze > /opt/env/packages.txt")
    for person in (ada, linus):
        person.stop(wait_s=300)
        assert _no_pod(platform, person), "the hub says stopped, so the pod is gone"
        assert person.checkpoints(), "and its state is recorded"
    come_back(ada, first)
    come_back(linus, other)
    assert ada.shell("cat ~/notes.txt").strip() == "at home"
    assert "moo" in ada.shell("python -c 'import cowsay; cowsay.cow(\"moo\")'"), "what pip installed is there"
    assert ada.shell("pip list --format=freeze | diff - /opt/env/packages.txt && echo same").strip() == "same"

    earlier = ada.checkpoints()[0]
    later = ada.shell(_CHANGE.format(size=1_000_000)).strip()
    ada.stop(wait_s=300)
    ada.start(tenant="research", profile="base", start="checkpoint", checkpoint_id=earlier["id"], wait_s=300)
    assert ada.shell("cat /opt/env/mark.txt").strip() == first, "an earlier checkpoint is as it was then"
    ada.stop(wait_s=300)
    assert earlier["id"] in {each["id"] for each in ada.checkpoints()}, f"going back deletes nothing: {later}"

    ada.start(tenant="research", profile="base", start="clean", wait_s=300)
    assert ada.shell("ls /opt/env/mark.txt 2>/dev/null || echo clean").strip() == "clean"
    assert ada.shell("cat ~/notes.txt").strip() == "at home", "the home is there however one starts"
    ada.stop(wait_s=300)
    linus.stop(wait_s=300)


def test_save_now_leaves_it_running(platform: Platform) -> None:
    grace, _ = _working(platform, "grace")
    before = platform.pod_of(grace)["metadata"]["uid"]
    saved = grace.save("before the upgrade")
    assert saved["step"] == "released", saved
    assert platform.pod_of(grace)["metadata"]["uid"] == before
    assert grace.shell("cat /opt/env/mark.txt").strip(), "it works on"


@pytest.mark.parametrize("how", ["delete", "evict", "drain"])
def test_a_pod_is_held_until_it_is_saved(platform: Platform, how: str) -> None:
    """kubectl delete, the Eviction API and a drain wait for the save; then the pod goes at once."""
    grace, mark = _working(platform, "grace")
    pod = platform.pod_of(grace)
    name, space, node = pod["metadata"]["name"], pod["metadata"]["namespace"], pod["spec"]["nodeName"]
    before = {each["id"] for each in grace.checkpoints()}
    begun = time.monotonic()
    try:
        if how == "delete":
            platform.cluster.kubectl(f"--namespace={space}", "delete", "pod", name, "--wait=false")
        elif how == "evict":
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": space}}
            path = f"/api/v1/namespaces/{space}/pods/{name}/eviction"
            platform.cluster.kubectl("create", f"--raw={path}", "--filename=-", text=json.dumps(body))
        else:
            _drain(platform, node)
        wait_until("the pod is gone", lambda: _no_pod(platform, grace), timeout_s=200)
    finally:
        platform.cluster.kubectl("uncordon", node)
    took = time.monotonic() - begun
    assert {each["id"] for each in grace.checkpoints()} - before, "it went after a save, not without one"
    assert took < 100, f"it went when it was saved and not at the end of its grace period ({took:.0f} s)"
    come_back(grace, mark)


def _drain(platform: Platform, node: str) -> None:
    platform.cluster.kubectl("cordon", node)
    selector = f"--pod-selector=hubernate.io/instance={platform.instance}"
    options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=180s")
    platform.cluster.kubectl("drain", node, selector, *options, timeout_s=240)


@pytest.mark.parametrize("component", ["agent", "service", "hub"])
def test_kill_9_in_the_middle_of_a_stop(platform: Platform, component: str) -> None:
    linus, mark = _working(platform, "linus", size=60_000_000)
    node = platform.pod_of(linus)["spec"]["nodeName"]
    ask_to_stop(linus)
    platform.kill(component, node if component == "agent" else "")
    wait_until("the platform answers", platform.answers, timeout_s=120)
    wait_until("it sleeps", lambda: _asleep(platform, linus), timeout_s=240)
    come_back(linus, mark)


def test_a_restart_of_hub_and_proxy_stops_nobody(platform: Platform) -> None:
    ada, mark = _working(platform, "ada", size=1_000_000)
    before = platform.pod_of(ada)["metadata"]["uid"]
    for deployment in ("hub", "proxy"):
        platform.kubectl("rollout", "restart", f"deployment/{deployment}")
        platform.kubectl("rollout", "status", f"deployment/{deployment}", "--timeout=180s", timeout_s=200)
    wait_until("the platform answers", platform.answers, timeout_s=120)
    wait_until("the route is back", lambda: ada.notebook("GET", "api").status_code == 200, timeout_s=90)
    assert platform.pod_of(ada)["metadata"]["uid"] == before
    assert ada.shell("cat /opt/env/mark.txt").strip() == mark


def test_no_tenant_reaches_another_or_the_cluster(platform: Platform) -> None:
    """From inside a notebook: the other team's gate, the API server, the kubelet, metadata."""
    ada, _ = _working(platform, "ada", size=1000)
    linus, _ = _working(platform, "linus", size=1000)
    theirs = platform.pod_of(linus)["status"]["podIP"]
    node = platform.pod_of(ada)["status"]["hostIP"]
    for address, port in ((theirs, 8888), (node, 6443), (node, 10250), ("169.254.169.254", 80)):
        code = (
            "import socket\n"
            f"try: socket.create_connection(({address!r}, {port}), timeout=3); print('open')\n"
            "except OSError: print('closed')\n"
        )
        assert ada.run(code).strip() == "closed", f"a notebook reaches {address}:{port}"
    assert "No such file" in ada.shell("ls /var/run/secrets/kubernetes.io 2>&1 || true")
