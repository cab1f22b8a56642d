"""Docker Engine for the spawner: each call on a thread of our own pool, bounded in time, its errors turned into ours.

Nothing here decides; the plan says what to make. Sources: Docker Engine API 1.41; docker-py 7.
"""

import asyncio
import contextlib
import io
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar

import requests
from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound
from docker.errors import NotFound as EngineNotFound
from docker.utils import kwargs_from_env

from hubernate_core.errors import Broken, Conflict, HubernateError, NotFound, Unavailable, shorten
from hubernate_core.gate_file import GATE_PORT
from hubernate_core.manifests.docker import ContainerSpec, NetworkSpec
from hubernate_core.manifests.docker_answers import has_network, pull_error

from .plan import VolumeSpec

_T = TypeVar("_T")
_PULLS_MAX = 4
"""Pulls at a time: more only compete for the same disk and would hold the threads that others need."""


@dataclass(frozen=True)
class State:
    """A container as the engine sees it."""

    id: str
    running: bool
    exit_code: int
    oom_killed: bool
    labels: dict[str, str]
    addresses: dict[str, str]
    """network → IP address, for networks where it has one"""
    network_mode: str

    def url(self, network: str) -> str:
        """Where a gate is reached in `network`; empty while it has no address there."""
        address = self.addresses.get(network)
        return f"http://{address}:{GATE_PORT}" if address else ""


class Engine:
    """One hub's connection to Docker Engine. Every method raises a `HubernateError` and nothing else when it fails."""

    def __init__(self, url: str = "", timeout_s: int = 60, workers: int = 16) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="docker")
        self._pull_pool = ThreadPoolExecutor(_PULLS_MAX, thread_name_prefix="docker-pull")
        self._networks: dict[str, asyncio.Lock] = {}
        self._client: APIClient | None = None

    async def ensure_network(self, spec: NetworkSpec) -> None:
        """Make the network unless it is there. Docker allows two of one name, so one tenant is served at a time.

        Raises:
            Conflict: a network or bridge of that name is not ours or was made otherwise; it is left alone (B33).
        """
        async with self._networks.setdefault(spec.name, asyncio.Lock()):
            await self._run("make the team's network", partial(_ensure_network, spec=spec))

    async def ensure_volume(self, spec: VolumeSpec) -> None:
        """Make the volume unless it is there.

        Raises:
            Conflict: a volume of that name has not our labels; it is left alone.
        """
        await self._run("make the home volume", partial(_ensure_volume, spec=spec))

    async def has_image(self, reference: str) -> bool:
        """Whether the image is on this machine."""
        try:
            await self._run("look for the image", lambda client: client.inspect_image(reference))  # type: ignore[no-untyped-call]
        except NotFound:
            return False
        return True

    async def pull(self, reference: str) -> AsyncIterator[dict[str, Any]]:
        """Pull by digest; yields the engine's own progress records (``status``, ``id``, ``progressDetail``).

        Raises:
            NotFound: the registry does not have it.
            Unavailable: the registry or the engine failed; trying again may work.
        """
        loop, events = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None]()

        def work() -> None:
            try:
                with _own_errors(f"pull {reference}"):
                    for event in self._connect().pull(reference, stream=True, decode=True):
                        if "error" in event:
                            raise pull_error(reference, str(event["error"]))
                        loop.call_soon_threadsafe(events.put_nowait, event)
            finally:
                loop.call_soon_threadsafe(events.put_nowait, None)

        pulling = loop.run_in_executor(self._pull_pool, work)
        pulling.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody waits after a cancel
        while (event := await events.get()) is not None:
            yield event
        await pulling

    async def close(self) -> None:
        """Give the threads back."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pull_pool.shutdown(wait=False, cancel_futures=True)

    async def create(self, spec: ContainerSpec) -> str:
        """Create the container; its engine id.

        Raises:
            Conflict: the name is taken. It is never replaced: what holds it may hold unsaved work.
        """

        def work(client: APIClient) -> Any:
            return client.create_container_from_config(spec.body, name=spec.name)  # type: ignore[no-untyped-call]

        answer = await self._run(f"create {spec.name}", work)
        return str(answer["Id"])

    async def put_file(self, container: str, path: str, content: bytes, uid: int, mode: int) -> None:
        """Write one file into a container, running or not; folders above it are made, 0755, root's."""
        archive = _archive(PurePosixPath(path), content, uid, mode)
        await self._run(f"write {path}", lambda client: client.put_archive(container, "/", archive))

    async def start(self, container: str) -> None:
        """Start a created container."""
        await self._run("start a container", lambda client: client.start(container))

    async def signal(self, container: str, name: str) -> None:
        """Send a signal to the container's first process."""
        await self._run(f"send {name}", lambda client: client.kill(container, signal=name))

    async def state(self, container: str) -> State:
        """The container's state.

        Raises:
            NotFound: it is gone.
        """
        data = await self._run("look at a container", lambda client: client.inspect_container(container))
        networks = data["NetworkSettings"]["Networks"] or {}
        return State(
            id=data["Id"],
            running=bool(data["State"]["Running"]),
            exit_code=int(data["State"]["ExitCode"]),
            oom_killed=bool(data["State"].get("OOMKilled")),
            labels=dict(data["Config"]["Labels"] or {}),
            addresses={name: each["IPAddress"] for name, each in networks.items() if each.get("IPAddress")},
            network_mode=str(data["HostConfig"]["NetworkMode"]),
        )

    async def last_lines(self, container: str, lines: int = 5) -> str:
        """The end of what the container printed, made safe to show."""
        raw = await self._run("read a log", lambda client: client.logs(container, tail=lines))
        return " / ".join(shorten(line, 200) for line in bytes(raw).decode(errors="replace").splitlines())

    async def remove(self, container: str) -> None:
        """Remove a container that is known to hold nothing of a user's. Gone already is fine."""
        with contextlib.suppress(NotFound):
            await self._run(
                "remove a container", lambda client: client.remove_container(container, force=True, v=False)
            )

    async def _run(self, what: str, call: Callable[[APIClient], _T]) -> _T:
        def work() -> _T:
            with _own_errors(what):
                return call(self._connect())

        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _connect(self) -> APIClient:
        if self._client is None:  # two threads may both make one; either will do
            settings = {"base_url": self._url} if self._url else kwargs_from_env()
            client = APIClient(**settings, version="1.41", timeout=self._timeout_s, num_pools=64)
            self._client = client
        return self._client


