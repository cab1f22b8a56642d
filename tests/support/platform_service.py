"""The real platform service over real HTTP, beside a fake hub: for the API's tests, and for looking at pages.

with running(tmp_path) as service:
    ada = service.start("ada")              # a ready server of ada
    service.agent().stop(...)               # a scripted agent walks the steps
"""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from hubernate_core.operation import Step
from hubernate_core.server import Ticket
from hubernate_core.wire import Order, Orders
from hubernate_hub.app import build_app, build_context
from hubernate_hub.config import HubernateService
from hubernate_hub.context import Context
from support.fake_hub import SERVICE_TOKEN, FakeHub

PREFIX = "/services/hubernate"
SPAWNER_TOKEN = "spawner-token-of-the-tests"
NODE = "local"
PROFILES = [
    {"name": "base", "title": "Python", "image": "127.0.0.1:5000/profiles/base@sha256:" + "b" * 64},
    {"name": "spark", "title": "Spark", "image": "127.0.0.1:5000/profiles/spark@sha256:" + "c" * 64},
]
TENANTS = [{"name": "physics", "title": "Physics"}, {"name": "biology", "title": "Biology", "profiles": ["base"]}]
STOPPING = (Step.QUIESCED, Step.FROZEN, Step.CAPTURED, Step.THAWED, Step.PUSHED)


def digest() -> str:
    """A digest that no other test has."""
    return "sha256:" + secrets.token_hex(32)


def agent_token(node: str) -> str:
    """The token of a node's agent."""
    return f"agent-token-of-{node}-in-the-tests"


def write_state(
    folder: Path,
    *,
    tenants: list[dict[str, Any]] | None = None,
    profiles: list[dict[str, Any]] | None = None,
    nodes: tuple[str, ...] = (NODE,),
) -> None:
    """A state folder as `hubernate up` leaves it."""
    secret = folder / "secrets"
    secret.mkdir(parents=True, exist_ok=True)
    (secret / "service-token").write_text(SERVICE_TOKEN)
    (secret / "spawner-token").write_text(SPAWNER_TOKEN + "\n")
    for node in nodes:
        (secret / f"agent-{node}-token").write_text(agent_token(node))
    resources = {"cpu": "2", "memory": "4Gi"}
    catalogue = [{"resources": resources} | each for each in profiles or PROFILES]
    (folder / "profiles.json").write_text(json.dumps(catalogue))
    (folder / "tenants.json").write_text(json.dumps(TENANTS if tenants is None else tenants))


@dataclass
class Clock:
    """The service's clock; `offset` moves it."""

    offset: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def move(self, **length: float) -> None:
        self.offset += timedelta(**length)


