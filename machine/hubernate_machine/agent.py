"""The checkpointer agent's container on this machine."""

from collections.abc import Mapping
from typing import Any

import docker

from hubernate_core.names import INSTANCE_LABEL, LABEL_PREFIX, ROLE_LABEL
from hubernate_core.platform_file import Platform

from .layout import NODE, Layout

SPEC_LABEL = f"{LABEL_PREFIX}.agent-spec"
STOP_S = 30
MEMORY = 512 * 1024**2
CAPABILITIES = ["DAC_READ_SEARCH", "DAC_OVERRIDE", "SYS_ADMIN"]
"""Files of any owner in the engine's storage; a state folder of another uid; ``trusted.overlay.*`` attributes, which
only SYS_ADMIN reads (xattr(7)) and without which an emptied folder looks like an unchanged one."""


def name(instance: str) -> str:
    """Engine name of the agent's container."""
    return f"{instance}-agent"


def body(platform: Platform, layout: Layout, docker_root: str) -> dict[str, Any]:
    """What the container is made of, in the docker SDK's words.

    Host network: it reaches the service on the bridge and the registry on loopback. It listens on nothing but a
    socket in its state folder. The engine's storage is read-only to it.
    """
    settings = {
        "instance": platform.instance,
        "node": platform.node,
        "service_url": f"http://{platform.bridge_address}:{platform.ports.service}/services/hubernate",
        "registry": platform.registry,
        "token_file": "/secrets/agent-token",
        "state_dir": "/state",
    }
    return {
        "name": name(platform.instance),
        "image": platform.images.agent,
        "command": [f"--CheckpointAgent.{name}={value}" for name, value in settings.items()],
        "labels": {INSTANCE_LABEL: platform.instance, ROLE_LABEL: "agent"},
        "network_mode": "host",
        "restart_policy": {"Name": "unless-stopped"},
        "cap_drop": ["ALL"],
        "cap_add": CAPABILITIES,
        "security_opt": ["no-new-privileges", "apparmor=unconfined"],
        "mem_limit": MEMORY,
        "memswap_limit": MEMORY,
        "pids_limit": 512,
        "user": "0:0",
        "volumes": {
            "/var/run/docker.sock": {"bind": "/var/run/docker.sock", "mode": "rw"},
            docker_root: {"bind": docker_root, "mode": "ro,rslave"},
            str(layout.folder("agent")): {"bind": "/state", "mode": "rw"},
            str(layout.secret(f"agent-{NODE}-token")): {"bind": "/secrets/agent-token", "mode": "ro"},
        },
        "log_config": {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}},
    }


def find(client: docker.DockerClient, instance: str) -> Any | None:
    """The agent's container, or None."""
    try:
        return client.containers.get(name(instance))
    except docker.errors.NotFound:
        return None


def ensure_agent(client: docker.DockerClient, wanted: Mapping[str, Any], spec: str) -> bool:
    """Have the agent run as `wanted`; whether it was made or started.

    An agent in the middle of a save is given `STOP_S` seconds; its journal lets the new one go on where it was.

    Args:
        spec: digest of `wanted`, kept as a label.
    """
    present = find(client, wanted["labels"][INSTANCE_LABEL])
    if present is not None and present.labels.get(SPEC_LABEL) == spec:
        if present.status == "running":
            return False
        present.start()
        return True
    if present is not None:
        present.stop(timeout=STOP_S)
        present.remove()
    made = dict(wanted)
    made["log_config"] = docker.types.LogConfig(**wanted["log_config"])
    made["labels"] = {**wanted["labels"], SPEC_LABEL: spec}
    client.containers.run(made.pop("image"), detach=True, **made)
    return True


def stop(client: docker.DockerClient, instance: str, *, remove: bool = False) -> None:
    """Stop the agent; its state folder stays."""
    present = find(client, instance)
    if present is not None:
        present.stop(timeout=STOP_S)
        if remove:
            present.remove()
