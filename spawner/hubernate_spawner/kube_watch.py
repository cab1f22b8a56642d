"""Local copies of this installation's pods and of their events, of all namespaces, each kept by one list and one watch.

KubeSpawner's reflectors list anew whenever a watch ends, and end the hub when the API stays away for a minute. These go
on from the last version they saw, list again only when the API server has forgotten it (410), and wait for as long as
it takes. Source: Kubernetes API concepts, "Efficient detection of changes".
"""

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiException, CoreV1Api

from hubernate_core.errors import HubernateError, Unavailable

from .kube_errors import refusal

_WATCH_S = 300
_SILENT_S = 120
"""Bookmarks come about once a minute; a connection that says nothing for two is taken for dead."""
_LIST_S = 60
_PAUSE_S, _PAUSE_MAX_S = 0.5, 30.0
_TOO_SHORT_S = 1.0
"""A watch lasts minutes; one that ends sooner than this is a failure, whoever ended it."""

JsonObject = dict[str, Any]
log = logging.getLogger(__name__)


class Watch:
    """Objects of one kind by UID. `kept` says which of those that the API sends are worth keeping."""

    def __init__(self, core: CoreV1Api, method: str, kept: Callable[[JsonObject], bool], **selectors: str) -> None:
        self._call, self._kept, self._selectors = getattr(core, method), kept, selectors
        self._kind = method.removeprefix("list_").removesuffix("_for_all_namespaces")
        self._loaded = asyncio.Event()
        self._version = ""
        self._task: asyncio.Task[None] | None = None
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self.items: dict[str, JsonObject] = {}
        self.lists = 0
        """Times everything was listed, for tests and benchmarks."""

    async def ready(self, timeout_s: float) -> None:
        """Return once everything was listed at least once.

        Raises:
            Unavailable: not within `timeout_s`; it goes on trying.
        """
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"watch {self._kind}")
        try:
            await asyncio.wait_for(self._loaded.wait(), timeout_s)
        except TimeoutError as problem:
            raise Unavailable(f"the Kubernetes API has not listed {self._kind}s yet") from problem

    async def change(self, uid: str, seen: JsonObject | None, timeout_s: float) -> None:
        """Return once the object `uid` is another than `seen` (None: not there), at the latest after `timeout_s`."""
        if self.items.get(uid) is not seen:
            return
        happened = asyncio.Event()
        waiting = self._waiting.setdefault(uid, set())
        waiting.add(happened)
        try:
            async with asyncio.timeout(timeout_s):
                await happened.wait()
        except TimeoutError:
            pass
        finally:
            waiting.discard(happened)
            if not waiting:
                self._waiting.pop(uid, None)

    async def close(self) -> None:
        """End the watch."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        pause = _PAUSE_S
        while True:
            began = time.monotonic()
            try:
                self._version = self._version or await self._list()
                async for reached in self._changes(self._version):
                    self._version, pause = reached, _PAUSE_S
            except _Expired:
                self._version = ""
            except (HubernateError, aiohttp.ClientError, ApiException, TimeoutError, OSError, ValueError) as problem:
                log.warning("the Kubernetes API is away; waiting for it", extra={"cause": _told(problem)})
            else:
                if time.monotonic() - began >= _TOO_SHORT_S:
                    continue
            await asyncio.sleep(random.uniform(pause / 2, pause))
            pause = min(pause * 2, _PAUSE_MAX_S)

    async def _list(self) -> str:
        """Everything anew, as it is now and not as some cache remembers it; the version to go on from."""
        response = await self._call(**self._selectors, _preload_content=False, _request_timeout=_LIST_S)
        body = await response.read()
        if response.status != 200:
            raise refusal(f"list {self._kind}s", response.status, body)
        data = json.loads(body)
        self.items = {each["metadata"]["uid"]: each for each in data["items"] if self._kept(each)}
        self.lists += 1
        self._replaced()
        self._loaded.set()
        return str(data["metadata"]["resourceVersion"])

    async def _changes(self, version: str) -> AsyncIterator[str]:
        """Apply changes after `version`, yielding the version that each leads to, until the API server ends it."""
        response = await self._call(
            **self._selectors,
            watch=True,
            allow_watch_bookmarks=True,
            resource_version=version,
            timeout_seconds=int(_WATCH_S * random.uniform(0.8, 1.2)),
            _preload_content=False,
            _request_timeout=aiohttp.ClientTimeout(sock_connect=10, sock_read=_SILENT_S),
        )
        try:
            if response.status != 200:
                self._refuse(response.status, await response.read())
            async for line in _lines(response):
                change = json.loads(line)
                if change["type"] == "ERROR":
                    status = change["object"]
                    self._refuse(int(status.get("code") or 500), json.dumps(status).encode())
                if change["type"] != "BOOKMARK":
                    self._apply(change["type"], change["object"])
                yield str(change["object"]["metadata"]["resourceVersion"])
        finally:
            response.close()

    def _refuse(self, status: int, body: bytes) -> None:
        if status == 410:
            raise _Expired
        raise refusal(f"watch {self._kind}s", status, body)

    def _apply(self, kind: str, thing: JsonObject) -> None:
        uid = thing["metadata"]["uid"]
        if kind == "DELETED" or not self._kept(thing):
            self.items.pop(uid, None)
        else:
            self.items[uid] = thing
        for happened in self._waiting.get(uid, ()):
            happened.set()
        self._changed(kind, thing)

    def _replaced(self) -> None:
        """Everything was listed anew."""

    def _changed(self, kind: str, thing: JsonObject) -> None:
        """One object was added, modified or deleted."""


class EventWatch(Watch):
    """Events about pods of our tenants' namespaces, by the pod's UID."""

    def __init__(self, core: CoreV1Api, namespace_prefix: str) -> None:
        super().__init__(
            core,
            "list_event_for_all_namespaces",
            lambda event: str(event["metadata"]["namespace"]).startswith(namespace_prefix),
            field_selector="involvedObject.kind=Pod",
        )
        self._by_pod: dict[str, dict[str, JsonObject]] = {}

    def about(self, pod_uid: str) -> list[JsonObject]:
        """What happened to that pod, in the order in which it was heard."""
        return list(self._by_pod.get(pod_uid, {}).values())

    def _replaced(self) -> None:
        self._by_pod = {}
        for event in sorted(self.items.values(), key=lambda each: str(each["metadata"].get("creationTimestamp"))):
            self._changed("ADDED", event)

    def _changed(self, kind: str, thing: JsonObject) -> None:
        pod = (thing.get("involvedObject") or {}).get("uid", "")
        events = self._by_pod.setdefault(pod, {})
        if kind != "DELETED" and self._kept(thing):
            events[thing["metadata"]["uid"]] = thing
        else:
            events.pop(thing["metadata"]["uid"], None)
        if not events:
            self._by_pod.pop(pod, None)


class _Expired(Exception):
    """The version is too old for a watch (410)."""


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of any length; aiohttp's own reader gives up at 128 KiB."""
    rest = bytearray()
    async for chunk in response.content.iter_any():
        rest += chunk
        if b"\n" in chunk:
            *whole, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            for line in whole:
                if line.strip():
                    yield line


def _told(problem: Exception) -> str:
    return problem.message if isinstance(problem, HubernateError) else type(problem).__name__