@dataclass
class Running:
    """One running service."""

    url: str
    folder: Path
    hub: FakeHub
    context: Context | None = None
    clock: Clock = field(default_factory=Clock)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, verify=False, trust_env=False))

    @property
    def inside(self) -> Context:
        """Its parts; only where it runs in this process."""
        assert self.context is not None
        return self.context

    def ask(self, method: str, path: str, token: str = "", **options: Any) -> httpx.Response:
        """One request; `path` is below the prefix."""
        headers = ({"Authorization": f"Bearer {token}"} if token else {}) | options.pop("headers", {})
        return self.client.request(method, f"{self.url}{PREFIX}{path}", headers=headers, **options)

    def spawner(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request as the hub's spawner."""
        return self.ask(method, f"/api/v1/hub{path}", SPAWNER_TOKEN, **options)

    def person(self, name: str, *, admin: bool = False, groups: tuple[str, ...] = ()) -> "Caller":
        """`name` with an API token of the hub."""
        token = self.hub.token(name)
        self.hub.people[name] = admin
        if groups or name not in self.hub.groups:
            self.hub.groups[name] = list(groups)
        return Caller(self, token)

    def request_start(
        self, user: str, *, name: str = "", groups: tuple[str, ...] = ("physics",), **choice: Any
    ) -> httpx.Response:
        """Ask for a ticket, as the spawner does: with the groups that the hub knows."""
        self.hub.groups[user] = list(groups)
        body = {"user": user, "server_name": name, "groups": groups, "choice": choice}
        return self.spawner("POST", "/servers/start", json=body)

    def start(self, user: str, *, node: str = NODE, **choice: Any) -> "Started":
        """A start that becomes ready, as the spawner reports it."""
        answer = self.request_start(user, **{"profile": "base"} | choice)
        assert answer.status_code == 200, answer.text
        ticket = Ticket.model_validate(answer.json())
        assert ticket.wait_for is None, "an operation is open"
        assert ticket.adopt is None, "something of it still runs"
        started = Started(ticket, secrets.token_hex(32), secrets.token_hex(32))
        body = {"generation": ticket.generation, "node": node, "container_id": started.container}
        self.tell(ticket, "started", body | {"gate_container_id": started.gate})
        self.tell(ticket, "ready", {"generation": ticket.generation})
        self.hub.runs(user, choice.get("name", ""))
        return started

    def tell(self, ticket: Ticket, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the spawner says of a start."""
        answer = self.spawner("POST", f"/servers/{ticket.server_id}/{what}", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def agent(self, node: str = NODE) -> "ScriptedAgent":
        """An agent that does what the test says."""
        return ScriptedAgent(self, node)


@dataclass(frozen=True)
class Caller:
    """Somebody with a token."""

    service: Running
    token: str

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.service.ask(method, f"/api/v1{path}", self.token, **options)


@dataclass(frozen=True)
class Started:
    """A running server."""

    ticket: Ticket
    container: str
    gate: str

    @property
    def id(self) -> str:
        return self.ticket.server_id

    def seen(self, **changes: Any) -> dict[str, Any]:
        """It, as an agent sees it."""
        base = {"server_id": self.id, "generation": self.ticket.generation, "container_id": self.container}
        return base | {"running": True} | changes


@dataclass
class ScriptedAgent:
    """Says what it is told to, over the real API."""

    service: Running
    node: str

    def ask(self, path: str, body: dict[str, Any], token: str = "") -> httpx.Response:
        return self.service.ask("POST", f"/api/v1/agent{path}", token or agent_token(self.node), json=body)

    def poll(self, *containers: dict[str, Any], wait_s: float = 0, **fields: Any) -> Orders:
        """One poll that must succeed."""
        body = {"node": self.node, "version": "test", "wait_s": wait_s, "containers": containers} | fields
        answer = self.ask("/poll", body)
        assert answer.status_code == 200, answer.text
        return Orders.model_validate(answer.json())

    def order(self, *containers: dict[str, Any]) -> Order:
        """The one order there is."""
        orders = self.poll(*containers).orders
        assert len(orders) == 1, orders
        return orders[0]

    def report(self, order: Order, step: Step, **fields: Any) -> httpx.Response:
        """One report."""
        body = {"node": self.node, "generation": order.generation, "step": str(step)} | fields
        return self.ask(f"/operations/{order.operation_id}/report", body)

    def say(self, order: Order, step: Step, **fields: Any) -> str:
        """One report that must be taken; the directive."""
        answer = self.report(order, step, **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["directive"])

    def verify(self, order: Order, **fields: Any) -> str:
        """Every step up to `verified`; the directive."""
        for step in STOPPING:
            assert self.say(order, step) == "continue"
        return self.say(order, Step.VERIFIED, saved=saved(**fields))

    def finish(self, order: Order, **fields: Any) -> None:
        """All of a save or a stop."""
        if self.verify(order, **fields) == "release":
            self.say(order, Step.RELEASED)


def saved(size: int = 212_000_000, **fields: Any) -> dict[str, Any]:
    """A saved image as an agent reports it."""
    layer = {
        "digest": digest(),
        "diff_id": digest(),
        "size": size,
        "media_type": "application/vnd.oci.image.layer.v1.tar",
    }
    base = {"digest": digest(), "layers": [layer], "size": size, "changed_bytes": size * 3, "changed_files": 14_000}
    return base | fields


class _Front:
    """The hub below ``/hub``, the service elsewhere: one origin, as behind the proxy."""

    def __init__(self, hub: ASGIApp, service: ASGIApp, more: dict[str, ASGIApp]) -> None:
        self._apps = more | {"/hub": hub, "": service}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        app = next(app for prefix, app in self._apps.items() if path.startswith(prefix) and scope["type"] != "lifespan")
        await app(scope, receive, send)


@contextmanager
def running(
    folder: Path,
    *,
    loops: bool = False,
    on_step: Callable[[str], None] | None = None,
    more: dict[str, ASGIApp] | None = None,
    state: dict[str, Any] | None = None,
    **settings: Any,
) -> Iterator[Running]:
    """The service in `folder`, on a free port of this process.

    Args:
        loops: whether the reconciler and the culling loop run.
        more: further applications by path prefix, for pages.
        state: arguments of `write_state`.
        settings: values of `HubernateService`.
    """
    write_state(folder, **(state or {}))
    hub, clock = FakeHub(), Clock()
    listener = uvicorn.Config(lambda: None, port=0, log_config=None).bind_socket()
    port = listener.getsockname()[1]
    defaults = {"hub_every_s": 0.1, "reconcile_every_s": 0.1, "cull_every_s": 0.1, "hub_timeout_s": 2}
    url = f"http://127.0.0.1:{port}"
    values = defaults | {"state_dir": str(folder), "port": port, "hub_api_url": f"{url}/hub/api"} | settings
    context = build_context(HubernateService(**values))
    context.clock = clock
    if on_step is not None:
        context.on_step = on_step
    app = build_app(context, loops=loops)
    server = uvicorn.Server(uvicorn.Config(_with_lifespan(_Front(hub.app(), app, more or {}), app), log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield Running(url, folder, hub, context, clock)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def _with_lifespan(front: ASGIApp, app: ASGIApp) -> ASGIApp:
    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope["type"] == "lifespan" else front)(scope, receive, send)

    return both


def eventually(what: str, check: Callable[[], Any], *, timeout_s: float = 30) -> Any:
    """The first true answer of `check`."""
    deadline, answer = time.monotonic() + timeout_s, None
    while time.monotonic() < deadline:
        answer = check()
        if answer:
            return answer
        time.sleep(0.03)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s; last seen: {answer!r}")
