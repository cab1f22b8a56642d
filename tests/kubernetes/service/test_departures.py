"""A deleted team's namespace goes with the homes in it; one that does not carry our labels is never touched."""

from pathlib import Path

import pytest

from support.kube_platform import Cluster, Platform, on_cluster, pod_of, wait_gone
from support.platform_service import Caller, eventually


def mark(platform: Platform, root: Caller) -> None:
    """The first step, once the service has heard of what runs, and that what ran does not."""
    eventually("it is marked", lambda: root("POST", "/tenants/chemistry/deletion").status_code == 200, timeout_s=60)


def test_nothing_goes_while_a_pod_of_it_may_hold_work(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    root = platform.service.person("root", admin=True)
    root("POST", "/tenants", json={"name": "chemistry", "members": [{"user": "eve"}]})
    started = platform.start("eve", groups=())
    platform.service.tell(started.ticket, "stop", {"generation": 1})
    agent = platform.agent(started.node)
    agent.finish(agent.order(started.seen()))
    wait_gone(platform, started)
    mark(platform, root)
    pod = pod_of(started.ticket, platform.instance)
    del pod["metadata"]["labels"]["hubernate.io/role"]  # somebody took it, so no watch of ours tells of the pod
    pods = started.path.rpartition("/")[0]
    platform.admin("POST", pods, pod)
    eventually("it runs", lambda: platform.admin("GET", started.path)["status"]["phase"] == "Running", timeout_s=60)
    assert root("DELETE", "/tenants/chemistry?confirm=chemistry").status_code == 204
    eventually("it was tried", lambda: f"{started.name} in namespace" in told(caplog), timeout_s=60)
    space = platform.admin("GET", f"/api/v1/namespaces/{platform.namespace_of(started)}")
    assert "deletionTimestamp" not in space["metadata"]
    assert agent.poll().forget == (), "what is in it can still be saved on top of its checkpoint"
    platform.admin("DELETE", started.path, {"gracePeriodSeconds": 0})
    eventually("it goes on", lambda: agent.poll().forget, timeout_s=60)


def told(caplog: pytest.LogCaptureFixture) -> str:
    """Why something stays, as it is logged."""
    return " ".join(str(getattr(each, "error", "")) for each in caplog.records)


def test_the_namespace_and_its_homes_go_and_no_other(platform: Platform) -> None:
    root = platform.service.person("root", admin=True)
    root("POST", "/tenants", json={"name": "chemistry", "members": [{"user": "eve"}]})
    other = eventually("the other is there", lambda: platform.namespace("physics"), timeout_s=60)
    started = platform.start("eve", groups=())
    namespace = platform.namespace("chemistry")
    assert platform.namespace_of(started) == namespace
    platform.service.tell(started.ticket, "stop", {"generation": 1})
    agent = platform.agent(started.node)
    agent.finish(agent.order(started.seen()))
    wait_gone(platform, started)
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "home"}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    platform.admin("POST", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", claim | {"spec": spec})
    mark(platform, root)
    assert platform.admin.exists(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/home"), "nothing goes yet"
    assert root("DELETE", "/tenants/chemistry?confirm=chemistry").status_code == 204
    eventually("it is gone", lambda: not platform.admin.exists(f"/api/v1/namespaces/{namespace}"), timeout_s=60)
    assert platform.admin.exists(f"/api/v1/namespaces/{other}")

    def over() -> bool:
        orders = agent.poll()
        assert orders.leftovers == (), "homes go with the namespace"
        agent.poll(forgotten=list(orders.forget))
        return root("GET", "/departures").json()["items"] == []

    eventually("nothing is left", over, timeout_s=60)


def test_a_namespace_that_lost_our_labels_is_not_touched(
    tmp_path: Path, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    with on_cluster(tmp_path, cluster) as platform:
        root = platform.service.person("root", admin=True)
        root("POST", "/tenants", json={"name": "chemistry"})
        path = f"/api/v1/namespaces/{eventually('it is made', lambda: platform.namespace('chemistry'), timeout_s=60)}"
        eventually("it is there", lambda: platform.admin.exists(path), timeout_s=60)
        labels = {"metadata": {"labels": {"hubernate.io/tenant": "somebodyelse"}}}
        platform.admin("PATCH", path, labels, kind="application/merge-patch+json")
        mark(platform, root)
        assert root("DELETE", "/tenants/chemistry?confirm=chemistry").status_code == 204
        eventually("it was tried", lambda: "stays for now" in caplog.text, timeout_s=60)
        assert platform.admin.exists(path)
        assert len(root("GET", "/departures").json()["items"]) == 1
        platform.admin("DELETE", path)
