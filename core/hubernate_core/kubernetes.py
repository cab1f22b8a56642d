"""Settings that exist on Kubernetes only: of the cluster, of a tenant, and what one start gets of both (0002)."""

import ipaddress
import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .errors import InvalidInput, shorten
from .grammar import (
    Network,
    check_device,
    check_dns_label,
    check_dns_subdomain,
    check_label_key,
    check_label_value,
    parse_network,
)
from .quantity import Bytes, MilliCpu

_SELINUX_LEVEL = re.compile(r"s\d{1,2}(-s\d{1,2})?(:c\d{1,4}([.,]c\d{1,4})*)?", re.ASCII)
METADATA_NETWORKS: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::254/128", "fe80::/10")
)
"""Where clouds answer with a node's credentials: link-local (all of them), Azure, Alibaba, AWS over IPv6."""

AccessMode = Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Destination(_Settings):
    """A network that notebooks may reach although it is closed otherwise: a mirror, a database, object storage."""

    network: str = Field(description="10.20.0.0/16, or one address as 10.20.3.4/32")
    ports: tuple[int, ...] = Field((), description="TCP ports; empty: every port and protocol")

    @model_validator(mode="after")
    def _check(self) -> Self:
        network = parse_network(self.network, "destinations.network")
        for closed in METADATA_NETWORKS:
            if network.version == closed.version and network.overlaps(closed):
                raise InvalidInput(
                    "destinations.network", f"{self.network} holds {closed}, where clouds hand out credentials"
                )
        if not all(1 <= port <= 65535 for port in self.ports):
            raise InvalidInput("destinations.ports", "a port is a number from 1 to 65535")
        return self


class Dns(_Settings):
    """Where pods ask for names."""

    namespace: str = "kube-system"
    labels: dict[str, str] = Field({"k8s-app": "kube-dns"}, description="labels of the DNS pods, CoreDNS' by default")
    networks: tuple[str, ...] = Field((), description="addresses that are no pods: 169.254.20.10/32 (node-local)")
    ports: tuple[int, ...] = Field((53,), description="ports that these listen on themselves; OpenShift: 5353")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_dns_label(self.namespace, "dns.namespace")
        for key, value in self.labels.items():
            check_label_key(key, "dns.labels")
            check_label_value(value, "dns.labels")
        for network in self.networks:
            parse_network(network, "dns.networks")
        if not self.ports or not all(1 <= port <= 65535 for port in self.ports):
            raise InvalidInput("dns.ports", "name at least one port from 1 to 65535")
        return self


class Cluster(_Settings):
    """`kubernetes` of ``platform.json``: what this platform has to know of its cluster."""

    namespace: str = Field("hubernate", description="the platform's own namespace")
    pod_security_version: str = Field("v1.36", description="version of Pod Security 'restricted' that tenants get")
    closed_networks: tuple[str, ...] = Field(
        (), description="node, pod and service networks that are not private already: never reachable as 'internet'"
    )
    destinations: tuple[Destination, ...] = Field((), description="what every tenant may reach, such as mirrors")
    dns: Dns = Dns()
    devices: tuple[str, ...] = Field(
        ("nvidia.com/gpu", "amd.com/gpu"), description="extended resources that a tenant has only if its quota says so"
    )
    image_repositories: tuple[str, ...] = Field(
        (),
        description="registry/path that every tenant may run images from: profiles, the gate; without trailing slash",
    )
    gate_cpu: MilliCpu = Field(500, description="limit of a gate; a tenth of it is reserved", validate_default=False)
    gate_memory: Bytes = Field(128 * 1024**2, description="limit of a gate, all of it reserved", validate_default=False)
    save_grace_s: int = Field(
        600, ge=30, le=86_400, description="seconds a save may take when somebody deletes or evicts the pod"
    )
    user_namespaces: bool = Field(False, description="nodes offer them: Linux 6.3, containerd 2.0, runc 1.2 or newer")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_dns_label(self.namespace, "kubernetes.namespace")
        if not re.fullmatch(r"v1\.[1-9][0-9]?", self.pod_security_version, re.ASCII):
            raise InvalidInput("kubernetes.pod_security_version", "pin it: 'v1.36', never 'latest'")
        for network in self.closed_networks:
            if parse_network(network, "kubernetes.closed_networks").prefixlen < 4:
                raise InvalidInput(
                    "kubernetes.closed_networks", f"{network} is nearly everything; set 'internet' to false"
                )
        for device in self.devices:
            check_device(device, "kubernetes.devices")
        return self


class TenantKubernetes(_Settings):
    """`kubernetes` of a tenant."""

    internet: bool = Field(True, description="may reach public addresses; private ones stay closed")
    destinations: tuple[Destination, ...] = Field((), description="closed networks that this tenant may reach")
    storage_class: str = Field("", description="StorageClass of homes; empty: the cluster's default")
    home_size: Bytes = Field(10 * 1024**3, description="bytes of a person's home; written '10Gi'")
    access_mode: AccessMode = Field(
        "ReadWriteOnce", description="of homes; ReadWriteMany lets one person's servers run on several nodes"
    )
    priority_class: str = Field("", description="PriorityClass of its notebooks; empty: the cluster's default")
    selinux_level: str = Field("", description="MCS level such as 's0:c123,c456': keeps tenants' files apart on a node")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_choices(self.storage_class, self.priority_class, self.selinux_level)
        return self


class Placement(_Settings):
    """What a ticket says on Kubernetes beside image and profile: where the pod goes and what it is tied to."""

    namespace: str = Field(description="the tenant's, prepared and ready")
    storage_class: str = Field("", description="of the home claim; empty: the cluster's default")
    home_size: int = Field(gt=0, description="of the home claim, bytes")
    access_mode: AccessMode = "ReadWriteOnce"
    prefer_node: str = Field("", description="node where the image is ready; empty: no node is better than another")
    pull_secret: str = Field("", description="Secret in the namespace with the registry's credentials; empty: none")
    priority_class: str = ""
    selinux_level: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_dns_label(self.namespace, "placement.namespace")
        for name, field in ((self.prefer_node, "prefer_node"), (self.pull_secret, "pull_secret")):
            if name:
                check_dns_subdomain(name, f"placement.{field}")
        _check_choices(self.storage_class, self.priority_class, self.selinux_level)
        return self


def _check_choices(storage_class: str, priority_class: str, selinux_level: str) -> None:
    if storage_class:
        check_dns_subdomain(storage_class, "kubernetes.storage_class")
    if priority_class:
        check_dns_subdomain(priority_class, "kubernetes.priority_class")
        if priority_class.startswith("system-"):
            raise InvalidInput("kubernetes.priority_class", f"{priority_class!r} is for the cluster's own pods")
    if selinux_level and not _SELINUX_LEVEL.fullmatch(selinux_level):
        raise InvalidInput("kubernetes.selinux_level", f"{shorten(selinux_level, 40)!r} is not a level: 's0:c123,c456'")
