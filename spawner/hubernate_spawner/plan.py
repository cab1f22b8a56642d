"""From a ticket to two containers, a network, a volume and a gate file: pure, no engine, no hub, no clock.

What is decided here and nowhere else: what a container is called, and what it is told. What it may do is the core's
(`hubernate_core.manifests.docker`), the same for jobs. Names and labels are made of ids alone; user text reaches the
gate file and one URL path, and no template.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hubernate_core import names
from hubernate_core.errors import Broken
from hubernate_core.gate_file import GATE_PORT, GATE_UID, GateFile
from hubernate_core.image_ref import parse_image
from hubernate_core.manifests.docker import (
    NOTEBOOK_USER,
    ContainerSpec,
    JsonObject,
    NetworkSpec,
    ca_mount,
    environment,
    for_user_code,
    hardened,
    home_mount,
    tenant_network,
)
from hubernate_core.notebook import CA_BUNDLE
from hubernate_core.server import Ticket

from .inside import make_gate_file, notebook_env

_MIB = 1024**2


@dataclass(frozen=True)
class Facts:
    """What this installation adds to every start. Sizes in bytes."""

    instance: str
    gate_image: str
    mirrors: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: str = ""
    gate_settings: Mapping[str, Any] = field(default_factory=dict)
    gate_memory: int = 128 * _MIB
    log_bytes: int = 10 * _MIB


@dataclass(frozen=True)
class VolumeSpec:
    """A person's home in one tenant."""

    name: str
    labels: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """Everything that one start makes."""

    network: NetworkSpec
    volume: VolumeSpec
    gate: ContainerSpec
    notebook: ContainerSpec
    gate_file: GateFile


def make_plan(ticket: Ticket, hub_env: Mapping[str, str], facts: Facts) -> Plan:
    """What one start makes.

    Args:
        ticket: the platform service's answer.
        hub_env: ``Spawner.get_env()``; its values go to the gate file and nowhere else, the path prefix excepted.
        facts: this installation's.

    Raises:
        Broken: ticket or hub environment contradict what this platform writes (an image without a digest, a foreign
            volume name); nothing was made.
    """
    labels = {
        names.INSTANCE_LABEL: names.check_instance(facts.instance),
        names.TENANT_LABEL: names.check_id(ticket.tenant_id, "tenant_id"),
    }
    server = labels | {
        names.SERVER_LABEL: names.check_id(ticket.server_id, "server_id"),
        names.GENERATION_LABEL: str(ticket.generation),
    }
    volume = names.home_volume(facts.instance, ticket.owner_id)
    if ticket.home_volume != volume:
        raise Broken(f"the ticket names volume {ticket.home_volume!r}, this platform calls it {volume!r}")
    gate_file = make_gate_file(ticket, hub_env, facts.gate_settings)
    network = make_network(ticket, facts)
    return Plan(
        network=network,
        volume=VolumeSpec(volume, labels | {names.ROLE_LABEL: "home"}),
        gate=_gate(ticket, facts, network.name, server),
        notebook=_notebook(ticket, facts, gate_file.prefix, server),
        gate_file=gate_file,
    )


def make_network(ticket: Ticket, facts: Facts) -> NetworkSpec:
    """The network of the ticket's tenant."""
    return tenant_network(facts.instance, ticket.tenant_id)


def _log(facts: Facts) -> JsonObject:
    return {"Type": "json-file", "Config": {"max-size": str(facts.log_bytes), "max-file": "2"}}


def _gate(ticket: Ticket, facts: Facts, network: str, labels: dict[str, str]) -> ContainerSpec:
    return ContainerSpec(
        name=names.gate_container(facts.instance, ticket.server_id, ticket.generation),
        body={
            "Image": facts.gate_image,
            "User": f"{GATE_UID}:{GATE_UID}",
            "Env": [],
            "ExposedPorts": {f"{GATE_PORT}/tcp": {}},
            "Labels": labels | {names.ROLE_LABEL: "gate"},
            "HostConfig": hardened(facts.gate_memory, 64, _log(facts)) | {"NetworkMode": network},
        },
    )


def _notebook(ticket: Ticket, facts: Facts, prefix: str, labels: dict[str, str]) -> ContainerSpec:
    parse_image(ticket.image, "ticket.image", need_digest=True)
    mounts = [home_mount(ticket.home_volume)]
    if facts.ca_bundle:
        mounts.append(ca_mount(facts.ca_bundle))
    gate = names.gate_container(facts.instance, ticket.server_id, ticket.generation)
    env = notebook_env(ticket, prefix, facts.mirrors, CA_BUNDLE if facts.ca_bundle else "")
    return ContainerSpec(
        name=names.notebook_container(facts.instance, ticket.server_id, ticket.generation),
        body={
            "Image": ticket.image,
            "User": NOTEBOOK_USER,
            "Env": environment(env),
            "Labels": labels | {names.ROLE_LABEL: "notebook"},
            "HostConfig": for_user_code(ticket.profile.resources, _log(facts))
            | {"NetworkMode": f"container:{gate}", "Mounts": mounts},
        },
    )
