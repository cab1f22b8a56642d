"""A platform service in miniature: hands out orders, keeps rows by the real rules, and remembers everything it was
told."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread

from hubernate_core.errors import Conflict
from hubernate_core.names import OperationId
from hubernate_core.operation import Kind, Operation, Step, advance
from hubernate_core.wire import Answer, Copy, Directive, Leftover, Order, Orders, Poll, Report, SavedImage

TOKEN = "agent-token-of-the-test"


@dataclass
class Row:
    """One operation as the service knows it."""

    order: Order
    operation: Operation
    reports: list[tuple[float, Report]] = field(default_factory=list)
    recorded: list[tuple[float, SavedImage]] = field(default_factory=list)
    finals: int = 0


class FakeService:
    """Serves the agent API on 127.0.0.1.

    `decide` says what follows a recorded image (default: keep for a save, otherwise release); `refuse` may answer any
    report with a status instead; `down` makes everything fail; `deleting` says that every pod is being deleted.
    """

    def __init__(self) -> None:
        self.rows: dict[OperationId, Row] = {}
        self.polls: list[Poll] = []
        self.prefetch: tuple[str, ...] = ()
        self.forget: tuple[str, ...] = ()
        self.copies: tuple[Copy, ...] = ()
        self.leftovers: tuple[Leftover, ...] = ()
        self.down = False
        self.deleting = False
        self.decide: Callable[[Row], Directive] = _by_kind
        self.on_report: Callable[[Row, Report], None] = lambda row, report: None
        self.changed = Condition()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, answer = fake._serve(self.path, self.headers.get("Authorization", ""), body)
                data = answer.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that went away is what these tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def open(self, order: Order) -> Row:
        """Open an operation."""
        now = datetime.now(UTC)
        row = Row(
            order,
            Operation(
                id=order.operation_id, server_id=order.server_id, generation=order.generation, kind=order.kind,
                trigger=order.trigger, node="test", requested_at=now, updated_at=now,
            ),
        )  # fmt: skip
        with self.changed:
            self.rows[order.operation_id] = row
            self.changed.notify_all()
        return row

    def wait(self, row: Row, timeout: float = 90) -> Operation:
        """Until the operation is finished."""
        return self.wait_for(row, lambda: row.operation.finished, timeout)

    def wait_for(self, row: Row, condition: Callable[[], bool], timeout: float = 90) -> Operation:
        """Until `condition` holds."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout):
                raise AssertionError(f"operation stands at {row.operation.step}: {row.operation.progress}")
        return row.operation

    def _serve(self, path: str, authorization: str, body: bytes) -> tuple[int, str]:
        if self.down:
            return 503, "down"
        if authorization != f"Bearer {TOKEN}":
            return 401, "whose token is this"
        if path == "/api/v1/agent/poll":
            return 200, self._poll(Poll.model_validate_json(body)).model_dump_json()
        parts = path.split("/")
        row = self.rows.get(OperationId(parts[5])) if len(parts) == 7 else None
        if row is None:
            return 404, "no such operation"
        return self._report(row, Report.model_validate_json(body))

    def _poll(self, poll: Poll) -> Orders:
        def open_rows() -> list[Row]:
            return [
                row
                for row in self.rows.values()
                if not row.operation.finished and row.order.operation_id not in poll.busy_with
            ]

        with self.changed:
            self.polls.append(poll)
            self.changed.notify_all()
            self.changed.wait_for(lambda: bool(open_rows()) and not self.down, timeout=min(poll.wait_s, 1.0))
            orders = tuple(row.order.model_copy(update={"step": row.operation.step}) for row in open_rows())
        return Orders(
            orders=orders,
            prefetch=self.prefetch,
            forget=tuple(x for x in self.forget if x not in poll.forgotten),
            copies=self.copies,
            leftovers=self.leftovers,
        )

    def _report(self, row: Row, report: Report) -> tuple[int, str]:
        with self.changed:
            row.reports.append((time.time(), report))
            if report.generation != row.order.generation:
                return 409, "older generation"
            try:
                was_finished = row.operation.finished
                row.operation = advance(row.operation, report.step, datetime.now(UTC), progress=report.progress)
            except Conflict as problem:
                return 409, problem.message
            directive = Directive.CONTINUE
            if report.still:
                row.operation = row.operation.model_copy(update={"step": Step.RECORDED})
                directive = self.decide(row)
            if report.saved is not None:
                if not row.recorded or row.recorded[-1][1].digest != report.saved.digest:
                    row.recorded.append((time.time(), report.saved))
                row.operation = row.operation.model_copy(update={"step": Step.RECORDED})
                directive = self.decide(row)
            if row.operation.finished and not was_finished:
                row.finals += 1
                row.operation = row.operation.model_copy(update={"reason": report.reason})
            self.on_report(row, report)
            answer = Answer(step=row.operation.step, directive=directive, deleting=self.deleting)
            self.changed.notify_all()
        return 200, json.dumps(answer.model_dump(mode="json"))


def _by_kind(row: Row) -> Directive:
    return Directive.KEEP if row.order.kind is Kind.SAVE else Directive.RELEASE
