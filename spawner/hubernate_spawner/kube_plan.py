"""From a ticket to what a start makes on Kubernetes: pure. The manifests themselves are `hubernate_core.manifests`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hubernate_core import names
from hubernate_core.errors import Broken
from hubernate_core.gate_file import GateFile
from hubernate_core.kubernetes import Cluster
from hubernate_core.manifests.server import ServerSpec
from hubernate_core.notebook import CA_BUNDLE
from hubernate_core.server import Ticket

from .inside import make_gate_file, notebook_env


@dataclass(frozen=True)
class KubeFacts:
    """What this installation adds to every start."""

    instance: str
    gate_image: str
    cluster: Cluster = field(default_factory=Cluster)
    mirrors: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: bool = False
    gate_settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class KubePlan:
    """Everything that one start makes: `spec` for pod, Secret and claim; the gate's file for the Secret alone."""

    spec: ServerSpec
    gate_file: GateFile

    @property
    def namespace(self) -> str:
        """Where all of it goes."""
        return self.spec.placement.namespace


def make_plan(ticket: Ticket, hub_env: Mapping[str, str], facts: KubeFacts) -> KubePlan:
    """What one start makes.

    Args:
        ticket: the platform service's answer; the namespace is its, never one that the hub remembers.
        hub_env: ``Spawner.get_env()``; its values go to the gate's file and nowhere else, the path prefix excepted.

    Raises:
        Broken: the ticket is for Docker, or names another namespace than this tenant's; nothing was made.
    """
    placement = ticket.placement
    if placement is None:
        raise Broken(
            "the platform service gave a ticket for Docker; its 'backend' has to be 'kubernetes', like the hub's"
        )
    expected = names.tenant_namespace(facts.instance, ticket.tenant_id)
    if placement.namespace != expected:
        raise Broken(f"the ticket names namespace {placement.namespace!r}, this platform calls it {expected!r}")
    gate_file = make_gate_file(ticket, hub_env, facts.gate_settings)
    spec = ServerSpec(
        instance=facts.instance,
        tenant_id=ticket.tenant_id,
        owner_id=ticket.owner_id,
        server_id=ticket.server_id,
        generation=ticket.generation,
        profile=ticket.profile,
        image=ticket.image,
        gate_image=facts.gate_image,
        placement=placement,
        cluster=facts.cluster,
        env=notebook_env(ticket, gate_file.prefix, facts.mirrors, CA_BUNDLE if facts.ca_bundle else ""),
        ca_bundle=facts.ca_bundle,
        shown=_shown(ticket, gate_file),
    )
    return KubePlan(spec, gate_file)


def _shown(ticket: Ticket, gate_file: GateFile) -> dict[str, str]:
    """Annotations for people who look with kubectl."""
    shown = {
        names.SHOW_USER: gate_file.user,
        names.SHOW_SERVER_NAME: gate_file.server_name,
        names.SHOW_PROFILE: ticket.profile.name,
        names.SHOW_CHECKPOINT: ticket.checkpoint.id if ticket.checkpoint is not None else "",
    }
    return {key: value for key, value in shown.items() if value}
