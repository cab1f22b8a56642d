"""Who may talk to a tenant's pods, and whom they may reach: nobody, but for what stands here.

Two policies: one closes the namespace, one opens it for notebooks. Rules name pods by namespace and component, both
labels that only an admin of the cluster writes. Traffic of a node to its own pods (probes) passes any policy.
"""

import ipaddress
from collections.abc import Iterable, Mapping

from .. import names
from ..gate_file import GATE_PORT
from ..grammar import Network
from ..kubernetes import METADATA_NETWORKS, Cluster, Destination, Dns, TenantKubernetes
from .objects import HUB, HUB_PORT, PROXY, SERVICE, SERVICE_PORT, JsonObject, make_object

NOTEBOOK_ROLE = "notebook"
_API = "networking.k8s.io/v1"
_NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""Set by the API server itself; nobody can give it to another namespace."""
_INTERNET: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("2000::/3"))
"""All public addresses are in these. IPv6 beyond 2000::/3 is private, local, or IPv4 in disguise (NAT64)."""
_SPECIAL: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared address space: pods and services of some clouds, and Alibaba's metadata
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "2001::/23",  # Teredo and other tunnels
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",
    )
)
"""Networks among them that are not public. Source: IANA Special-Purpose Address Registries (RFC 6890)."""


def make_policies(
    namespace: str, labels: Mapping[str, str], cluster: Cluster, settings: TenantKubernetes
) -> tuple[JsonObject, JsonObject]:
    """The two policies of a tenant's namespace."""
    closed = make_object(_API, "NetworkPolicy", "closed", namespace, labels)
    notebook = make_object(_API, "NetworkPolicy", "notebook", namespace, labels)
    both = ["Ingress", "Egress"]
    return (
        closed | {"spec": {"podSelector": {}, "policyTypes": both}},
        notebook
        | {
            "spec": {
                "podSelector": {"matchLabels": {names.KUBE_ROLE: NOTEBOOK_ROLE}},
                "policyTypes": both,
                "ingress": [_rule("from", [_pods(cluster, PROXY), _pods(cluster, HUB)], tcp=(GATE_PORT,))],
                "egress": [
                    _dns(cluster.dns),
                    _rule("to", [_pods(cluster, SERVICE)], tcp=(SERVICE_PORT,)),
                    _rule("to", [_pods(cluster, HUB)], tcp=(HUB_PORT,)),
                    *map(_destination, (*cluster.destinations, *settings.destinations)),
                    *([_internet(cluster)] if settings.internet else []),
                ],
            }
        },
    )


def internet(cluster: Cluster) -> dict[str, list[str]]:
    """Public addresses: a network to the networks in it that stay closed, the fewest that cover them."""
    closed = (*_SPECIAL, *METADATA_NETWORKS, *map(ipaddress.ip_network, cluster.closed_networks))
    return {str(public): [str(each) for each in _inside(public, closed)] for public in _INTERNET}


def _inside(public: Network, closed: Iterable[Network]) -> list[Network]:
    """The parts of `closed` in `public`; Kubernetes refuses an exception outside of what it is excepted from."""
    if isinstance(public, ipaddress.IPv4Network):
        return list(ipaddress.collapse_addresses(each for each in closed if each.version == 4))
    return list(
        ipaddress.collapse_addresses(
            each for each in closed if isinstance(each, ipaddress.IPv6Network) and each.subnet_of(public)
        )
    )


def _rule(side: str, peers: list[JsonObject], tcp: tuple[int, ...] = (), udp: tuple[int, ...] = ()) -> JsonObject:
    """One rule. `side` is ``from`` or ``to``; without ports it holds for all of them."""
    ports = [
        {"protocol": protocol, "port": port}
        for protocol, numbers in (("UDP", udp), ("TCP", tcp))
        for port in numbers
    ]  # fmt: skip
    return {side: peers} | ({"ports": ports} if ports else {})


def _pods(cluster: Cluster, component: str) -> JsonObject:
    return {
        "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: cluster.namespace}},
        "podSelector": {"matchLabels": {names.COMPONENT: component}},
    }


def _dns(dns: Dns) -> JsonObject:
    pods = {
        "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: dns.namespace}},
        "podSelector": {"matchLabels": dict(dns.labels)},
    }
    return _rule("to", [pods, *({"ipBlock": {"cidr": each}} for each in dns.networks)], tcp=dns.ports, udp=dns.ports)


def _destination(destination: Destination) -> JsonObject:
    return _rule("to", [{"ipBlock": {"cidr": destination.network}}], tcp=destination.ports)


def _internet(cluster: Cluster) -> JsonObject:
    return _rule("to", [{"ipBlock": {"cidr": cidr, "except": closed}} for cidr, closed in internet(cluster).items()])
