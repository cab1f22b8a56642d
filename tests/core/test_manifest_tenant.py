"""A tenant's namespace: closed but for what stands here, limited, and in nobody's hands but the hub's."""

import ipaddress
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_core import names
from hubernate_core.errors import InvalidInput
from hubernate_core.kubernetes import Cluster, Destination, Dns, TenantKubernetes
from hubernate_core.manifests.access import HUB_RULES, make_hub_role
from hubernate_core.manifests.network import internet
from hubernate_core.manifests.tenant import make_tenant
from hubernate_core.quota import Quota
from support.manifests import NAMESPACE, a_tenant

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
LABELS = {
    "app.kubernetes.io/managed-by": "hubernate",
    "hubernate.io/instance": "hub1",
    "hubernate.io/tenant": "taaaaaaaa1",
}


def objects(**changes: Any) -> dict[str, dict[str, Any]]:
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in make_tenant(a_tenant(**changes))}


def platform_pods(component: str) -> dict[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "hubernate"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/component": component}},
    }


def test_these_objects_in_this_order() -> None:
    made = [
        f"{each['kind']}/{each['metadata']['name']}"
        for each in make_tenant(a_tenant(pull_credentials="{}", ca_bundle=PEM))
    ]
    assert made == [
        f"Namespace/{NAMESPACE}",
        "ResourceQuota/tenant",
        "LimitRange/tenant",
        "NetworkPolicy/closed",
        "NetworkPolicy/notebook",
        "ServiceAccount/notebook",
        "Secret/hubernate-pull",
        "ConfigMap/hubernate-ca",
        "RoleBinding/hubernate-hub",
    ]
    plain = make_tenant(a_tenant())
    assert {each["kind"] for each in plain}.isdisjoint({"Secret", "ConfigMap"}), "only where there is something in them"
    for each in plain:
        assert each["metadata"].get("namespace", "") == ("" if each["kind"] == "Namespace" else NAMESPACE)
        assert LABELS.items() <= each["metadata"]["labels"].items()


def test_the_namespace_is_ours_and_restricted_at_a_pinned_version() -> None:
    metadata = objects()[f"Namespace/{NAMESPACE}"]["metadata"]
    assert metadata["labels"] == LABELS | {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "v1.36",
        "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/audit-version": "v1.36",
        "pod-security.kubernetes.io/warn": "restricted",
        "pod-security.kubernetes.io/warn-version": "v1.36",
    }
    assert metadata["annotations"] == {"hubernate.io/tenant-name": "chemistry"}


def test_the_quota_has_room_for_the_gates() -> None:
    quota = Quota.model_validate(
        {"servers": 10, "cpu": "16", "memory": "64Gi", "homes": 20, "storage": "1Ti", "devices": {"nvidia.com/gpu": 2}}
    )
    assert objects(quota=quota)["ResourceQuota/tenant"]["spec"] == {
        "hard": {
            "pods": "10",
            "persistentvolumeclaims": "20",
            "services.nodeports": "0",
            "services.loadbalancers": "0",
            "requests.cpu": "21",  # 16, and 10 gates of half a core
            "limits.cpu": "21",
            "requests.memory": "66816Mi",  # 64 GiB, and 10 gates of 128 MiB
            "limits.memory": "66816Mi",
            "requests.storage": "1Ti",
            "requests.amd.com/gpu": "0",
            "requests.nvidia.com/gpu": "2",
        }
    }


def test_who_was_given_no_device_gets_none() -> None:
    hard = objects()["ResourceQuota/tenant"]["spec"]["hard"]
    assert (hard["requests.nvidia.com/gpu"], hard["requests.amd.com/gpu"]) == ("0", "0")


def test_everything_is_closed_first() -> None:
    assert objects()["NetworkPolicy/closed"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_a_notebook_talks_to_these_and_nobody_else() -> None:
    made = objects(settings=TenantKubernetes(internet=False))
    assert made["NetworkPolicy/notebook"]["spec"] == {
        "podSelector": {"matchLabels": {"hubernate.io/role": "notebook"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [platform_pods("proxy"), platform_pods("hub")],
                "ports": [{"protocol": "TCP", "port": 8888}],
            }
        ],
        "egress": [
            {
                "to": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                    }
                ],
                "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
            },
            {"to": [platform_pods("service")], "ports": [{"protocol": "TCP", "port": 8082}]},
            {"to": [platform_pods("hub")], "ports": [{"protocol": "TCP", "port": 8081}]},
        ],
    }


def test_destinations_of_cluster_and_tenant_are_opened() -> None:
    cluster = Cluster(
        destinations=(Destination(network="10.9.0.4/32", ports=(443,)),),
        dns=Dns(namespace="openshift-dns", labels={"dns": "default"}, networks=("169.254.20.10/32",), ports=(5353,)),
    )
    settings = TenantKubernetes(internet=False, destinations=(Destination(network="10.20.0.0/16"),))
    egress = objects(cluster=cluster, settings=settings)["NetworkPolicy/notebook"]["spec"]["egress"]
    assert egress[-2:] == [
        {"to": [{"ipBlock": {"cidr": "10.9.0.4/32"}}], "ports": [{"protocol": "TCP", "port": 443}]},
        {"to": [{"ipBlock": {"cidr": "10.20.0.0/16"}}]},
    ]
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in egress[0]["to"]
    assert {each["port"] for each in egress[0]["ports"]} == {5353}


