"""Kubernetes' grammar of names, label keys and values, resource names and networks, checked before anything is sent.

Source: k8s.io/apimachinery/pkg/util/validation/validation.go; resource names: pkg/apis/core/helper/helpers.go.
"""

import ipaddress
import re
from collections.abc import Mapping

from .errors import InvalidInput, shorten

_DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_LABEL_PART = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_SUBDOMAIN_MAX = 253

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_dns_label(text: str, field: str) -> str:
    """`text` if it is an RFC 1123 label: 1 to 63 of a-z, 0-9 and ``-``, a letter or digit at both ends.

    Raises:
        InvalidInput: it is not.
    """
    if not _DNS_LABEL.fullmatch(text):
        raise InvalidInput(field, f"{shorten(text, 70)!r}: use 1 to 63 lower-case letters, digits and inner hyphens")
    return text


def check_dns_subdomain(text: str, field: str) -> str:
    """`text` if it is an RFC 1123 subdomain: labels joined by dots, at most 253 characters.

    Raises:
        InvalidInput: it is not.
    """
    if len(text) > _SUBDOMAIN_MAX or not all(_DNS_LABEL.fullmatch(part) for part in text.split(".")):
        raise InvalidInput(field, f"{shorten(text, 70)!r} is not a name such as 'fast-ssd' or 'gpu.example.com'")
    return text


def check_label_key(text: str, field: str) -> str:
    """`text` if it is a label key: ``name`` or ``domain/name``.

    Raises:
        InvalidInput: it is not.
    """
    prefix, slash, name = text.rpartition("/")
    if not _LABEL_PART.fullmatch(name) or bool(slash) != bool(prefix):
        raise InvalidInput(field, f"{shorten(text, 70)!r} is not a label key such as 'example.com/pool'")
    if prefix:
        check_dns_subdomain(prefix, field)
    return text


def check_label_value(text: str, field: str) -> str:
    """`text` if it is a label's value: empty, or up to 63 letters, digits and inner ``-_.`` (B08: no ``,`` or ``=``).

    Raises:
        InvalidInput: it is not.
    """
    if text and not _LABEL_PART.fullmatch(text):
        raise InvalidInput(field, f"{shorten(text, 70)!r}: use up to 63 letters, digits and inner '-', '_' and '.'")
    return text


def check_labels(labels: Mapping[str, str], field: str) -> None:
    """Refuse labels of which a key or a value is none.

    Raises:
        InvalidInput: as `check_label_key` and `check_label_value`.
    """
    for key, value in labels.items():
        check_label_key(key, field)
        check_label_value(value, field)


def check_device(text: str, field: str) -> str:
    """`text` if it names an extended resource, such as ``nvidia.com/gpu``; Kubernetes' own domain is not one.

    Raises:
        InvalidInput: it does not.
    """
    domain, _, _ = check_label_key(text, field).rpartition("/")
    if not domain or domain.endswith("kubernetes.io") or domain.startswith("requests."):
        raise InvalidInput(field, f"{shorten(text, 70)!r} is not an extended resource such as 'nvidia.com/gpu'")
    return text


def parse_network(text: str, field: str) -> Network:
    """The network that `text` means: ``10.0.0.0/8`` or ``fd00::/8``, without host bits.

    Raises:
        InvalidInput: no prefix length, host bits set, zero-padded, IPv4-mapped, scoped, or no address at all.
    """
    try:
        network = ipaddress.ip_network(text) if "/" in text else None
    except ValueError:
        network = None
    if network is None or str(network) != text or getattr(network.network_address, "ipv4_mapped", None) is not None:
        raise InvalidInput(field, f"{shorten(text, 50)!r} is not a network such as '10.20.0.0/16' or 'fd12::/48'")
    return network
