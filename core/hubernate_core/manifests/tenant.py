"""A tenant's namespace and everything the platform keeps in it, in the order in which it is applied."""

from dataclasses import dataclass, field

from .. import names
from ..kubernetes import Cluster, TenantKubernetes
from ..names import TenantId
from ..quantity import format_bytes, format_millicpu
from ..quota import Quota
from . import access, network
from .objects import JsonObject, make_object

_POD_SECURITY = "pod-security.kubernetes.io"


@dataclass(frozen=True)
class TenantSpec:
    """All that a tenant's objects are made of.

    Args:
        tenant_name: shown in an annotation, nowhere else.
        pull_credentials: content of a ``.dockerconfigjson`` for the registry, the tenant's own; empty: none.
        ca_bundle: PEM that notebooks trust; empty: none.
    """

    instance: str
    tenant_id: TenantId
    tenant_name: str
    cluster: Cluster
    quota: Quota = field(default_factory=Quota)
    settings: TenantKubernetes = field(default_factory=TenantKubernetes)
    pull_credentials: str = field(default="", repr=False)
    ca_bundle: str = ""

    @property
    def namespace(self) -> str:
        """The namespace's name. Raises InvalidInput where an id or the instance is malformed."""
        return names.tenant_namespace(self.instance, self.tenant_id)

    @property
    def labels(self) -> dict[str, str]:
        """On the namespace and everything in it. A namespace without them is never adopted."""
        return {names.KUBE_INSTANCE: self.instance, names.KUBE_TENANT: self.tenant_id}


def make_tenant(spec: TenantSpec) -> tuple[JsonObject, ...]:
    """Every object of a tenant: the namespace first, then what limits it, and the hub's rights last.

    Raises:
        InvalidInput: an id or the instance is malformed, or the CA bundle is no PEM.
    """
    space, labels = spec.namespace, spec.labels
    made = [
        make_namespace(spec),
        make_quota(spec),
        make_limits(spec),
        *network.make_policies(space, labels, spec.cluster, spec.settings),
        access.make_service_account(space, labels),
    ]
    if spec.pull_credentials:
        made.append(access.make_pull_secret(space, labels, spec.pull_credentials))
    if spec.ca_bundle:
        made.append(access.make_ca_bundle(space, labels, spec.ca_bundle))
    return (*made, access.make_hub_binding(space, labels, spec.instance, spec.cluster.namespace))


def make_namespace(spec: TenantSpec) -> JsonObject:
    """The namespace, with Pod Security ``restricted`` of a pinned version: an upgrade of the cluster changes none."""
    security = {
        f"{_POD_SECURITY}/{mode}{suffix}": value
        for mode in ("enforce", "audit", "warn")
        for suffix, value in (("", "restricted"), ("-version", spec.cluster.pod_security_version))
    }
    shown = {names.SHOW_TENANT_NAME: spec.tenant_name}
    return make_object("v1", "Namespace", spec.namespace, labels=spec.labels | security, annotations=shown)


def make_quota(spec: TenantSpec) -> JsonObject:
    """The backstop behind the ledger, which decides. Gates come on top: a tenant's quota counts notebooks only."""
    quota, cluster = spec.quota, spec.cluster
    hard = {
        "pods": str(quota.servers),
        "persistentvolumeclaims": str(quota.homes),
        "services.nodeports": "0",
        "services.loadbalancers": "0",
    }
    if quota.cpu is not None:
        cpu = format_millicpu(quota.cpu + quota.servers * cluster.gate_cpu)
        hard |= {"requests.cpu": cpu, "limits.cpu": cpu}
    if quota.memory is not None:
        memory = format_bytes(quota.memory + quota.servers * cluster.gate_memory)
        hard |= {"requests.memory": memory, "limits.memory": memory}
    if quota.storage is not None:
        hard["requests.storage"] = format_bytes(quota.storage)
    granted = dict.fromkeys(cluster.devices, 0) | quota.devices
    hard |= {f"requests.{device}": str(count) for device, count in sorted(granted.items())}
    made = make_object("v1", "ResourceQuota", "tenant", spec.namespace, spec.labels)
    return made | {"spec": {"hard": hard}}


def make_limits(spec: TenantSpec) -> JsonObject:
    """Limits for containers that name none, such as one that an admin adds for a look; ours name their own."""
    default = {"cpu": "500m", "memory": "512Mi", "ephemeral-storage": "1Gi"}
    reserved = {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "64Mi"}
    limits = [{"type": "Container", "default": default, "defaultRequest": reserved}]
    made = make_object("v1", "LimitRange", "tenant", spec.namespace, spec.labels)
    return made | {"spec": {"limits": limits}}
