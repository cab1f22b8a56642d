"""A platform service for the spawner's tests: real HTTP, scripted answers, every call written down.

It plays the agent, too: when a stop reaches `released`, the server's containers are removed from the engine.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import docker

from hubernate_core import names
from hubernate_core.checkpoint import Checkpoint
from hubernate_core.kubernetes import Placement
from hubernate_core.operation import Kind, Operation, Outcome, Progress, Step, Trigger
from hubernate_core.profile import read_profile
from hubernate_core.queue import Place
from hubernate_core.server import Server, ServerState, Start, StartChoice, Ticket
from hubernate_core.wire import ProfileCard, StartOptions, TenantOptions
from support.stand_in import Images

PREFIX = "/services/hubernate/api/v1/hub/"
STOPPING = (Step.REQUESTED, Step.CAPTURED, Step.THAWED, Step.VERIFIED, Step.RECORDED, Step.RELEASED)


class FakeService:
    """One server of one person. Change the public fields to script what happens next."""

    def __init__(self, instance: str, image: str, registry: str) -> None:
        self.instance, self.image, self.registry = instance, image, registry
        self.token = secrets.token_hex(16)
        self.relay_token = "relay-" + secrets.token_hex(16)
        self.tenant_id, self.owner_id, self.server_id = names.new_id(), names.new_id(), names.new_id()
        self.generation = 0
        self.adopt: str | None = None
        self.placement: Placement | None = None
        self.checkpoint: Checkpoint | None = None
        self.devices: dict[str, int] = {}
        self.start = Start.CONTINUE
        self.state = ServerState.ASLEEP
        self.container: str | None = None
        self.gate: str | None = None
        self.operations: dict[str, Operation] = {}
        self.wait_for: str | None = None
        self.stop_steps: tuple[Step, ...] = STOPPING
        self.reason = ""
        self.queue: list[int] = []
        """Positions of a start that waits, as they are told one after the other."""
        self.place_id = names.new_id()
        self.step_s = 0.05
        self.down = False
        self.calls: list[tuple[str, Any]] = []
        self.on_started: Callable[[], None] = lambda: None
        self._lock = threading.RLock()
        self._plan: dict[str, list[Step]] = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(None)

            def do_DELETE(self) -> None:
                service.calls.append(("leave", self.path.rpartition("/")[2]))
                self.send_response(204)
                self.end_headers()

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}"))

            def _answer(self, body: Any) -> None:
                if self.headers.get("Authorization") != f"Bearer {service.token}":
                    status, answer = 401, {"message": "unknown token"}
                else:
                    status, answer = service.answer(self.path, body)
                content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/services/hubernate"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def called(self, verb: str) -> list[Any]:
        """The bodies of the calls of that name, in order."""
        return [body for name, body in self.calls if name == verb]

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and answer; the scripted life of one server."""
        if self.down:
            return 503, {"message": "the platform service is starting"}
        parts = urlsplit(path).path.removeprefix(PREFIX).split("/")
        if parts[0] == "operations":
            return 200, self._operation(parts[1], parse_qs(urlsplit(path).query)).model_dump_json()
        if parts[0] == "queue":
            return 200, self._place(self.queue.pop(0) if self.queue else 0).model_dump_json()
        if parts[0] == "users":
            return 200, self._options().model_dump_json()
        verb = parts[-1]
        with self._lock:
            self.calls.append((verb, body))
            return getattr(self, f"_{verb}")(body)

    def _start(self, body: Any) -> tuple[int, Any]:
        StartChoice.model_validate(body["choice"])
        if self.queue:
            return 202, self._place(self.queue.pop(0)).model_dump_json()
        if not self.adopt and not self.wait_for:
            self.generation += 1
            self.state = ServerState.STARTING
        profile = {
            "name": "base",
            "title": "Base",
            "image": self.image,
            "resources": {"cpu": "500m", "memory": "64Mi", "pids": 64},
            "env": {"GREETING": "hello"},
            "kubernetes": {"devices": self.devices},
        }
        ticket = Ticket(
            server_id=names.ServerId(self.server_id),
            generation=max(1, self.generation),
            owner_id=names.OwnerId(self.owner_id),
            tenant_id=names.TenantId(self.tenant_id),
            profile=read_profile(profile),
            image=self.image,
            start=self.start,
            home_volume=names.home_volume(self.instance, names.OwnerId(self.owner_id)),
            relay_token=self.relay_token,
            service_url=self.url,
            adopt=self.adopt,
            wait_for=names.OperationId(self.wait_for) if self.wait_for else None,
            placement=self.placement,
            checkpoint=self.checkpoint,
        )
        return 200, ticket.model_dump_json()

    def _place(self, position: int) -> Place:
        return Place(
            id=names.PlaceId(self.place_id),
            user="ada",
            server_name="",
            tenant="research",
            profile="base",
            since=datetime.now(UTC),
            position=position,
            of=5,
            waits_for="quota" if position else "nothing",
            reason="Team Research uses 4 of 4 running servers (eve 4); this needs 1 more." if position else "",
        )

    def _started(self, body: Any) -> tuple[int, Any]:
        self.container, self.gate = body["container_id"], body["gate_container_id"]
        self.on_started()
        return 200, self._server()

    def _ready(self, body: Any) -> tuple[int, Any]:
        self.state = ServerState.RUNNING
        return 200, self._server()

    def _abandoned(self, body: Any) -> tuple[int, Any]:
        self.state = ServerState.ASLEEP
        return 200, self._server()

    def _stop(self, body: Any) -> tuple[int, Any]:
        return 200, self.open_operation(self.stop_steps).model_dump_json()

    def open_operation(self, steps: tuple[Step, ...]) -> Operation:
        """An operation that takes those steps, one every `step_s` seconds."""
        now = datetime.now(UTC)
        operation = Operation(
            id=names.OperationId(names.new_id()),
            server_id=names.ServerId(self.server_id),
            generation=max(1, self.generation),
            kind=Kind.STOP,
            trigger=Trigger.USER,
            node="local",
            requested_at=now,
            updated_at=now,
        )
        self.operations[operation.id], self._plan[operation.id] = operation, list(steps)
        return operation

    def _operation(self, key: str, query: dict[str, list[str]]) -> Operation:
        with self._lock:
            operation, plan = self.operations[key], self._plan[key]
            if "after" not in query or operation.finished or not plan:
                if not plan:
                    time.sleep(0.2)
                return operation
            time.sleep(self.step_s)
            step = plan.pop(0)
            change: dict[str, Any] = {
                "step": step,
                "updated_at": datetime.now(UTC),
                "progress": Progress(changed_bytes=212_000_000, pushed_bytes=130_000_000, push_total_bytes=212_000_000),
            }
            if step is Step.RELEASED:
                self.remove_containers()
                change |= {"outcome": Outcome.STOPPED, "finished_at": datetime.now(UTC)}
                self.adopt = self.wait_for = None
            if step is Step.FAILED:
                change |= {"outcome": Outcome.FAILED, "reason": self.reason, "finished_at": datetime.now(UTC)}
            self.operations[key] = operation.model_copy(update=change)
            return self.operations[key]

    def remove_containers(self) -> None:
        """What the agent does at the end of a release."""
        client = docker.from_env()
        ours = {"label": f"{names.SERVER_LABEL}={self.server_id}"}
        for each in client.containers.list(all=True, filters=ours, ignore_removed=True):
            each.remove(force=True)
        self.state = ServerState.ASLEEP

    def _server(self) -> str:
        return Server(
            id=names.ServerId(self.server_id),
            owner_id=names.OwnerId(self.owner_id),
            user="ada",
            name="",
            tenant_id=names.TenantId(self.tenant_id),
            tenant="research",
            profile="base",
            state=self.state,
            generation=max(1, self.generation),
        ).model_dump_json()

    def _options(self) -> StartOptions:
        card = ProfileCard(name="base", title="Base", description="Python", cpu=500, memory=64 * 1024**2)
        return StartOptions(tenants=(TenantOptions(name="research", title="Research", profiles=(card,)),))


@dataclass(frozen=True)
class Installed:
    """One installation name on the engine, and a platform service for one server of it."""

    service: FakeService
    images: Images
    token_file: Path

    @property
    def instance(self) -> str:
        return self.service.instance

    def containers(self) -> list[str]:
        """Names of this installation's containers, stopped ones too."""
        ours = {"label": f"{names.INSTANCE_LABEL}={self.instance}"}
        found = docker.from_env().containers.list(all=True, filters=ours, ignore_removed=True)
        return sorted(each.name for each in found)
