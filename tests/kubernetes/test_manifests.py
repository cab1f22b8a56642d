"""Every manifest of ours before a real API server: its schema, Pod Security, quota and admission policies accept it.

Runs where KUBECONFIG names a cluster and kubectl is there; makes one namespace and one policy and removes them. Pods
are dry runs: admission sees them, no node does.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hubernate_core import names
from hubernate_core.kubernetes import Cluster, Destination, Dns, Placement, TenantKubernetes
from hubernate_core.manifests.access import make_hub_role
from hubernate_core.manifests.admission import make_admission
from hubernate_core.manifests.server import make_gate_secret, make_home_claim, make_pod
from hubernate_core.manifests.tenant import make_tenant
from hubernate_core.names import TenantId
from hubernate_core.quota import Quota
from support.manifests import DIGEST, REGISTRY, a_gate_file, a_server, a_server_with_everything, a_tenant, an_admission

pytestmark = pytest.mark.skipif(
    not os.environ.get("KUBECONFIG") or shutil.which("kubectl") is None,
    reason="needs KUBECONFIG to name a cluster, and kubectl",
)
Object = dict[str, Any]
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
APPLY = ("apply", "--server-side", "--field-manager=hubernate", "--filename=-")
SETTLES_S = 30
"""A new policy holds once every API server has read it."""


def kubectl(*args: str, manifest: Object | None = None) -> subprocess.CompletedProcess[str]:
    given = None if manifest is None else json.dumps(manifest)
    return subprocess.run(["kubectl", *args], input=given, text=True, capture_output=True, check=False, timeout=60)


def dry_run(manifest: Object) -> str:
    """The API server's objection to `manifest`; empty: it would take it. Unknown fields and warnings are objections."""
    done = kubectl(
        "create", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-", manifest=manifest
    )
    return "" if done.returncode == 0 else done.stderr


def a_full_tenant(tenant: TenantId) -> tuple[Object, ...]:
    cluster = Cluster(
        closed_networks=("20.30.0.0/16", "fd12::/48", "2600:1f00::/32"),
        destinations=(Destination(network="10.9.0.4/32", ports=(443,)), Destination(network="fd12:9::/64")),
        dns=Dns(networks=("169.254.20.10/32",)),
    )
    quota = Quota.model_validate(
        {"servers": 2, "cpu": "8", "memory": "32Gi", "storage": "1Ti", "devices": {"nvidia.com/gpu": 1}}
    )
    return make_tenant(
        a_tenant(
            instance="dryrun",
            tenant_id=tenant,
            cluster=cluster,
            quota=quota,
            settings=TenantKubernetes(destinations=(Destination(network="10.20.0.0/16"),)),
            pull_credentials='{"auths": {}}',
            ca_bundle=PEM,
        )
    )


@pytest.fixture(scope="module")
def tenant() -> Iterator[TenantId]:
    """A tenant whose namespace, policy and binding are on the cluster."""
    made = TenantId(names.new_id())
    policies = make_admission(an_admission(instance="dryrun"))
    objects = (make_hub_role("dryrun"), *policies, *a_full_tenant(made))
    try:
        for each in objects:
            done = kubectl(
                "apply", "--server-side", "--field-manager=hubernate", "--validate=strict", "-f", "-", manifest=each
            )
            assert done.returncode == 0, f"{each['kind']} {each['metadata']['name']}: {done.stderr}"
            assert "Warning" not in done.stderr, done.stderr
        _wait_until_the_policy_holds(made)
        yield made
    finally:
        kubectl("delete", "namespace", names.tenant_namespace("dryrun", made), "--wait=false")
        for each in (make_hub_role("dryrun"), *policies):
            kubectl("delete", each["kind"], each["metadata"]["name"])


def _wait_until_the_policy_holds(tenant: TenantId) -> None:
    foreign = pod(tenant, image=f"evil.example.com/x@{DIGEST}")
    deadline = time.monotonic() + SETTLES_S
    while not dry_run(foreign):
        assert time.monotonic() < deadline, f"a foreign image is taken {SETTLES_S} s after the policy was made"
        time.sleep(0.5)


def ours(tenant: TenantId, **changes: Any) -> Any:
    """A server's spec in the tenant's namespace."""
    space = names.tenant_namespace("dryrun", tenant)
    given = {
        "instance": "dryrun",
        "tenant_id": tenant,
        "image": f"{REGISTRY}/t-{tenant}/u-oaaaaaaaa1@{DIGEST}",
        "placement": Placement(namespace=space, home_size=1024**3),
    }
    return a_server(**(given | changes))


def pod(tenant: TenantId, **changes: Any) -> Object:
    return make_pod(ours(tenant, **changes))


def test_a_servers_objects_are_taken(tenant: TenantId) -> None:
    spec = ours(tenant)
    assert dry_run(make_pod(spec)) == ""
    assert dry_run(make_home_claim(spec)) == ""
    assert dry_run(make_gate_secret(spec, a_gate_file(), "0b1d5e1c-0000-0000-0000-000000000000")) == ""


