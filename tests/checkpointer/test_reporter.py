"""Reports of one operation while the agent ends."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from hubernate_checkpointer.reporter import Gone, Reporter
from hubernate_checkpointer.service import Service
from hubernate_core.names import OperationId, OwnerId, ServerId, TenantId
from hubernate_core.operation import Kind, Step, Trigger
from hubernate_core.wire import Answer, Directive, Order

ORDER = Order(
    operation_id=OperationId("oaaaaaaaa1"),
    server_id=ServerId("saaaaaaaa1"),
    generation=1,
    tenant_id=TenantId("taaaaaaaa1"),
    owner_id=OwnerId("uaaaaaaaa1"),
    kind=Kind.STOP,
    trigger=Trigger.USER,
    step=Step.REQUESTED,
    container_id="c",
    gate_container_id="g",
    repository="t-taaaaaaaa1/u-uaaaaaaaa1",
    base_repository="profiles/base",
    base_digest="sha256:" + "b" * 64,
    parent_digest="sha256:" + "b" * 64,
    max_bytes=1,
)


class _Yes(BaseHTTPRequestHandler):
    """A platform service that takes every report."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = Answer(step=Step.QUIESCED, directive=Directive.CONTINUE).model_dump_json().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Yes) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.timeout(20)
def test_a_report_of_an_agent_that_ends_is_left_to_the_next_one(url: str, tmp_path: Path) -> None:
    """An agent that hangs here is killed by force, and `hubernate down` waits for that."""
    token = tmp_path / "token"
    token.write_text("t")
    stop = Event()
    reporter = Reporter(Service(url, token), "local", ORDER, stop)
    reporter.step(Step.QUIESCED)
    stop.set()
    time.sleep(1)
    with pytest.raises(Gone):
        reporter.settle(Step.VERIFIED)
    reporter.close()
