"""What this node's agent sees, as one JSON object: for `hubernate doctor --kubernetes`, run in the agent's pod.

It takes the agent's own arguments, so that it looks at what the agent uses.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from hubernate_core.errors import HubernateError, NotFound

from .agent import AgentApplication, open_registry
from .capture.connect import connect
from .capture.look import cgroup_problem, snapshotters
from .config import CheckpointAgent


def look(settings: CheckpointAgent) -> dict[str, Any]:
    """Facts by name: ``clock`` (seconds), ``free``/``total`` (bytes); elsewhere a problem in words, empty for none."""
    disk = shutil.disk_usage(settings.state_dir)
    seen: list[str] = []
    engine = changes = ""
    try:
        connect(settings, lambda: None).check_supported()
        seen, changes = snapshotters(settings.containerd_socket, settings.host_root)
    except HubernateError as problem:
        engine = problem.message
    pods = Path(f"{settings.host_root}{settings.kubelet_dir}/pods")
    return {
        "clock": time.time(),
        "free": disk.free,
        "total": disk.total,
        "engine": engine,
        "snapshotters": seen,
        "changes": changes,
        "cgroups": cgroup_problem(Path(f"{settings.host_root}/sys/fs/cgroup")),
        "kubelet": "" if any(pods.glob("*/volumes")) else f"{pods} holds no pods: is it the kubelet's folder?",
        "registry": _registry_problem(settings),
    }


def _registry_problem(settings: CheckpointAgent) -> str:
    try:
        registry = open_registry(settings, timeout_s=5)
    except HubernateError as problem:
        return problem.message
    try:
        registry.manifest("hubernate/doctor", "none")
    except NotFound:
        return ""  # it answered, and took the login where it wants one
    except HubernateError as problem:
        return f"{registry.url}: {problem.message}"
    finally:
        registry.close()
    return ""


class LookApplication(AgentApplication):
    """The agent's command line, for one look."""

    name = "hubernate-agent-look"

    def start(self) -> None:
        """Print what is seen."""
        sys.stdout.write(json.dumps(look(CheckpointAgent(parent=self))) + "\n")


def main() -> None:
    """Entry point."""
    LookApplication.launch_instance()
