"""Which addresses a source may be at: public ones, and what the platform admin opened by name (B18). Pure.

It judges the address that is connected to, after the name was resolved, so that neither a second answer of the DNS
nor a redirect leads elsewhere.
"""

import ipaddress
import re
from dataclasses import dataclass

from .errors import InvalidInput, shorten
from .grammar import Network, parse_network

_METADATA = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.0.0/16",
            "fe80::/10",
            "fd00:ec2::/32",
            "100.100.100.200/32",
            "192.0.0.192/32",
            "168.63.129.16/32",
        ),
    )
)
"""Where clouds hand out a machine's identity: never opened as part of something larger."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1
_PORTS_CLOSED = frozenset({22, 23, 25, 111, 2049, 2375, 2376, 2379, 2380, 6443, 8001, 10250, 10255, 10257, 10259})
"""Remote shells, mail, engines, etcd, the API server, kubelets: closed unless opened with their port."""
_OPENING = re.compile(r"(?P<network>[0-9a-f.:]+/[0-9]{1,3})(?:,port=(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True)
class Opening:
    """A network that the platform admin opened, and the one port if only that."""

    network: Network
    port: int | None = None


def parse_opening(text: str, field: str = "open_networks") -> Opening:
    """The opening that `text` means: ``10.20.0.0/16`` or ``10.20.0.7/32,port=9000``.

    Raises:
        InvalidInput: it means none.
    """
    found = _OPENING.fullmatch(text)
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port is not None and not 1 <= port <= 65535):
        raise InvalidInput(field, f"{shorten(text, 60)!r} is not '10.20.0.0/16' or '10.20.0.7/32,port=9000'")
    return Opening(parse_network(found["network"], field), port)


def why_closed(address: str, port: int, openings: tuple[Opening, ...]) -> str:
    """Why nothing may connect to this numeric `address` and `port`; empty: it may."""
    try:
        found = _meant(address)
    except ValueError:
        return "not an address"
    hits = [each for each in openings if found.version == each.network.version and found in each.network]
    if any(found.version == net.version and found in net for net in _METADATA):
        exact = [each for each in hits if each.network.num_addresses == 1]
        return "" if _port_open(exact, port, named_only=True) else "an address where clouds hand out identities"
    if port in _PORTS_CLOSED and not _port_open(hits, port, named_only=True):
        return f"port {port} is closed"
    if found.is_global and not found.is_multicast and not getattr(found, "is_site_local", False):
        return ""
    return "" if _port_open(hits, port) else "an address inside this network, which the platform admin did not open"


def is_opened(address: str, port: int, openings: tuple[Opening, ...]) -> bool:
    """Whether the platform admin named this address: only there may a connection go without encryption."""
    found = _meant(address)
    return any(
        found.version == each.network.version and found in each.network and each.port in (None, port)
        for each in openings
    )


def _meant(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address, or the IPv4 one inside of it to which a gateway would lead: mapped, 6to4, or by NAT64."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv4Address):
        return found
    if found in _NAT64:
        return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found.sixtofour or found


def _port_open(hits: list[Opening], port: int, *, named_only: bool = False) -> bool:
    return any(each.port == port or (each.port is None and not named_only) for each in hits)
