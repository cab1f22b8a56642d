"""What is told outside: signed, judged by address, tried again, given up, and never in anybody's way."""

import asyncio
import hashlib
import hmac
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hubernate_core.errors import InvalidInput, Unavailable
from hubernate_core.names import ScheduleId, new_id
from hubernate_core.schedule_request import ScheduleRequest
from hubernate_core.source_network import parse_opening
from hubernate_hub.app import build_context
from hubernate_hub.config import HubernateService
from hubernate_hub.context import Context
from hubernate_hub.data.config import DataGateway
from hubernate_hub.notices import webhook
from hubernate_hub.notices.config import Notices
from hubernate_hub.reconcile.notices import NoticeRounds
from hubernate_hub.services.schedules import webhook_secret
from hubernate_hub.store import schedules, tenants
from hubernate_hub.store.schedules import Notice, ScheduleRow
from support.platform_service import Clock, write_state

CONTENT = {"event": "failure", "schedule": "s123456789", "label": "report", "tenant": "physics", "user": "ada",
           "planned_at": "2026-03-01T07:00:00+01:00", "job": "j123456789", "why": "exit code 1"}  # fmt: skip


@dataclass
class Receiver:
    """A web server that answers as it is told: a status each, 0 for not at all; then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def opened(self) -> str:
        return f"127.0.0.1/32,port={self.url.rstrip('/').rpartition(':')[2]}"


@contextmanager
def receiver(*answers: int, trust: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    found = Receiver(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.heard.append((dict(self.headers), body))
            status = found.answers.pop(0) if found.answers else 200
            if status == 0:
                found.over.wait(30)
                return
            self.send_response(status)
            self.send_header("Location", found.url)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if trust is not None:
        server.socket = trust.wrap_socket(server.socket, server_side=True)
    found.url = f"{'https://localhost' if trust else 'http://127.0.0.1'}:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.over.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def context(folder: Path, *opened: str, **settings: Any) -> Context:
    write_state(folder)
    data = DataGateway(open_networks=["127.0.0.0/8", "::1/128", "10.0.0.0/8"])  # for reading, not for calling
    notices = Notices(open_networks=list(opened), **settings)
    made = build_context(HubernateService(state_dir=str(folder), data=data, notices=notices))
    made.clock = Clock()
    return made


def add(context: Context, address: str, *, channel: str = "webhook", team: str = "physics", **content: str) -> str:
    """A notice of a schedule of its own; that schedule's id."""
    key = ScheduleId(new_id())
    job = {"id": key, "work": {"kind": "script", "script": "run.sh"}}
    asked = ScheduleRequest.model_validate({"id": key, "cron": "0 7 * * *", "job": job})
    found = context.store.now(tenants.find, team)
    assert found is not None
    now = context.clock()
    row = ScheduleRow(key, found.id, "ada", "ada", asked, planned_at=now, created_at=now)
    notice = Notice(new_id(), key, found.id, channel, address, CONTENT | content, tries=0, due_at=now)
    context.store.now(schedules.add, row)
    context.store.now(schedules.add_notices, [notice])
    return key


def told(context: Context, *, after: timedelta = timedelta()) -> None:
    """A round, until all that it began has come to its end."""
    context.clock.move(seconds=after.total_seconds())  # type: ignore[attr-defined]
    assert context.jobs is not None
    parts = context.jobs

    async def once() -> None:
        await NoticeRounds(context, parts).round()
        await asyncio.gather(*parts.telling.values())
        parts.telling = {}

    asyncio.run(once())


def waiting(context: Context) -> int:
    return len(context.store.now(schedules.due_notices, datetime.max.replace(tzinfo=UTC), 100))


def untold(context: Context, key: str) -> str:
    row = context.store.now(schedules.get, ScheduleId(key))
    assert row is not None
    return row.untold


