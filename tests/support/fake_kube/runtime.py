"""What runs containers, as the kubelet in miniature sees it; and the scripted one, which runs nothing.

A runtime of real local containers would be another class with these methods.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from .resources import Object


class ImageMissing(Exception):
    """The image cannot be pulled; the text is the reason."""


@dataclass(frozen=True)
class Exit:
    """How a container ended."""

    code: int = 0
    reason: str = ""

    @property
    def said(self) -> str:
        """The reason in `terminated`."""
        return self.reason or ("Completed" if self.code == 0 else "Error")


class Runtime(Protocol):
    """Containers of pods. All calls come from one event loop; a pod and one of its containers name what is meant.

    network: first two bytes of pods' addresses. A test that answers for pods itself takes one of loopback: 127.66.
    """

    network: str

    async def pull(self, pod: Object, container: Object) -> None:
        """Return when the image is there. ImageMissing."""

    async def run(self, pod: Object, container: Object, ready: Callable[[], None]) -> Exit:
        """Run it to its end; call `ready` when its startup and readiness probes pass."""
        raise NotImplementedError

    async def pre_stop(self, pod: Object, container: Object) -> None:
        """Run its preStop hook to its end."""

    def stop(self, pod: Object, container: Object, grace_s: float) -> None:
        """Make `run` return, SIGTERM first and SIGKILL after the grace."""

    def logs(self, namespace: str, name: str, container: str) -> str:
        """What it printed."""
        raise NotImplementedError


@dataclass(frozen=True)
class Behaviour:
    """How a pod's containers behave. Seconds."""

    start_s: float = 0.0
    """From scheduled to ready, for each container."""
    ready: bool = True
    """False: probes never pass."""
    runs_s: float | None = None
    """None: until it is stopped. Sidecars (`restartPolicy: Always`) always run until they are stopped."""
    exit_code: int = 0
    """How it ends by itself; stopped by SIGTERM it ends with 143 unless `on_term` says otherwise."""
    on_term: int = 143
    logs: str = ""


_Key = tuple[str, str]


@dataclass
class ScriptedRuntime:
    """Containers that only pretend. Change the public fields to say what happens next.

    hold: pods whose preStop hook lasts until `release` (or until their grace period ends).
    """

    behaviour: Callable[[Object, Object], Behaviour] = lambda pod, container: Behaviour()
    missing_images: set[str] = field(default_factory=set)
    hold: Callable[[Object], bool] = lambda pod: False
    network: str = "10.244"
    _ends: dict[_Key, asyncio.Future[Exit]] = field(default_factory=dict)
    _held: dict[str, asyncio.Event] = field(default_factory=dict)
    _logs: dict[_Key, str] = field(default_factory=dict)

    async def pull(self, pod: Object, container: Object) -> None:
        """Refused for a missing image."""
        if container["image"] in self.missing_images:
            raise ImageMissing(f'failed to pull and unpack image "{container["image"]}": not found')

    async def run(self, pod: Object, container: Object, ready: Callable[[], None]) -> Exit:
        """As its behaviour says, or as `end` says."""
        how = self.behaviour(pod, container)
        key = (pod["metadata"]["uid"], container["name"])
        end = self._ends[key] = asyncio.get_running_loop().create_future()
        self._logs[f"{pod['metadata']['namespace']}/{pod['metadata']['name']}", container["name"]] = how.logs
        try:
            if how.start_s:
                await asyncio.wait({end}, timeout=how.start_s)
            if how.ready and not end.done():
                ready()
            runs_s = None if container.get("restartPolicy") == "Always" else how.runs_s
            done, _ = await asyncio.wait({end}, timeout=runs_s)
            return end.result() if done else Exit(how.exit_code)
        finally:
            self._ends.pop(key, None)

    async def pre_stop(self, pod: Object, container: Object) -> None:
        """Held where `hold` says so."""
        if self.hold(pod):
            await self._held.setdefault(pod["metadata"]["uid"], asyncio.Event()).wait()

    def stop(self, pod: Object, container: Object, grace_s: float) -> None:
        """It obeys SIGTERM at once; without grace it is killed."""
        self.end(
            pod["metadata"]["uid"], container["name"], Exit(self.behaviour(pod, container).on_term if grace_s else 137)
        )

    def end(self, uid: str, container: str, how: Exit) -> bool:
        """Let a container end like that now; False where it does not run."""
        end = self._ends.get((uid, container))
        if end is None or end.done():
            return False
        end.set_result(how)
        return True

    def release(self, uid: str) -> None:
        """Let its preStop hook end."""
        self._held.setdefault(uid, asyncio.Event()).set()

    def held(self) -> list[str]:
        """UIDs of pods whose preStop hook waits."""
        return [uid for uid, event in self._held.items() if not event.is_set()]

    def logs(self, namespace: str, name: str, container: str) -> str:
        """What its behaviour says that it printed."""
        found = {key[1]: text for key, text in self._logs.items() if key[0] == f"{namespace}/{name}"}
        return found.get(container, "") if container else next(iter(found.values()), "")
