"""Settings of cluster, tenant and profile: read strictly, one bad field named, nothing smuggled in (B14-B17)."""

from typing import Any

import pytest
from pydantic import ValidationError

from hubernate_core.errors import InvalidInput
from hubernate_core.kubernetes import Cluster, TenantKubernetes
from hubernate_core.profile import Profile, read_profile
from hubernate_core.quota import Quota
from hubernate_core.tenant import Tenant
from support.manifests import a_profile


def test_a_profile_asks_for_devices_and_nodes() -> None:
    profile = read_profile(
        a_profile(
            kubernetes={
                "devices": {"nvidia.com/gpu": 2},
                "cpu_guarantee": "500m",
                "disk": "20Gi",
                "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
            }
        )
    )
    wishes = profile.kubernetes
    assert (wishes.devices, wishes.cpu_guarantee, wishes.disk) == ({"nvidia.com/gpu": 2}, 500, 20 * 1024**3)
    assert Profile.model_validate_json(profile.model_dump_json()) == profile


@pytest.mark.parametrize(
    "kubernetes",
    [
        {"privileged": True},
        {"hostPath": "/"},
        {"host_network": True},
        {"serviceAccountName": "hub"},
        {"nodeName": "node-1"},
        {"node_name": "node-1"},
        {"initContainers": []},
        {"extra_pod_config": {}},
        {"kubespawner_override": {}},
        {"securityContext": {}},
        {"volumes": []},
        {"devices": {"gpu": 1}},
        {"devices": {"kubernetes.io/gpu": 1}},
        {"devices": {"x.kubernetes.io/gpu": 1}},
        {"devices": {"requests.nvidia.com/gpu": 1}},
        {"devices": {"nvidia.com/gpu": 0}},
        {"devices": {"nvidia.com/gpu": 1.5}},
        {"devices": {"nvidia.com/gpu": True}},
        {"devices": {"nvidia.com/gpu": "1Gi"}},
        {"devices": {"nvidia.com/gpu": "１"}},
        {"devices": {"nvidia.com/gpu": 65}},
        {"devices": {"nvidia.com/gpu": -1}},
        {"cpu_guarantee": "2"},
        {"memory_guarantee": "5Gi"},
        {"disk": "nan"},
        {"disk": "1e9"},
        {"disk": "1Gi", "disk_guarantee": "2Gi"},
        {"node_selector": {"a b": "x"}},
        {"node_selector": {"a": "b,c=d"}},
        {"node_selector": {"": "x"}},
        {"node_selector": {"/a": "x"}},
        {"node_selector": {"a": "x\n"}},
        {"tolerations": [{"operator": "Exists"}]},
        {"tolerations": [{"key": "", "operator": "Exists"}]},
        {"tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists"}]},
        {"tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]},
        {"tolerations": [{"key": "a", "effect": ""}]},
        {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
        {"tolerations": [{"key": "a", "operator": "Gt", "value": "1"}]},
        {"runtime_class": "../kata"},
        {"runtime_class": "Kata"},
        {"runtime_class": "x" * 254},
    ],
    ids=str,
)
def test_a_profile_takes_nothing_else(kubernetes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_profile(a_profile(resources={"cpu": "1500m", "memory": "4Gi"}, kubernetes=kubernetes))
    assert refusal.value.field and len(refusal.value.message) < 400


@pytest.mark.parametrize(
    "image",
    [
        "ubuntu", "ubuntu:latest", "docker.io/library/ubuntu:latest", "r.example.com/x@sha256:" + "a" * 63,
        "r.example.com/X@sha256:" + "a" * 64, "r.example.com/../x@sha256:" + "a" * 64,
        "user:pass@r.example.com/x@sha256:" + "a" * 64, "r.example.com/x' + '@sha256:" + "a" * 64, "",
    ],
    ids=repr,
)  # fmt: skip
def test_a_profiles_image_is_pinned_and_plain(image: str) -> None:
    with pytest.raises(InvalidInput):
        read_profile(a_profile(image=image))


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"namespace": "Kube"}, "kubernetes.namespace"),
        ({"pod_security_version": "latest"}, "kubernetes.pod_security_version"),
        ({"pod_security_version": "v1.36\n"}, "kubernetes.pod_security_version"),
        ({"closed_networks": ["10.0.0.1/8"]}, "kubernetes.closed_networks"),
        ({"closed_networks": ["0.0.0.0/0"]}, "kubernetes.closed_networks"),
        ({"closed_networks": ["::/0"]}, "kubernetes.closed_networks"),
        ({"closed_networks": ["10.0.0.1"]}, "kubernetes.closed_networks"),
        ({"closed_networks": ["node-1"]}, "kubernetes.closed_networks"),
        ({"closed_networks": ["::ffff:10.0.0.0/104"]}, "kubernetes.closed_networks"),
        ({"destinations": [{"network": "169.254.169.254/32"}]}, "destinations.network"),
        ({"destinations": [{"network": "0.0.0.0/0"}]}, "destinations.network"),
        ({"destinations": [{"network": "100.64.0.0/10"}]}, "destinations.network"),
        ({"destinations": [{"network": "fd00:ec2::/32"}]}, "destinations.network"),
        ({"destinations": [{"network": "::/0"}]}, "destinations.network"),
        ({"destinations": [{"network": "10.0.0.0/8", "ports": [0]}]}, "destinations.ports"),
        ({"dns": {"labels": {"a": "b,c"}}}, "dns.labels"),
        ({"dns": {"ports": []}}, "dns.ports"),
        ({"devices": ["gpu"]}, "kubernetes.devices"),
        ({"gate_cpu": "1Gi"}, "gate_cpu"),
    ],
    ids=str,
)
def test_a_bad_setting_of_the_cluster_is_named(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Cluster.model_validate(settings)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    "settings",
    [
        {"home_size": "0"}, {"home_size": "1e9"}, {"home_size": None}, {"storage_class": "a/b"},
        {"priority_class": "system-cluster-critical"}, {"selinux_level": "s0:c1 s0"}, {"selinux_level": "unconfined"},
        {"access_mode": "Any"}, {"internet": "sometimes"}, {"interent": False},
        {"destinations": [{"network": "168.63.129.16/32"}]},
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_setting_of_a_tenant_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, ValidationError)):
        TenantKubernetes.model_validate(settings)


@pytest.mark.parametrize(
    "quota",
    [{"cpu": "4Gi"}, {"memory": "-1"}, {"servers": -1}, {"servers": "many"}, {"devices": {"gpu": 1}}, {"gpus": 1}],
    ids=str,
)
def test_a_bad_quota_is_refused(quota: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, ValidationError)):
        Quota.model_validate(quota)


def test_a_tenant_survives_json() -> None:
    written = {
        "id": "taaaaaaaa1",
        "name": "chemistry",
        "quota": {"cpu": "500m", "memory": "8Gi", "devices": {"nvidia.com/gpu": 1}},
        "kubernetes": {"internet": False, "home_size": "5Gi", "destinations": [{"network": "10.1.0.0/16"}]},
    }
    tenant = Tenant.model_validate(written)
    stored = tenant.model_dump(mode="json")
    assert (stored["quota"]["cpu"], stored["kubernetes"]["home_size"]) == ("500m", "5Gi")
    assert Tenant.model_validate(stored) == tenant
    cluster = Cluster.model_validate({"gate_cpu": "250m", "closed_networks": ["10.9.0.0/16"]})
    assert Cluster.model_validate_json(cluster.model_dump_json()) == cluster
