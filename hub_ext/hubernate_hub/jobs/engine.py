"""Docker Engine for jobs: calls on threads of our own, their errors turned into ours. Nothing here decides.

Sources: Docker Engine API 1.41; docker-py 7.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, TypeVar

import requests
from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound
from docker.errors import NotFound as EngineNotFound
from docker.utils import kwargs_from_env

from hubernate_core.errors import Conflict, HubernateError, NotFound, Unavailable, shorten
from hubernate_core.manifests.docker import ContainerSpec, NetworkSpec
from hubernate_core.manifests.docker_answers import has_network, pull_error
from hubernate_core.manifests.docker_job import STOP_S, labels
from hubernate_core.names import ATTEMPT_LABEL, JOB_LABEL, JobId

_T = TypeVar("_T")


@dataclass(frozen=True)
class Attempt:
    """One container of a job's, as the engine has it."""

    container: str
    job: JobId
    attempt: int
    state: str
    """``created``, ``running``, ``exited``, …"""


@dataclass(frozen=True)
class State:
    """How a container is."""

    status: str
    exit_code: int
    oom_killed: bool
    finished_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """It ran, and does so no more."""
        return self.status in ("exited", "dead")


class Engine:
    """The machine's engine. Every method raises a `HubernateError` and nothing else when it fails.

    Args:
        url: empty: as the environment says.
    """

    def __init__(self, url: str = "", timeout_s: int = 60) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._calls = ThreadPoolExecutor(8, thread_name_prefix="jobs")
        # What takes minutes has threads of its own, or ending a job would wait for somebody's image.
        self._pulls = ThreadPoolExecutor(4, thread_name_prefix="job-images")
        self._copies = ThreadPoolExecutor(4, thread_name_prefix="job-outputs")
        self._networks = asyncio.Lock()
        self._client: APIClient | None = None

    async def attempts(self, instance: str) -> list[Attempt]:
        """Every container of a job of this installation."""
        wanted = {"label": [f"{key}={value}" for key, value in labels(instance).items()]}
        rows = await self.run("list jobs", lambda client: client.containers(all=True, filters=wanted))
        return [found for row in rows if (found := _attempt(row)) is not None]

    async def ensure_network(self, spec: NetworkSpec) -> None:
        """Make the tenant's network unless it is there.

        Raises:
            Conflict: one of that name is not ours, or was made otherwise; it is left alone.
        """
        async with self._networks:  # the engine takes two networks of one name
            await self.run("make the team's network", lambda client: _ensure_network(client, spec))

    async def ensure_image(self, reference: str) -> None:
        """Pull an image by digest unless it is there.

        Raises:
            NotFound: the registry does not have it.
        """
        if await self.run("look for the image", lambda client: _has_image(client, reference)):
            return
        try:
            await self._on(self._pulls, "fetch the image", lambda client: _pull(client, reference))
        except NotFound as problem:
            raise NotFound(
                f"the registry does not have {reference}; choose another checkpoint, image or profile"
            ) from problem

    async def has_volume(self, name: str) -> bool:
        """Whether a volume is there. One that is not would be made without the labels by which it is known."""
        try:
            await self.run("look for the home", lambda client: client.inspect_volume(name))
        except NotFound:
            return False
        return True

    async def create(self, spec: ContainerSpec) -> str:
        """Create a container; its id. One of that name that is there already is this very attempt's."""

        def work(client: APIClient) -> str:
            try:
                return str(client.create_container_from_config(spec.body, name=spec.name)["Id"])  # type: ignore[no-untyped-call]
            except APIError as problem:
                if problem.status_code != 409:
                    raise
                found = client.inspect_container(spec.name)
                theirs = found["Config"]["Labels"] or {}
                if any(theirs.get(key) != value for key, value in spec.body["Labels"].items()):
                    raise Conflict(f"container {spec.name!r} is not this job's; it was left alone") from problem
                return str(found["Id"])

        return await self.run(f"create {spec.name}", work)

    async def put(self, container: str, tar: IO[bytes]) -> None:
        """Unpack a tar at the root of a container."""
        await self.run("send the job's files", lambda client: client.put_archive(container, "/", tar))

    async def start(self, container: str) -> None:
        """Start a created container.

        Raises:
            Conflict: the engine cannot run it, such as for want of its program.
        """

        def work(client: APIClient) -> None:
            try:
                client.start(container)
            except APIError as problem:
                if problem.status_code in (400, 404):
                    said = shorten(str(problem.explanation), 300)
                    raise Conflict(f"its environment cannot run it: {said}") from problem
                raise

        await self.run("start the job", work)

    async def state(self, container: str) -> State:
        """How a container is.

        Raises:
            NotFound: it is gone.
        """
        data = await self.run("look at a job", lambda client: client.inspect_container(container))
        found = data["State"]
        finished = _moment(str(found.get("FinishedAt", "")))
        return State(found["Status"], int(found["ExitCode"]), bool(found.get("OOMKilled")), finished)

    async def stop(self, container: str, grace_s: int = STOP_S) -> None:
        """End what runs, by SIGTERM and `grace_s` later by SIGKILL. Ended or gone already is fine."""
        with contextlib.suppress(NotFound):
            await self.run("end the job", lambda client: client.stop(container, timeout=grace_s))

    async def remove(self, container: str) -> None:
        """Remove a container whose log and outputs are kept. Gone already is fine."""
        with contextlib.suppress(NotFound):
            await self.run("remove the job", lambda client: client.remove_container(container, force=True, v=True))

    async def ended(self, container: str) -> None:
        """Return once the container runs no more. On a thread that ends with the process: it may take days."""
        loop, over = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def end(problem: BaseException | None) -> None:
            if not over.done():
                over.set_result(None) if problem is None else over.set_exception(problem)

        def work() -> None:
            problem: BaseException | None = None
            try:
                with _own_errors("wait for the job"):
                    self._connect().wait(container, timeout=None)
            except Exception as found:  # noqa: BLE001  handed to whoever waits
                problem = found
            with contextlib.suppress(RuntimeError):  # the service ended meanwhile
                loop.call_soon_threadsafe(end, problem)

        threading.Thread(target=work, name=f"end of {container}", daemon=True).start()
        await over

    async def run(self, what: str, call: Callable[[APIClient], _T]) -> _T:
        """`call` on a thread; `what` is attempted, for the error's message."""
        return await self._on(self._calls, what, call)

    async def copy(self, what: str, call: Callable[[APIClient], _T]) -> _T:
        """As `run`, for what may take minutes."""
        return await self._on(self._copies, what, call)

    async def _on(self, pool: ThreadPoolExecutor, what: str, call: Callable[[APIClient], _T]) -> _T:
        def work() -> _T:
            with _own_errors(what):
                return call(self._connect())

        return await asyncio.get_running_loop().run_in_executor(pool, work)

    async def close(self) -> None:
        """Give the threads back; containers run on."""
        for pool in (self._calls, self._pulls, self._copies):
            pool.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    def _connect(self) -> APIClient:
        if self._client is None:  # two threads may both make one; either will do
            settings = {"base_url": self._url} if self._url else kwargs_from_env()
            self._client = APIClient(**settings, version="1.41", timeout=self._timeout_s, num_pools=1024)
        return self._client