@contextlib.contextmanager
def _own_errors(what: str) -> Iterator[None]:
    """Turn what docker-py raises into our errors; the engine's own sentence is kept, shortened."""
    try:
        yield
    except HubernateError:
        raise
    except (EngineNotFound, ImageNotFound) as problem:
        raise NotFound(f"could not {what}: {shorten(str(problem.explanation), 300)}") from problem
    except APIError as problem:
        said = shorten(str(problem.explanation), 300)
        kind: type[HubernateError] = Conflict if problem.status_code == 409 else Unavailable
        raise kind(f"could not {what}: Docker Engine answered {problem.status_code}: {said}") from problem
    except (DockerException, requests.RequestException, OSError) as problem:
        raise Unavailable(f"could not {what}: Docker Engine did not answer ({type(problem).__name__})") from problem


def _ensure_network(client: APIClient, spec: NetworkSpec) -> None:
    if not has_network(client.networks(names=[spec.name]), spec):
        client.create_network(
            spec.name, driver="bridge", options=spec.options, labels=spec.labels, check_duplicate=True
        )


def _ensure_volume(client: APIClient, spec: VolumeSpec) -> None:
    made = client.create_volume(spec.name, labels=spec.labels)  # answers an existing one as it is
    labels = made.get("Labels") or {}
    if any(labels.get(key) != value for key, value in spec.labels.items()):
        raise Conflict(
            f"volume {spec.name!r} exists but was not made by this installation; it was left alone and nothing was"
            " started. An admin should look at it with 'docker volume inspect'.",
            volume=spec.name,
        )


def _archive(path: PurePosixPath, content: bytes, uid: int, mode: int) -> bytes:
    """A tar with one file of `uid` and its parent folders; ``/`` and ``/etc`` are in every image and stay."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for parent in reversed(path.parents):
            if len(parent.parts) > 2:
                folder = tarfile.TarInfo(str(parent).lstrip("/"))
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(folder)
        entry = tarfile.TarInfo(str(path).lstrip("/"))
        entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, uid, uid
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def check_belongs(state: State, labels: dict[str, str], what: str) -> None:
    """Refuse a container that has not `labels`: an id from a peer is never trusted blindly.

    Raises:
        Broken: another server's or another installation's.
    """
    if any(state.labels.get(key) != value for key, value in labels.items()):
        raise Broken(f"{what} {state.id[:12]} is not this server's; it was left alone", container=state.id[:12])
