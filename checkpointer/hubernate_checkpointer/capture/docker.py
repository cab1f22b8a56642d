"""Docker Engine, as far as a save needs it: containers of ours, where their changes lie, pause, stop, and images."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound
from docker.errors import NotFound as EngineNotFound

from hubernate_core.errors import Broken, Unavailable, shorten
from hubernate_core.names import GENERATION_LABEL, INSTANCE_LABEL, ROLE_LABEL, SERVER_LABEL, TENANT_LABEL
from hubernate_core.wire import Leftover

from .engine import Container, Storage

_FIRST_ZSTD = 23
_SLOW_S = 120


class DockerEngine:
    """Docker Engine on one socket. Every method raises Unavailable when it does not answer."""

    name = "Docker Engine"
    processes = "/proc"
    identity = (INSTANCE_LABEL, SERVER_LABEL, GENERATION_LABEL)
    restarts = True

    def __init__(self, base_url: str, timeout_s: int = 60, root_here: str = "") -> None:
        """`root_here`: where the engine's storage is seen from this process, empty when at the same path."""
        with _spoken_to():
            self._api = docker.APIClient(base_url=base_url, version="auto", timeout=timeout_s)
            self._info = self._api.info()
            self._version = self._api.version()
        self._root = str(self._info.get("DockerRootDir", ""))
        self._root_here = root_here or self._root

    def check_supported(self) -> None:
        """Refuse an engine whose containers cannot be read.

        Raises:
            Broken: it stores containers with another driver than overlay2, or in containerd's image store.
        """
        driver = self._info.get("Driver", "")
        status = dict(self._info.get("DriverStatus") or ())
        if "io.containerd.snapshotter.v1" in str(status.get("driver-type", "")):
            raise Broken(
                "this Docker Engine uses containerd's image store, which the agent cannot read yet; set "
                '"features": {"containerd-snapshotter": false} in daemon.json. Servers run on, nothing is saved'
            )
        if driver != "overlay2" or status.get("userxattr") == "true":
            raise Broken(
                f"this Docker Engine stores containers with {driver} {status}; only overlay2 by a root daemon can be "
                'saved. Set "storage-driver": "overlay2" in daemon.json. Servers run on, nothing is saved'
            )

    @property
    def architecture(self) -> str:
        """The engine's architecture in image terms, such as ``amd64``."""
        return str(self._version.get("Arch", "amd64"))

    @property
    def compression(self) -> str:
        """The best compression this engine can read back: Docker before 23 fails on zstd ("invalid tar header")."""
        major = str(self._version.get("Version", "0")).split(".")[0]
        return "zstd" if major.isdigit() and int(major) >= _FIRST_ZSTD else "gzip"

    def inspect(self, container_id: str) -> Container | None:
        """The container, None when there is none."""
        with _spoken_to():
            try:
                seen = self._api.inspect_container(container_id)
            except EngineNotFound:
                return None
        state = seen["State"]
        return Container(
            id=seen["Id"],
            cgroup=seen["Id"],
            running=bool(state["Running"]),
            paused=bool(state["Paused"]),
            still=bool(state["Paused"]) or not state["Running"],
            exit_code=None if state["Running"] else state["ExitCode"],
            oom_killed=bool(state["OOMKilled"]),
            labels=seen["Config"].get("Labels") or {},
        )

    def storage(self, container_id: str, diff_ids: Sequence[str]) -> Storage:
        """The overlay directories. The topmost of those below is the engine's own, then come the image's layers.

        Raises:
            Broken: there are none, or the container's image has other layers.
        """
        with _spoken_to():
            seen = self._api.inspect_container(container_id)
        overlay = (seen.get("GraphDriver") or {}).get("Data") or {}
        upper = self._here(overlay.get("UpperDir", ""))
        lowers = tuple(self._here(each) for each in overlay.get("LowerDir", "").split(":") if each)
        if not upper or not lowers:
            raise Broken("Docker Engine names no overlay directories for this container; it cannot be saved as it is")
        local = self._layers(seen["Image"])
        if (local and local != tuple(diff_ids)) or len(lowers) != len(diff_ids) + 1:
            raise Broken("the container runs another image than the platform started it with; it was left as it is")
        return Storage(upper, lowers, lowers[1:])

    def _here(self, path: str) -> str:
        """`path` of the engine as this process sees it."""
        if not path:
            return ""
        if not Path(path).is_relative_to(self._root):
            raise Broken(f"the engine names storage outside its own folder: {shorten(path, 120)}")
        return str(Path(self._root_here) / Path(path).relative_to(self._root))

    def ours(self, instance: str) -> list[Container]:
        """Every container of our installation, running or not."""
        with _spoken_to():
            rows = self._api.containers(all=True, filters={"label": f"{INSTANCE_LABEL}={instance}"})
        return [found for row in rows if (found := self.inspect(row["Id"])) is not None]

    def cpu_seconds(self, container_id: str) -> float | None:
        """CPU time the container used since its start, None when it does not run."""
        with _spoken_to():
            try:
                usage = self._api.stats(container_id, stream=False, one_shot=True)
            except EngineNotFound:
                return None
        total = usage.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage")
        return None if not total else total / 1e9

    def pids(self, container_id: str) -> list[int]:
        """Process ids, as the engine's machine counts them; empty when it does not run."""
        with _spoken_to():
            try:
                table = self._api.top(container_id, ps_args="-eo pid")
            except APIError:
                return []
        return [int(row[0]) for row in table.get("Processes") or ()]

    def pause(self, container_id: str) -> None:
        """Freeze. The caller looks whether it really is: the engine has been known to ignore a failed freeze."""
        self._do(lambda: self._api.pause(container_id), "pause")

    def unpause(self, container_id: str) -> None:
        """Thaw."""
        self._do(lambda: self._api.unpause(container_id), "unpause")

    def stop(self, container_id: str, grace_s: int) -> None:
        """SIGTERM, and SIGKILL after `grace_s` seconds. A stopped container stays as it is."""
        self._do(lambda: self._api.stop(container_id, timeout=grace_s), "stop")

    def start(self, container_id: str) -> None:
        """Start a stopped container again, with its changes."""
        self._do(lambda: self._api.start(container_id), "start")

    def release(self, container_id: str) -> None:
        """Remove a container and its changes; nothing happens when it is gone. Named volumes stay."""
        with _spoken_to():
            try:
                self._api.remove_container(container_id, force=True)
            except EngineNotFound:
                return

    def _layers(self, image_id: str) -> tuple[str, ...]:
        """The diff_ids of a local image, lowest first; empty when it is not here."""
        with _spoken_to():
            try:
                image: Any = self._api.inspect_image(image_id)  # type: ignore[no-untyped-call]
                return tuple(image["RootFS"].get("Layers") or ())
            except ImageNotFound:
                return ()

    def pull(self, registry: str, repository: str, digest: str) -> None:
        """Make an image ready. Raises Unavailable when it cannot be pulled."""
        name = f"{registry}/{repository}"
        with _spoken_to():
            for line in self._api.pull(name, tag=digest, stream=True, decode=True):
                if "error" in line:
                    raise Unavailable(f"pulling {repository}@{digest[:19]}: {shorten(line['error'], 200)}")

    def local_images(self, registry: str) -> dict[str, str]:
        """``repository@digest`` → image id of every local image that came from `registry`."""
        with _spoken_to():
            images = self._api.images()
        return {
            name.removeprefix(f"{registry}/"): image["Id"]
            for image in images
            for name in image.get("RepoDigests") or ()
            if name.startswith(f"{registry}/")
        }

    def used_images(self) -> frozenset[str]:
        """Ids of images that any container uses."""
        with _spoken_to():
            return frozenset(row["ImageID"] for row in self._api.containers(all=True))

    def forget_image(self, registry: str, reference: str) -> None:
        """Drop one local reference; layers go when nothing else needs them."""
        with _spoken_to():
            try:
                self._api.remove_image(f"{registry}/{reference}")
            except ImageNotFound:
                return

    def remove(self, leftover: Leftover) -> None:
        """Remove a volume or network that carries the labels of the deleted tenant. Never by force.

        Raises:
            Broken: the labels are another's; it was not touched.
        """
        home = leftover.kind == "home"
        with _spoken_to("removing"):
            try:
                found = (self._api.inspect_volume if home else self._api.inspect_network)(leftover.name)
            except EngineNotFound:
                return
            labels = found.get("Labels") or {}
            if labels.get(TENANT_LABEL) != leftover.tenant_id or (home and labels.get(ROLE_LABEL) != "home"):
                raise Broken(
                    f"{leftover.kind} {leftover.name} carries the labels of something else; it was not touched"
                )
            (self._api.remove_volume if home else self._api.remove_network)(leftover.name)

    def _do(self, action: Callable[[], Any], what: str) -> None:
        with _spoken_to(what):
            action()


@contextmanager
def _spoken_to(what: str = "asking") -> Iterator[None]:
    """Turns what the client raises into our errors."""
    try:
        yield
    except (requests.exceptions.RequestException, DockerException) as problem:
        said = problem.explanation if isinstance(problem, APIError) and problem.explanation else problem
        raise Unavailable(f"{what}: Docker Engine says: {shorten(str(said), 200)}") from problem