def test_so_is_a_pod_with_every_choice_made(tenant: TenantId) -> None:
    full = a_server_with_everything()
    # Classes are the cluster's; whether they exist is the admin's matter and not the manifest's.
    profile = full.profile.model_copy(
        update={"kubernetes": full.profile.kubernetes.model_copy(update={"runtime_class": ""})}
    )
    placement = full.placement.model_copy(
        update={"namespace": names.tenant_namespace("dryrun", tenant), "priority_class": ""}
    )
    spec = ours(tenant, profile=profile, placement=placement, cluster=full.cluster, ca_bundle=True)
    assert dry_run(make_pod(spec)) == ""
    assert dry_run(make_home_claim(spec)) == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hostNetwork", True),
        ("hostPID", True),
        ("volumes", [{"name": "x", "hostPath": {"path": "/"}}]),
        ("securityContext", {"runAsUser": 0}),
    ],
)
def test_pod_security_holds_in_the_namespace(tenant: TenantId, field: str, value: Any) -> None:
    changed = pod(tenant)
    changed["spec"][field] = value
    if field == "volumes":
        changed["spec"]["volumes"] += pod(tenant)["spec"]["volumes"]
    assert 'violates PodSecurity "restricted:v1.36"' in dry_run(changed)


@pytest.mark.parametrize(
    "image",
    [
        f"docker.io/library/ubuntu@{DIGEST}",
        f"{REGISTRY}/t-tother0000/u-oaaaaaaaa1@{DIGEST}",
        f"{REGISTRY}/t-tother0000/i-iaaaaaaaa1@{DIGEST}",
        f"{REGISTRY}/profiles-evil/x@{DIGEST}",
        f"{REGISTRY}/platform/gate-evil@{DIGEST}",
        f"{REGISTRY}/profiles/base:v1",
    ],
    ids=["public", "another tenant's", "another team's image", "beside a repository", "beside the gate", "no digest"],
)
def test_no_other_image_runs(tenant: TenantId, image: str) -> None:
    for kind in ("containers", "initContainers"):
        changed = pod(tenant)
        changed["spec"][kind][0]["image"] = image
        assert "only images of this platform and of this tenant" in dry_run(changed)


def test_images_of_profiles_and_of_the_team_run(tenant: TenantId) -> None:
    for image in ("profiles/base", f"t-{tenant}/i-iaaaaaaaa1"):
        assert dry_run(pod(tenant, image=f"{REGISTRY}/{image}@{DIGEST}")) == ""


def test_nobody_chooses_a_node_past_the_scheduler(tenant: TenantId) -> None:
    changed = pod(tenant)
    changed["spec"]["nodeName"] = "node-1"
    assert "past the scheduler" in dry_run(changed)


def test_no_other_account_and_no_token(tenant: TenantId) -> None:
    changed = pod(tenant)
    changed["spec"]["serviceAccountName"] = "default"
    assert "service account" in dry_run(changed)
    changed = pod(tenant)
    changed["spec"]["automountServiceAccountToken"] = True
    assert "no token" in dry_run(changed)
    changed = pod(tenant)
    token = {"serviceAccountToken": {"path": "token"}}
    changed["spec"]["volumes"].append({"name": "t", "projected": {"sources": [token]}})
    assert "no token" in dry_run(changed)


@pytest.mark.parametrize("label", [names.KUBE_TENANT, names.KUBE_INSTANCE])
def test_a_pod_cannot_pass_for_another_tenants(tenant: TenantId, label: str) -> None:
    changed = pod(tenant)
    changed["metadata"]["labels"][label] = "tother0000"
    assert "instance and tenant of its namespace" in dry_run(changed)
    del changed["metadata"]["labels"][label]
    assert "instance and tenant of its namespace" in dry_run(changed)


def test_no_service_leads_in_from_outside(tenant: TenantId) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "x", "namespace": names.tenant_namespace("dryrun", tenant)},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]},
    }
    assert "exceeded quota: tenant" in dry_run(service)


@pytest.mark.parametrize(
    ("verb", "resource", "allowed"),
    [
        ("create", "pods", True),
        ("delete", "pods", True),
        ("patch", "pods", False),
        ("create", "pods/exec", False),
        ("update", "pods/ephemeralcontainers", False),
        ("create", "secrets", True),
        ("update", "secrets", True),
        ("get", "secrets", False),
        ("list", "secrets", False),
        ("patch", "secrets", False),
        ("patch", "persistentvolumeclaims", True),
        ("delete", "persistentvolumeclaims", False),
        ("create", "rolebindings", False),
        ("create", "services", False),
    ],
)
def test_the_hub_may_do_this_here_and_nowhere_else(tenant: TenantId, verb: str, resource: str, allowed: bool) -> None:
    def may(namespace: str) -> bool:
        plural, _, subresource = resource.partition("/")
        asked = ("--as=system:serviceaccount:hubernate:hub", "--namespace", namespace, "--subresource", subresource)
        return kubectl("auth", "can-i", verb, plural, *asked).stdout.strip() == "yes"

    assert may(names.tenant_namespace("dryrun", tenant)) is allowed
    assert not may("default")


def test_applied_twice_nothing_changes(tenant: TenantId) -> None:
    space = names.tenant_namespace("dryrun", tenant)
    kinds = "resourcequota,limitrange,networkpolicy,serviceaccount,rolebinding,secret,configmap"

    def versions() -> dict[str, str]:
        # A quota's version counts its own status, so only the others are compared.
        found = json.loads(kubectl("get", kinds, "--namespace", space, "--output", "json").stdout)["items"]
        return {
            f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["resourceVersion"]
            for each in found
            if each["metadata"].get("labels", {}).get(names.MANAGED_BY) and each["kind"] != "ResourceQuota"
        }

    before = versions()
    assert len(before) == 7
    for each in a_full_tenant(tenant):
        kubectl(*APPLY, manifest=each)
    assert versions() == before
