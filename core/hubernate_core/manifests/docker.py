"""What the platform's containers on one Docker machine have in common. Pure; bodies are in the shape of Docker's Engine
API (``POST /containers/create``, 1.41), so that what a test compares is what the engine gets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import names
from ..names import TenantId
from ..notebook import CA_BUNDLE, HOME, NOTEBOOK_UID, shared_memory
from ..profile import Resources

NOTEBOOK_USER = f"{NOTEBOOK_UID}:{NOTEBOOK_UID}"
ICC = "com.docker.network.bridge.enable_icc"
BRIDGE = "com.docker.network.bridge.name"
_CA_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class NetworkSpec:
    """A tenant's network: a bridge whose containers cannot reach one another."""

    name: str
    options: JsonObject
    labels: dict[str, str]


@dataclass(frozen=True)
class ContainerSpec:
    """One container: its engine name and the body of ``POST /containers/create``."""

    name: str
    body: JsonObject

    @property
    def image(self) -> str:
        """The image reference it runs."""
        return str(self.body["Image"])


def tenant_network(instance: str, tenant: TenantId) -> NetworkSpec:
    """The network of a tenant."""
    return NetworkSpec(
        name=names.tenant_network(instance, tenant),
        options={ICC: "false", BRIDGE: names.tenant_bridge(tenant)},
        labels={names.INSTANCE_LABEL: instance, names.TENANT_LABEL: tenant},
    )


def hardened(memory: int, pids: int, log: JsonObject) -> JsonObject:
    """What every container of ours has in common: as little as possible. Default seccomp applies by not naming one.

    Args:
        memory: bytes, swap included.
        log: the engine's ``LogConfig``.
    """
    return {
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Privileged": False,
        "Memory": memory,
        "MemorySwap": memory,
        "PidsLimit": pids,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": log,
    }


def for_user_code(limits: Resources, log: JsonObject) -> JsonObject:
    """As `hardened`, with a profile's limits: what notebooks and jobs run in."""
    return hardened(limits.memory, limits.pids, log) | {
        "NanoCpus": limits.cpu * 1_000_000,
        "Init": True,
        "ShmSize": shared_memory(limits.memory),
    }


def home_mount(volume: str, *, read_only: bool = False) -> JsonObject:
    """A person's home."""
    return {"Type": "volume", "Source": volume, "Target": HOME} | ({"ReadOnly": True} if read_only else {})


def ca_mount(path: str) -> JsonObject:
    """The machine's CA bundle at `path`, for programs in the container."""
    return {"Type": "bind", "Source": path, "Target": CA_BUNDLE, "ReadOnly": True}


def trust(ca_bundle: str) -> dict[str, str]:
    """Variables that have programs believe `ca_bundle`, a path in the container; empty: the image's own."""
    return dict.fromkeys(_CA_VARIABLES, ca_bundle) if ca_bundle else {}


def environment(variables: Mapping[str, str]) -> list[str]:
    """`variables` as the engine takes them."""
    return [f"{name}={value}" for name, value in sorted(variables.items())]
