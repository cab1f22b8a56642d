"""The fake API server: start it, script it, ask it what happened."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from . import bootstrap
from .http import Endpoint, Stale
from .kubelet import Kubelet
from .rbac import Authorizer
from .resources import Object, Resource, copied
from .store import Store
from .tokens import Tokens
from .watching import Watches
from .writing import Deleting, Writer, Writing


class FakeKube:
    """A context manager. It serves from a thread of its own, so that tests may be plain or asynchronous.

    Public parts: `kubelet` (nodes, containers), `tokens`, `authorizer` (rights used), `calls`, `faults`, `watches`.
    """

    def __init__(self, nodes: tuple[str, ...] = ("node-1",), port: int = 0) -> None:
        self.store = Store()
        self.authorizer = Authorizer(self.store)
        self.writer = Writer(self.store, self.authorizer)
        self.tokens = Tokens(self.store)
        self.watches = Watches(self.store)
        self.kubelet = Kubelet(self.writer)
        self.endpoint = Endpoint(self.store, self.writer, self.tokens, self.authorizer, self.watches, self.kubelet)
        self.calls, self.faults = self.endpoint.calls, self.endpoint.faults
        self.port = port
        self._nodes = nodes
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        bootstrap.fill(self.writer)
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-kube", daemon=True)
        self._thread.start()
        self.run(self._start())
        for name in self._nodes:
            self.kubelet.add_node(name)
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        if self.kubelet.failures:
            raise self.kubelet.failures[0]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something in the loop that it serves from, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        app = web.Application(client_max_size=4 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self.endpoint.handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()
        await self.kubelet.start()

    async def _listen(self) -> None:
        assert self._runner
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True, backlog=1024)
        await self._site.start()
        server: Any = self._site._server
        self.port = server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        await self.kubelet.close()
        self.watches.cut()
        if self._runner:
            await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # --- access

    def kubeconfig(self, path: Path, token: str = "", namespace: str = "default") -> Path:
        """Write a kubeconfig for that token (the administrator's if none)."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "user", "user": {"token": token or self.tokens.admin}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "user", "namespace": namespace}}],
            "current-context": "fake",
        }
        path.write_text(json.dumps(content))
        return path

    # --- objects, past authorization and the call log

    def resource(self, plural: str, group: str = "") -> Resource:
        """`resource("roles", "rbac.authorization.k8s.io")`."""
        return self.store.by_plural[group, plural]

    def create(self, found: Object, namespace: str = "") -> Object:
        """Create any object, as the administrator."""
        resource = self.store.by_kind[found["apiVersion"], found["kind"]]
        space = (found["metadata"].get("namespace") or namespace or "default") if resource.namespaced else ""
        return copied(self.writer.create(resource, space, found, Writing()))

    def namespace(self, name: str, **labels: str) -> Object:
        """Create a namespace."""
        return self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def get(self, plural: str, namespace: str, name: str, group: str = "") -> Object | None:
        """A copy of the object, None where there is none."""
        return copied(self.store.find(self.resource(plural, group), namespace, name))

    def list(self, plural: str, namespace: str | None = None, group: str = "") -> list[Object]:
        """Copies of all, of one namespace or of every one."""
        return [copied(each) for each in self.store.all(self.resource(plural, group), namespace)]

    def delete(self, plural: str, namespace: str, name: str, grace_s: int | None = None, group: str = "") -> None:
        """Delete, as the administrator."""
        self.writer.delete(self.resource(plural, group), namespace, name, Deleting(grace_s=grace_s))

    def status(self, plural: str, namespace: str, name: str, change: Object, group: str = "") -> None:
        """Merge keys into its status, as a controller does."""
        self.writer.status(self.resource(plural, group), namespace, name, change)

    def wait(
        self, plural: str, namespace: str, name: str, until: Callable[[Object | None], Any], timeout_s: float = 10
    ) -> Object | None:
        """The object once `until` holds (given None where there is none). TimeoutError. Blocks the thread."""
        ends = time.monotonic() + timeout_s
        while True:
            found = self.get(plural, namespace, name)
            if until(found):
                return found
            if time.monotonic() > ends:
                raise TimeoutError(f"{plural} {namespace}/{name} after {timeout_s} s: {json.dumps(found)[:2000]}")
            time.sleep(0.01)

    # --- what goes wrong

    def down(self) -> None:
        """Refuse connections and break those that are open; what there is stays."""

        async def stop() -> None:
            assert self._runner and self._site
            await self._site.stop()
            server: Any = self._runner.server
            for connection in server.connections:
                if connection.transport:
                    connection.transport.abort()

        self.run(stop())

    def up(self) -> None:
        """Listen again, at the same port."""
        self.run(self._listen())

    def compact(self) -> None:
        """Forget old versions: watches from them are answered 410."""
        self.store.compact()

    def cut_watches(self, plural: str = "", abrupt: bool = False) -> int:
        """End open watches, of one resource or all; how many there were."""

        async def cut() -> int:
            return self.watches.cut(plural, abrupt)

        count: int = self.run(cut())
        return count

    @contextlib.contextmanager
    def stale_lists(self, plural: str, group: str = "", always: bool = False) -> Any:
        """Within it, lists of that resource are answered as of now: those with resourceVersion=0, or all."""
        resource = self.resource(plural, group)
        with self.store.lock:
            self.endpoint.stale[resource] = Stale(self.store.all(resource), self.store.version, always)
        try:
            yield
        finally:
            del self.endpoint.stale[resource]
