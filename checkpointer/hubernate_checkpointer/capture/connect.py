"""The engine that the settings name."""

from collections.abc import Callable

from ..config import CheckpointAgent
from .engine import Engine

Login = Callable[[], tuple[str, str] | None]


def connect(settings: CheckpointAgent, login: Login) -> Engine:
    """This node's engine.

    Args:
        login: user and password for the registry, asked before each pull; None where it needs none.

    Raises:
        Unavailable: it does not answer.
    """
    # Imported where it is used: gRPC and the Docker client take memory on every node that has the other.
    if settings.engine == "containerd":
        from .containerd import Containerd

        return Containerd(settings.containerd_socket, login, settings.kubelet_dir, settings.host_root)
    from .docker import DockerEngine

    return DockerEngine(settings.engine_url, root_here=settings.docker_root)
