"""What a save needs of a container engine. Docker Engine and containerd on a Kubernetes node are the two there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hubernate_core.wire import Leftover


@dataclass(frozen=True, slots=True)
class Container:
    """What the engine says of one container."""

    id: str
    """As orders name it: the container's id on Docker, its pod's UID on Kubernetes."""
    cgroup: str
    """A part of the path of its processes' cgroup that no other container's has."""
    running: bool
    paused: bool
    """It must be thawed to go on."""
    still: bool
    """Nothing in it can run: it ended, or is frozen altogether, which `paused` alone does not say (F23)."""
    exit_code: int | None
    oom_killed: bool
    labels: Mapping[str, str]
    """Ours, by the names in `hubernate_core.names`, whatever form the engine spells them in."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Where a container's files lie, as this process sees it."""

    upper: str
    """The overlay's upper directory."""
    lowers: tuple[str, ...]
    """Everything below it, topmost first."""
    layers: tuple[str, ...]
    """The directories of the image's layers among them, topmost first."""


class Engine(Protocol):
    """One engine on this node. Every method raises Unavailable when it does not answer."""

    @property
    def name(self) -> str:
        """As people call it, to begin a sentence with."""
        ...

    @property
    def architecture(self) -> str:
        """This node's architecture in image terms, such as ``amd64``."""
        ...

    @property
    def compression(self) -> str:
        """The best compression that it can read back: ``gzip`` or ``zstd``."""
        ...

    @property
    def processes(self) -> str:
        """Where the node's processes are seen from here, such as ``/proc``."""
        ...

    @property
    def identity(self) -> tuple[str, ...]:
        """The labels that each of our containers carries here, and that must be as an order says."""
        ...

    @property
    def restarts(self) -> bool:
        """Whether a stopped container can be started again, with its changes."""
        ...

    def check_supported(self) -> None:
        """Refuse an engine whose containers cannot be read. Raises Broken with what to change."""
        ...

    def inspect(self, container_id: str) -> Container | None:
        """The container, None when there is none."""
        ...

    def ours(self, instance: str) -> list[Container]:
        """Every container of our installation, running or not."""
        ...

    def storage(self, container_id: str, diff_ids: Sequence[str]) -> Storage:
        """Where the container's changes lie, once it is certain that they are changes to exactly these layers.

        Args:
            diff_ids: the layers that its image must consist of, lowest first.

        Raises:
            Broken: it stands on something else, or its changes cannot be read; the reason says what to do.
        """
        ...

    def cpu_seconds(self, container_id: str) -> float | None:
        """CPU time the container used since its start, None when it does not run or nobody can tell."""
        ...

    def pids(self, container_id: str) -> list[int]:
        """Process ids, as `processes` counts them; empty when it does not run."""
        ...

    def pause(self, container_id: str) -> None:
        """Freeze. The caller looks whether it really is."""
        ...

    def unpause(self, container_id: str) -> None:
        """Thaw."""
        ...

    def stop(self, container_id: str, grace_s: int) -> None:
        """SIGTERM, and SIGKILL after `grace_s` seconds. Its changes stay as they are."""
        ...

    def start(self, container_id: str) -> None:
        """Start a stopped container again, with its changes; only where `restarts`."""
        ...

    def release(self, container_id: str) -> None:
        """Its newest state is recorded: let it go. Nothing happens when it is gone already."""
        ...

    def pull(self, registry: str, repository: str, digest: str) -> None:
        """Make an image ready. Raises Unavailable when it cannot be pulled."""
        ...

    def local_images(self, registry: str) -> dict[str, str]:
        """``repository@digest`` → image id of every local image that came from `registry`."""
        ...

    def used_images(self) -> frozenset[str]:
        """Ids of images that any container uses."""
        ...

    def remove(self, leftover: Leftover) -> None:
        """Remove what a deleted tenant left, with all that is in it, if it is ours; nothing happens when it is gone.

        Raises:
            Broken: it is not the tenant's, or is not this engine's to remove; it was not touched.
            Unavailable: something still uses it.
        """
        ...

    def forget_image(self, registry: str, reference: str) -> None:
        """Drop one local reference; layers go when nothing else needs them."""
        ...