def test_a_call_is_signed_and_tried_again_under_the_same_id(tmp_path: Path) -> None:
    with receiver(500, 302) as hook:
        parts = context(tmp_path, hook.opened)
        key = add(parts, hook.url)
        told(parts)
        told(parts)
        assert len(hook.heard) == 1, "not again at once"
        told(parts, after=timedelta(seconds=61))
        assert (len(hook.heard), waiting(parts)) == (2, 1), "a redirect is no answer, and is not followed"
        told(parts, after=timedelta(seconds=121))
        assert (len(hook.heard), waiting(parts), untold(parts, key)) == (3, 0, "")
    headers, body = hook.heard[-1]
    assert json.loads(body) == CONTENT
    assert len({each["Hubernate-Delivery"] for each, _ in hook.heard}) == 1
    moment, made = (part.partition("=")[2] for part in headers["Hubernate-Signature"].split(","))
    row = parts.store.now(schedules.get, ScheduleId(key))
    assert row is not None
    secret = webhook_secret(parts.signer, row)
    wanted = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    assert made == wanted
    assert abs(int(moment) - parts.clock().timestamp()) < 60
    parts.store.close()


def test_an_id_that_is_used_again_has_another_secret(tmp_path: Path) -> None:
    parts = context(tmp_path)
    row = parts.store.now(schedules.get, ScheduleId(add(parts, "https://chat.example.org/")))
    assert row is not None
    others = [replace(row, hub_name="eve"), replace(row, created_at=row.created_at + timedelta(seconds=1))]
    assert len({webhook_secret(parts.signer, each) for each in (row, *others)}) == 3
    parts.store.close()


def test_one_that_was_reached_does_not_make_up_for_another(tmp_path: Path) -> None:
    with receiver(503) as hook:
        parts = context(tmp_path, hook.opened, tries=1)
        key = add(parts, hook.url)
        told(parts)
        found = parts.store.now(schedules.get, ScheduleId(key))
        assert found is not None
        again = Notice(new_id(), found.id, found.tenant_id, "webhook", hook.url, CONTENT, tries=0, due_at=parts.clock())
        parts.store.now(schedules.add_notices, [again])
        told(parts)
        assert (len(hook.heard), waiting(parts)) == (2, 0)
        assert "answered 503" in untold(parts, key)
    parts.store.close()


def test_a_team_that_tells_much_hides_nobody(tmp_path: Path) -> None:
    parts = context(tmp_path)
    for number in range(9):
        add(parts, f"https://chat.example.org/{number}")
    parts.clock.move(seconds=60)  # type: ignore[attr-defined]
    add(parts, "https://chat.example.org/good", team="biology")
    due = [each.address.rpartition("/")[2] for each in parts.store.now(schedules.due_notices, parts.clock(), 4)]
    assert len(due) == 5
    assert due.index("good") == 1, "each team's first goes before another's second"
    parts.store.close()


def test_it_is_given_up_after_its_tries_and_says_so(tmp_path: Path) -> None:
    with receiver(*[503] * 9) as hook:
        parts = context(tmp_path, hook.opened, tries=3)
        key = add(parts, hook.url)
        for _ in range(5):
            told(parts, after=timedelta(hours=1))
        assert (len(hook.heard), waiting(parts)) == (3, 0)
        assert "answered 503" in untold(parts, key)
    parts.store.close()


