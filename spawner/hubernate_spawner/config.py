"""The spawners' settings: ``c.TenantDockerSpawner.…``. Everything has a default but what only this machine knows."""

from collections.abc import Mapping
from typing import Any

from traitlets import Dict, Float, HasTraits, Integer, Unicode, validate
from traitlets.utils.bunch import Bunch

from hubernate_core.names import check_instance

from .plan import Facts


class PlatformSettings(HasTraits):  # type: ignore[misc]
    """Where the platform service is and what every notebook of this installation gets, on every engine."""

    instance = Unicode(
        "hubernate",
        help="Name of this installation on the engine, up to 20 of a-z, 0-9 and '-'. Default 'hubernate'. It prefixes"
        " every object that is made, so that two installations on one engine never meet.",
    ).tag(config=True)
    gate_image = Unicode(
        help="Image of the gate, by reference. No default: it is built with the installation. The gate stands between"
        " the network and the notebook and holds the server's Hub token."
    ).tag(config=True)
    gate_memory_mb = Integer(
        128, min=32, help="Memory limit of a gate, MiB. Default 128: it needs about 40, uploads are streamed."
    ).tag(config=True)
    service_url = Unicode(
        "http://127.0.0.1:8082/services/hubernate",
        help="Address of the platform service with its prefix, as the hub reaches it. It decides every start and stop.",
    ).tag(config=True)
    service_token_file = Unicode(
        help="File (0600) with the spawner's token for the platform service. No default. A file, so that no secret"
        " stands in a configuration or an environment; read again whenever the service refuses the old token."
    ).tag(config=True)
    mirrors_env = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Environment that points package managers at mirrors, for every notebook. Default empty. A profile's own"
        " environment wins over it.",
    ).tag(config=True)

    @validate("instance")  # type: ignore[untyped-decorator]
    def _check_instance(self, proposal: Bunch) -> str:
        return check_instance(proposal.value)


class DockerSettings(PlatformSettings):
    """What an installation on one machine has to know of it."""

    node = Unicode(
        "local",
        help="Name of this machine, as its agent calls itself. Default 'local'. Saves are given to the agent of the"
        " node where the container runs.",
    ).tag(config=True)
    ca_bundle = Unicode(
        help="Path on this machine of a PEM bundle to trust in notebooks. Default empty: the image's own. Mounted"
        " read-only, never copied into a checkpoint."
    ).tag(config=True)
    docker_url = Unicode(
        help="Docker Engine's address, such as unix:///var/run/docker.sock. Default empty: DOCKER_HOST or the usual"
        " socket."
    ).tag(config=True)
    docker_timeout_s = Integer(
        60, help="Seconds after which one engine call is given up. Default 60. Pulls are bounded by patience_s instead."
    ).tag(config=True)
    patience_s = Float(
        600,
        min=1,
        help="Seconds a start may take before it is given up. Default 600: a resume may pull an image. Time in the"
        " queue and for the save of the previous session is not counted.",
    ).tag(config=True)
    docker_workers = Integer(
        16,
        min=2,
        help="Threads for engine calls, shared by all users. Default 16: the engine serves about that many calls at"
        " once, and a slow one must not hold up another person's.",
    ).tag(config=True)
    log_max_mb = Integer(
        10,
        min=1,
        help="Engine log kept per container, MiB, twice. Default 10: an endless print must not fill the disk.",
    ).tag(config=True)

    def facts(self, gate_settings: Mapping[str, Any]) -> Facts:
        """The settings that shape containers; `gate_settings` is `c.Gate`, which travels in the gate file."""
        return Facts(
            instance=self.instance,
            gate_image=self.gate_image,
            mirrors=dict(self.mirrors_env),
            ca_bundle=self.ca_bundle,
            gate_settings=dict(gate_settings),
            gate_memory=self.gate_memory_mb * 1024**2,
            log_bytes=self.log_max_mb * 1024**2,
        )
