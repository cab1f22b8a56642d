"""A watch: what was, what happens, bookmarks, an end (Kubernetes docs, "Efficient detection of changes")."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from .request import Asked, is_true
from .selectors import Predicate
from .status import Refusal
from .store import Change, Store, event_line

_INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass
class Watches:
    """The watches that are open, and how they behave."""

    store: Store
    bookmark_s: float = 60
    """Seconds between bookmarks to those who allow them."""
    expired_as_http: bool = False
    """Answer a watch from a compacted version with HTTP 410, as some servers do; else with an ERROR event in a 200."""
    _open: dict[asyncio.Queue[Change | None], Asked] = field(default_factory=dict)
    _abrupt: bool = False

    def count(self, plural: str = "") -> int:
        """How many are open, of one resource or all."""
        return sum(not plural or asked.resource.plural == plural for asked in self._open.values())

    def cut(self, plural: str = "", abrupt: bool = False) -> int:
        """End them: cleanly, or by breaking the connection. Call in the server's loop."""
        self._abrupt = abrupt
        found = [queue for queue, asked in self._open.items() if not plural or asked.resource.plural == plural]
        for queue in found:
            queue.put_nowait(None)
        return len(found)

    async def serve(self, request: web.Request, asked: Asked, matches: Predicate) -> web.StreamResponse:
        """Answer one watch until its time is over or the client goes."""
        query = request.query
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def concerns(change: Change) -> bool:
            return change.resource == asked.resource and (
                not asked.namespace or change.object["metadata"].get("namespace", "") == asked.namespace
            )

        def hear(change: Change) -> None:
            if concerns(change):
                loop.call_soon_threadsafe(queue.put_nowait, change)

        first: list[bytes] = []
        with self.store.lock:
            try:
                first = self._first(
                    asked, matches, query.get("resourceVersion", ""), is_true(query.get("sendInitialEvents"))
                )
            except Refusal as refusal:
                if self.expired_as_http:
                    raise
                first = [event_line("ERROR", refusal.status())]
                quiet: Callable[[], None] = lambda: None  # noqa: E731
                queue.put_nowait(None)
                end = quiet
            else:
                end = self.store.listen(hear)
        self._open[queue] = asked
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        try:
            await response.prepare(request)
            if first:
                await response.write(b"".join(first))
            limit = float(query.get("timeoutSeconds") or random.uniform(1800, 3600))
            bookmarks = is_true(query.get("allowWatchBookmarks"))
            await self._follow(request, response, queue, matches, (limit, bookmarks, asked))
        except (ConnectionResetError, ConnectionError):
            return response  # the client went away: nobody is left to tell
        finally:
            del self._open[queue]
            end()
        return response

    def _first(self, asked: Asked, matches: Predicate, version: str, initial: bool) -> list[bytes]:
        if version not in ("", "0") and not initial:
            changes = self.store.since(asked.resource, int(version))
            spaces = (change for change in changes if not asked.namespace or _space(change) == asked.namespace)
            return [line for change in spaces if (line := translated(change, matches))]
        found = self.store.all(asked.resource, asked.namespace or None)
        lines = [event_line("ADDED", each) for each in found if matches(each)]
        return [*lines, self._bookmark(asked, _INITIAL_END)] if initial else lines

    def _bookmark(self, asked: Asked, annotations: dict[str, str] | None = None) -> bytes:
        metadata = {"resourceVersion": str(self.store.version), "creationTimestamp": None}
        found = {
            "kind": asked.resource.kind,
            "apiVersion": asked.resource.api_version,
            "metadata": {**metadata, **({"annotations": annotations} if annotations else {})},
        }
        return event_line("BOOKMARK", found)

    async def _follow(
        self,
        request: web.Request,
        response: web.StreamResponse,
        queue: asyncio.Queue[Change | None],
        matches: Predicate,
        how: tuple[float, bool, Asked],
    ) -> None:
        limit, bookmarks, asked = how
        ends, mark = time.monotonic() + limit, time.monotonic() + self.bookmark_s
        while (left := ends - time.monotonic()) > 0:
            wait = min(left, mark - time.monotonic()) if bookmarks else left
            try:
                change = await asyncio.wait_for(queue.get(), max(0, wait))
            except TimeoutError:
                if bookmarks:
                    # Never ahead of a change that is still in the queue: that one is in the store's version already.
                    if queue.empty():
                        await response.write(self._bookmark(asked))
                    mark = time.monotonic() + self.bookmark_s
                continue
            if change is None:
                if self._abrupt and request.transport:
                    request.transport.abort()
                return
            if line := translated(change, matches):
                await response.write(line)
        with contextlib.suppress(ConnectionError):
            await response.write_eof()


def _space(change: Change) -> str:
    return str(change.object["metadata"].get("namespace", ""))


def translated(change: Change, matches: Predicate) -> bytes | None:
    """The event as a watcher with that selector sees it: an object that no longer matches is DELETED for it."""
    now = matches(change.object)
    if change.type == "ADDED":
        return change.line if now else None
    before = change.before is not None and matches(change.before)
    if change.type == "DELETED":
        return change.line if before else None
    if now and before:
        return change.line
    if now:
        return event_line("ADDED", change.object)
    if before and change.before is not None:
        metadata = {**change.before["metadata"], "resourceVersion": str(change.version)}
        return event_line("DELETED", {**change.before, "metadata": metadata})
    return None