def reachable(address: str, cluster: Cluster) -> bool:
    ip = ipaddress.ip_address(address)
    for network, closed in internet(cluster).items():
        if ip in ipaddress.ip_network(network):
            return not any(ip in ipaddress.ip_network(each) for each in closed)
    return False


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",  # private
        "100.64.0.1", "100.127.255.255", "100.100.100.200",  # shared; Alibaba's metadata
        "169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16",  # metadata, ECS, EKS, Azure
        "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.0.192", "198.18.0.1",
        "fd00:ec2::254", "fe80::1", "fc00::1", "::1", "ff02::1", "fec0::1",
        "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001:0:a9fe::1", "::ffff:169.254.169.254", "::a9fe:a9fe",
        "20.30.40.50", "2600:1f00::5",  # nodes with public addresses
    ],
)  # fmt: skip
def test_what_is_not_the_internet_is_closed(address: str) -> None:
    assert not reachable(address, Cluster(closed_networks=("20.30.0.0/16", "2600:1f00::/32", "fd12::/48")))


@pytest.mark.parametrize("address", ["1.1.1.1", "151.101.0.223", "100.63.255.255", "172.32.0.1", "2606:4700::1111"])
def test_the_internet_is_open(address: str) -> None:
    assert reachable(address, Cluster())


@given(st.ip_addresses())
def test_no_address_that_is_not_public_is_reachable(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if not ip.is_global or ip.is_multicast:
        assert not reachable(str(ip), Cluster())


@given(st.lists(st.ip_addresses(v=4).map(str), max_size=5), st.integers(8, 32))
def test_exceptions_lie_within_their_network_and_do_not_overlap(addresses: list[str], prefix: int) -> None:
    own = tuple(str(ipaddress.ip_network(f"{each}/{prefix}", strict=False)) for each in addresses)
    for network, closed in internet(Cluster(closed_networks=own)).items():
        parts = [ipaddress.ip_network(each) for each in closed]
        assert all(part.subnet_of(ipaddress.ip_network(network)) and str(part) != network for part in parts)  # type: ignore[arg-type]
        assert not any(a.overlaps(b) for a in parts for b in parts if a is not b)


def test_the_hub_has_these_rights_and_cannot_read_a_secret() -> None:
    assert objects()["RoleBinding/hubernate-hub"] | {"metadata": None} == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": None,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "hub1-tenant-hub"},
        "subjects": [{"kind": "ServiceAccount", "name": "hub", "namespace": "hubernate"}],
    }
    assert make_hub_role("hub1")["metadata"]["name"] == "hub1-tenant-hub"
    rights = {(resource, verb) for rule in HUB_RULES for resource in rule["resources"] for verb in rule["verbs"]}
    assert rights == {
        ("pods", "create"), ("pods", "get"), ("pods", "delete"),
        ("secrets", "create"), ("secrets", "update"),
        ("persistentvolumeclaims", "create"), ("persistentvolumeclaims", "get"), ("persistentvolumeclaims", "patch"),
    }  # fmt: skip


def test_the_service_account_carries_no_token() -> None:
    assert objects()["ServiceAccount/notebook"]["automountServiceAccountToken"] is False


def test_credentials_are_in_the_secret_alone() -> None:
    spec = a_tenant(pull_credentials='{"auths": {"canary": {}}}')
    made = make_tenant(spec)
    assert "canary" not in json.dumps(made) and "canary" not in repr(spec), "only base64, in one object"
    secret = next(each for each in made if each["kind"] == "Secret")
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert set(secret["data"]) == {".dockerconfigjson"}


@pytest.mark.parametrize("pem", ["hello", PEM + "-----BEGIN PRIVATE KEY-----\n", PEM * 20_000], ids=len)
def test_what_is_no_ca_bundle_is_refused(pem: str) -> None:
    with pytest.raises(InvalidInput, match="ca_bundle"):
        make_tenant(a_tenant(ca_bundle=pem))


@pytest.mark.parametrize(
    "name", ["kube-system", "a,b=c", "{0.__class__}", "$(X)", "я", "</b>"],
)  # fmt: skip
def test_a_tenants_name_is_shown_and_used_nowhere(name: str) -> None:
    made = make_tenant(a_tenant(tenant_name=name))
    assert made[0]["metadata"].pop("annotations") == {names.SHOW_TENANT_NAME: name}
    assert f'"{name}"' not in json.dumps(made).replace('"kubernetes.io/metadata.name": "kube-system"', "")


@pytest.mark.parametrize(
    "changes",
    [{"tenant_id": "kube-system"}, {"tenant_id": "t,x=y"}, {"tenant_id": ""}, {"instance": "kube"}, {"instance": "A"}],
    ids=str,
)
def test_a_namespace_of_others_is_never_named(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        make_tenant(a_tenant(**changes))