def test_one_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    with receiver(*[0] * 6) as silent, receiver() as hook:
        parts = context(tmp_path, silent.opened, hook.opened, timeout_s=5, tries=1)
        stuck = [add(parts, silent.url) for _ in range(6)]
        good = add(parts, hook.url, team="biology")
        told(parts)
        assert len(hook.heard) == 1
        assert len(silent.heard) == 4, "four at once for one team"
        assert untold(parts, good) == ""
        told(parts)
        assert all("did not answer within 5 s" in untold(parts, key) for key in stuck)
    parts.store.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [("https://127.0.0.1:8443/", "inside this network"), ("https://localhost/", "inside this network"),
     ("https://169.254.169.254/latest", "hand out identities"), ("https://[::1]/", "inside this network"),
     ("http://8.8.8.8/", "not encrypted"), ("https://8.8.8.8:22/", "port 22 is closed"),
     ("https://0x7f.1/", "inside this network"), ("https://[::ffff:10.0.0.1]/", "inside this network")],
)  # fmt: skip
def test_nothing_inside_is_called(tmp_path: Path, url: str, why: str) -> None:
    parts = context(tmp_path)
    key = add(parts, url)
    told(parts)
    assert (why in untold(parts, key), waiting(parts)) == (True, 0), untold(parts, key)
    parts.store.close()


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """A server's side that says it is `name`, and the file that it is to be trusted by."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    signed = made.sign(key, hashes.SHA256())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file, private = folder / f"{name}.pem", folder / f"{name}.key"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(*form))
    side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    side.load_cert_chain(file, private)
    return side, str(file)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_what_the_machine_trusts_is_trusted_beside_the_bundle(
    tmp_path: Path, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust, machine = certificate(tmp_path, "localhost")
    _, bundle = certificate(tmp_path, "other.test")
    monkeypatch.setenv("SSL_CERT_FILE", machine)
    with receiver(trust=trust) as hook:
        rules = webhook.Rules((parse_opening(hook.opened),), bundle, timeout_s=30)
        asyncio.run(webhook.send(webhook.Call(hook.url, "n123456789", CONTENT, "secret"), rules, 1, threads))
        assert len(hook.heard) == 1


def test_the_address_that_was_judged_is_called_and_must_be_whom_the_name_says(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    for name, good in (("localhost", True), ("other.test", False)):
        trust, file = certificate(tmp_path, name)
        with receiver(trust=trust) as hook:
            call = webhook.Call(hook.url, "n123456789", CONTENT, "secret")
            rules = webhook.Rules((parse_opening(hook.opened),), file, timeout_s=30)
            sent = webhook.send(call, rules, 1, threads)
            if good:
                asyncio.run(sent)
                assert hook.heard[0][0]["Host"] == hook.url.removeprefix("https://").rstrip("/")
            else:
                with pytest.raises(Unavailable, match="could not be called"):
                    asyncio.run(sent)
                assert hook.heard == []


class MailHandler(socketserver.StreamRequestHandler):
    """As much of a mail server as it takes."""

    def handle(self) -> None:
        lines: list[str] = []
        self.wfile.write(b"220 here\r\n")
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            verb = line[:4].upper()
            if verb == "DATA":
                self.wfile.write(b"354 go on\r\n")
                for content in self.rfile:
                    if content == b".\r\n":
                        break
                    lines.append(content.decode().rstrip("\r\n"))
            self.wfile.write(b"250 fine\r\n" if verb != "QUIT" else b"221 bye\r\n")
            lines += [line] if verb in ("MAIL", "RCPT") else []
            if verb == "QUIT":
                break
        self.server.mails.append(lines)  # type: ignore[attr-defined]


def test_mail_goes_to_the_domains_that_are_allowed(tmp_path: Path) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailHandler) as server:
        server.mails = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        host, port = server.server_address[:2]
        settings = {"smtp_host": str(host), "smtp_port": port, "smtp_security": "none", "mail_domains": ["example.org"]}
        parts = context(tmp_path, **settings)
        add(parts, "ada@example.org", channel="mail", label="report\nBcc: everybody@example.org")
        stranger = add(parts, "x@elsewhere.org", channel="mail")
        told(parts)
        server.shutdown()
        thread.join(10)
        (mail,) = server.mails  # type: ignore[attr-defined]
    assert "rcpt TO:<ada@example.org>" in mail
    assert any(line.startswith("Subject: report Bcc: everybody@example.org: a scheduled run") for line in mail)
    assert not any(line.startswith("Bcc") for line in mail)
    assert "Why: exit code 1" in mail
    assert "example.org only" in untold(parts, stranger)
    assert waiting(parts) == 0
    parts.store.close()
    with pytest.raises(InvalidInput, match="sends no mail"):
        Notices().check(("ada@example.org",))
    with pytest.raises(InvalidInput, match=r"example\.org only"):
        Notices(**settings).check(("ada@example.org.evil.org",))
