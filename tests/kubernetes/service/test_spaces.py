"""Tenants' namespaces: made before anything starts there, put right, never somebody else's."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from hubernate_core.errors import InvalidInput, Unavailable
from hubernate_hub.kube.client import check_settings
from hubernate_hub.kube.config import KubernetesBackend
from hubernate_hub.reconcile.spaces import provision
from hubernate_hub.store import tenants
from support.fake_kube.faults import Fault
from support.kube_platform import Admin, Cluster, Platform, on_cluster
from support.platform_service import TENANTS, eventually

KINDS = {
    "resourcequotas": "/api/v1",
    "limitranges": "/api/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "serviceaccounts": "/api/v1",
}
OFTEN = {"tenants_every_s": 1}


def items(admin: Admin, namespace: str, plural: str) -> dict[str, dict[str, Any]]:
    found = admin("GET", f"{KINDS[plural]}/namespaces/{namespace}/{plural}")["items"]
    return {each["metadata"]["name"]: each for each in found}


def ready_space(platform: Platform, tenant: str = "physics") -> str:
    def ready() -> str:
        namespace = platform.namespace(tenant)
        return namespace if namespace and "hubernate-hub" in items(platform.admin, namespace, "rolebindings") else ""

    return str(eventually("the space is ready", ready, timeout_s=60))


def test_every_tenant_gets_a_closed_namespace(platform: Platform) -> None:
    for tenant in ("physics", "biology"):
        namespace = ready_space(platform, tenant)
        labels = platform.admin("GET", f"/api/v1/namespaces/{namespace}")["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        assert labels["hubernate.io/instance"] == platform.instance
        assert namespace.startswith(f"{platform.instance}-t-")
        assert {"closed", "notebook"} <= items(platform.admin, namespace, "networkpolicies").keys()
        assert "notebook" in items(platform.admin, namespace, "serviceaccounts")
        assert items(platform.admin, namespace, "resourcequotas")
        assert items(platform.admin, namespace, "limitranges")


def test_drift_is_put_right(tmp_path: Path, cluster: Cluster) -> None:
    admin = cluster.admin
    with on_cluster(tmp_path, cluster, backend=OFTEN) as platform:
        namespace = ready_space(platform)
        quota = f"/api/v1/namespaces/{namespace}/resourcequotas/tenant"
        policies = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
        merge = "application/merge-patch+json"
        admin("PATCH", quota, {"spec": {"hard": {"services.nodeports": "7"}}}, kind=merge)
        admin("PATCH", f"{policies}/closed", {"spec": {"policyTypes": ["Ingress"]}}, kind=merge)
        admin("DELETE", f"{policies}/notebook")

        def right() -> bool:
            there = items(admin, namespace, "networkpolicies")
            closed = "Egress" in there["closed"]["spec"]["policyTypes"]
            return closed and "notebook" in there and admin("GET", quota)["spec"]["hard"]["services.nodeports"] == "0"

        eventually("drift is repaired", right, timeout_s=60)
        service = platform.service
        root = service.person("root", admin=True)

        def told() -> str:
            return service.ask("GET", "/metrics", root.token).text

        repaired = 'hubernate_objects_put_right_total{kind="ResourceQuota"} 1.0'
        eventually("the metrics tell it", lambda: repaired in told())
        assert 'hubernate_objects_put_right_total{kind="NetworkPolicy"} 2.0' in told()


def test_what_an_admin_changes_here_is_no_drift(tmp_path: Path, cluster: Cluster) -> None:
    admin = cluster.admin
    with on_cluster(tmp_path, cluster, backend=OFTEN) as platform:
        namespace = ready_space(platform)

        def pods() -> str:
            return str(
                admin("GET", f"/api/v1/namespaces/{namespace}/resourcequotas/tenant")["spec"]["hard"].get("pods")
            )

        before = pods()
        root = platform.service.person("root", admin=True)
        platform.change_tenant("physics", quota={"servers": 7})
        eventually("the new quota is there", lambda: pods() != before, timeout_s=60)
        assert "hubernate_objects_put_right_total{" not in platform.service.ask("GET", "/metrics", root.token).text


def test_what_could_not_be_made_at_first_is_no_drift(faulty: Platform) -> None:
    assert faulty.cluster.fake is not None
    ready_space(faulty)
    mend = faulty.cluster.fake.faults.add(Fault(status=500), verb="patch", resource="networkpolicies")
    file = faulty.service.folder / "tenants.json"
    file.write_text(json.dumps([*TENANTS, {"name": "chemistry", "title": "Chemistry"}]))
    namespace = str(eventually("it has a namespace", lambda: faulty.namespace("chemistry")))
    root = faulty.service.person("root", admin=True)

    def told() -> str:
        return faulty.service.ask("GET", "/metrics", root.token).text

    eventually("its round failed", lambda: 'hubernate_loop_failures_total{loop="spaces"}' in told())
    mend()
    file.write_text(json.dumps([*json.loads(file.read_text()), {"name": "geology"}]))  # begins a round at once
    eventually("it is made", lambda: len(items(faulty.admin, namespace, "networkpolicies")) > 1)
    parts = faulty.service.inside.kube
    assert parts is not None and not parts.spaces.drift


def test_a_round_that_finds_nothing_to_repair_writes_nothing(tmp_path: Path, cluster: Cluster) -> None:
    admin = cluster.admin
    with on_cluster(tmp_path, cluster, backend=OFTEN) as platform:
        namespace = ready_space(platform)
        platform.start("ada")
        before = {plural: items(admin, namespace, plural) for plural in KINDS if plural != "resourcequotas"}
        time.sleep(3)  # three rounds
        for plural, found in before.items():
            assert items(admin, namespace, plural) == found, plural


def test_somebody_elses_namespace_is_never_touched(tmp_path: Path, cluster: Cluster) -> None:
    admin = cluster.admin
    with on_cluster(tmp_path, cluster, loops=False) as platform:
        store = platform.service.inside.store
        found = store.now(tenants.all_tenants)
        physics = next(each for each in found.values() if each.name == "physics")
        name = store.now(tenants.namespace_of, physics.id)
        theirs = {
            "metadata": {"name": name, "labels": {"owner": "somebody", "hubernate.io/instance": platform.instance}}
        }
        admin("POST", "/api/v1/namespaces", theirs)
        try:
            answer = platform.service.request_start("ada", profile="base")
            assert answer.status_code == 503
            assert "being prepared" in answer.json()["detail"]
            _provision(platform)
            answer = platform.service.request_start("ada", profile="base")
            assert answer.status_code == 503
            assert "not ours" in answer.json()["detail"]
            labels = admin("GET", f"/api/v1/namespaces/{name}")["metadata"]["labels"]
            assert "pod-security.kubernetes.io/enforce" not in labels
            assert items(admin, name, "networkpolicies") == {}
            there = platform.service.request_start("eve", groups=("biology",), profile="base")
            assert there.status_code == 200, "one tenant's trouble is not another's"
        finally:
            admin("DELETE", f"/api/v1/namespaces/{name}")


def _provision(platform: Platform) -> None:
    context = platform.service.inside
    assert context.kube is not None
    kube = context.kube

    async def once() -> None:
        try:
            await provision(context, kube)
        except Unavailable as problem:
            assert "physics" in problem.message
        finally:
            await kube.close()

    asyncio.run(once())


def test_a_new_tenant_gets_its_namespace_at_once(platform: Platform) -> None:
    ready_space(platform)
    file = platform.service.folder / "tenants.json"
    file.write_text(json.dumps([*TENANTS, {"name": "chemistry", "title": "Chemistry"}]))
    ready_space(platform, "chemistry")
    answer = eventually(
        "a start there",
        lambda: (
            (a := platform.service.request_start("cleo", groups=("chemistry",), profile="base")).status_code == 200
            and a
        ),
    )
    assert answer.json()["placement"]["namespace"] == platform.namespace("chemistry")


def test_a_namespace_that_is_being_deleted_takes_no_start(tmp_path: Path, cluster: Cluster) -> None:
    admin = cluster.admin
    with on_cluster(tmp_path, cluster, backend=OFTEN) as platform:
        namespace = ready_space(platform)
        pod = platform.start("ada", pod={"hold": "sleep 20", "grace_s": 20})
        admin("DELETE", f"/api/v1/namespaces/{namespace}")

        def refused() -> str:
            answer = platform.service.request_start("bob", profile="base")
            return str(answer.json()["detail"]) if answer.status_code == 503 else ""

        assert "is being deleted" in eventually("starts are refused", refused, timeout_s=60)
        admin("DELETE", pod.path, {"gracePeriodSeconds": 0}, ok=(404,))
        eventually(
            "it is made anew",
            lambda: platform.service.request_start("bob", profile="base").status_code == 200,
            timeout_s=90,
        )


@pytest.mark.parametrize("missing", ["kubeconfig", "token_file"])
def test_a_way_that_leads_nowhere_is_told_before_anything_starts(tmp_path: Path, missing: str) -> None:
    with pytest.raises(InvalidInput, match=missing):
        check_settings(KubernetesBackend(**{missing: str(tmp_path / "nowhere")}))
