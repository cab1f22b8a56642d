"""What a profile asks of a Kubernetes cluster: devices, nodes, guarantees. Part of the catalogue; users never write it.

Everything else about a pod (privileges, volumes, service account, host, node name, extra containers) is not here, and
an unknown field is refused: nothing can be smuggled through a profile (B15).
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from .errors import InvalidInput
from .grammar import check_device, check_dns_subdomain, check_label_key, check_label_value
from .quantity import Bytes, MilliCpu, parse_count

_CLUSTER_TAINTS = ("node.kubernetes.io/", "node-role.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
_DEVICES_MAX = 64

DeviceCount = Annotated[int, BeforeValidator(lambda text: parse_count(text, "devices", _DEVICES_MAX))]


class Toleration(BaseModel):
    """A node's taint that does not keep the notebook away. Source: core/v1 Toleration."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(
        "NoSchedule", description="one effect; Kubernetes' empty value, every effect, is not offered"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        field = "kubernetes.tolerations"
        check_label_key(self.key, field)
        check_label_value(self.value, field)
        if self.key.startswith(_CLUSTER_TAINTS):
            raise InvalidInput(field, f"{self.key!r} is the cluster's own: it says that a node is not for notebooks")
        if self.operator == "Exists" and self.value:
            raise InvalidInput(field, f"{self.key!r}: 'Exists' takes no value")
        return self


class Scheduling(BaseModel):
    """`kubernetes` of a profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    devices: dict[str, DeviceCount] = Field({}, description="extended resources by name: {'nvidia.com/gpu': 1}")
    cpu_guarantee: MilliCpu | None = Field(None, description="cores reserved on the node; default: the profile's limit")
    memory_guarantee: Bytes | None = Field(None, description="bytes reserved on the node; default: the limit")
    disk: Bytes = Field(
        50 * 1024**3,
        description="most bytes outside the home: changes to the environment, /tmp, logs. Above it the kubelet evicts"
        " the pod at once, without waiting for a save, so the default is more than a save ever takes",
    )
    disk_guarantee: Bytes = Field(1024**3, description="of these, bytes that the node must have free at the start")
    node_selector: dict[str, str] = Field({}, description="labels that a node must have")
    tolerations: tuple[Toleration, ...] = ()
    runtime_class: str = Field("", description="RuntimeClass, such as one of a sandboxed runtime")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for device, count in self.devices.items():
            check_device(device, "kubernetes.devices")
            if not count:
                raise InvalidInput("kubernetes.devices", f"{device!r}: leave out what is not needed")
        for key, value in self.node_selector.items():
            check_label_key(key, "kubernetes.node_selector")
            check_label_value(value, "kubernetes.node_selector")
        if self.runtime_class:
            check_dns_subdomain(self.runtime_class, "kubernetes.runtime_class")
        if self.disk_guarantee > self.disk:
            raise InvalidInput("kubernetes.disk_guarantee", "is more than 'disk', the limit")
        return self

    def check_within(self, cpu: int, memory: int) -> None:
        """Refuse a guarantee above the profile's limits (thousandths of a core, bytes).

        Raises:
            InvalidInput: naming the guarantee.
        """
        if self.cpu_guarantee is not None and self.cpu_guarantee > cpu:
            raise InvalidInput("kubernetes.cpu_guarantee", "is more than the profile's 'cpu', the limit")
        if self.memory_guarantee is not None and self.memory_guarantee > memory:
            raise InvalidInput("kubernetes.memory_guarantee", "is more than the profile's 'memory', the limit")
