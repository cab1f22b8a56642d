"""Specs of a tenant and of a server, as the platform makes them."""

from typing import Any

from hubernate_core import names
from hubernate_core.gate_file import GateFile
from hubernate_core.kubernetes import Cluster, Placement
from hubernate_core.manifests.admission import AdmissionSpec
from hubernate_core.manifests.server import ServerSpec
from hubernate_core.manifests.tenant import TenantSpec
from hubernate_core.names import OwnerId, ServerId, TenantId
from hubernate_core.profile import read_profile

DIGEST = "sha256:" + "a" * 64
REGISTRY = "127.0.0.1:5000"
CANARY = "canary-hub-token-0123456789"
TENANT, OWNER, SERVER = TenantId("taaaaaaaa1"), OwnerId("oaaaaaaaa1"), ServerId("saaaaaaaa1")
NAMESPACE = "hub1-t-taaaaaaaa1"


def a_profile(**changes: Any) -> dict[str, Any]:
    """A profile as a catalogue file holds it."""
    return {
        "name": "base",
        "title": "Python",
        "image": f"{REGISTRY}/profiles/base@{DIGEST}",
        "resources": {"cpu": "1500m", "memory": "4Gi"},
    } | changes


def a_server(**changes: Any) -> ServerSpec:
    values: dict[str, Any] = {
        "instance": "hub1",
        "tenant_id": TENANT,
        "owner_id": OWNER,
        "server_id": SERVER,
        "generation": 7,
        "profile": read_profile(a_profile()),
        "image": f"{REGISTRY}/t-{TENANT}/u-{OWNER}@{DIGEST}",
        "gate_image": f"{REGISTRY}/platform/gate@{DIGEST}",
        "placement": Placement(namespace=NAMESPACE, home_size=10 * 1024**3),
        "cluster": Cluster(),
        "env": {"HUBERNATE_BASE_URL": "/user/alice/"},
        "shown": {names.SHOW_USER: "alice"},
    }
    return ServerSpec(**(values | changes))


def a_server_with_everything() -> ServerSpec:
    """Every choice made that a profile, a tenant and a cluster can make."""
    kubernetes = {
        "devices": {"nvidia.com/gpu": 1},
        "cpu_guarantee": "500m",
        "memory_guarantee": "1Gi",
        "disk": "20Gi",
        "node_selector": {"example.com/pool": "gpu"},
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists"},
            {"key": "team", "value": "ml", "effect": "NoExecute"},
        ],
        "runtime_class": "nvidia",
    }
    placement = Placement(
        namespace=NAMESPACE,
        home_size=5 * 1024**3,
        storage_class="fast-ssd",
        access_mode="ReadWriteMany",
        prefer_node="node-2.example.com",
        pull_secret="hubernate-pull",
        priority_class="notebooks",
        selinux_level="s0:c123,c456",
    )
    return a_server(
        profile=read_profile(a_profile(kubernetes=kubernetes)),
        placement=placement,
        cluster=Cluster(user_namespaces=True, save_grace_s=900),
        ca_bundle=True,
    )


def a_tenant(**changes: Any) -> TenantSpec:
    values: dict[str, Any] = {"instance": "hub1", "tenant_id": TENANT, "tenant_name": "chemistry", "cluster": Cluster()}
    return TenantSpec(**(values | changes))


def a_gate_file() -> GateFile:
    return GateFile(
        server_id=SERVER,
        generation=7,
        user="alice",
        prefix="/user/alice/",
        hub_api_url="http://hub.hubernate.svc:8081/hub/api",
        client_id="jupyterhub-user-alice",
        hub_token=CANARY,
        callback_path="/user/alice/oauth_callback",
        access_scopes=("access:servers!server=alice/",),
        service_url="http://service.hubernate.svc:8082/services/hubernate",
        relay_token=CANARY + "-relay",
    )


def an_admission(**changes: Any) -> AdmissionSpec:
    values: dict[str, Any] = {
        "instance": "hub1",
        "registry": REGISTRY,
        "repositories": (f"{REGISTRY}/profiles", f"{REGISTRY}/platform/gate"),
    }
    return AdmissionSpec(**(values | changes))