def _attempt(row: dict[str, Any]) -> Attempt | None:
    found = row["Labels"] or {}
    job, number = found.get(JOB_LABEL, ""), found.get(ATTEMPT_LABEL, "")
    if not job or not number.isdecimal():
        return None
    return Attempt(str(row["Id"]), JobId(job), int(number), str(row["State"]))


def _moment(text: str) -> datetime | None:
    """RFC 3339 with nanoseconds, as the engine writes it; the year 1 is never. Cut to seconds it would lie before what
    came before it.
    """
    if not text or text.startswith("0001"):
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def _has_image(client: APIClient, reference: str) -> bool:
    try:
        client.inspect_image(reference)  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return False
    return True


def _pull(client: APIClient, reference: str) -> None:
    for event in client.pull(reference, stream=True, decode=True):
        if "error" in event:
            raise pull_error(reference, str(event["error"]))


def _ensure_network(client: APIClient, spec: NetworkSpec) -> None:
    if not has_network(client.networks(names=[spec.name]), spec):
        client.create_network(
            spec.name, driver="bridge", options=spec.options, labels=spec.labels, check_duplicate=True
        )


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
        raise Unavailable(f"could not {what}: Docker Engine answered {problem.status_code}: {said}") from problem
    except (DockerException, requests.RequestException, OSError) as problem:
        raise Unavailable(f"could not {what}: Docker Engine did not answer ({type(problem).__name__})") from problem
