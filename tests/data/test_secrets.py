"""No credential of a source is anywhere but sealed in the database and in the process that reads the source (P3-P5)."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from hubernate_hub.log import JsonLines
from support import postgres
from support.stores import Database, postgresql

from .conftest import Platform
from .misbehaving import Misbehaving, misbehaving
from .processes import workers

CANARY = "planted-canary-of-the-sources"
TESTED = (
    "",
    "/info?path=x",
    "/entries",
    "/object?path=x",
    "/object?path=broken",
    "/schema?path=x.csv",
    "/sample?path=x",
)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, as the service writes it."""
    kept = io.StringIO()
    handler = logging.StreamHandler(kept)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel("DEBUG")
    yield kept
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def web() -> Iterator[Misbehaving]:
    with misbehaving() as found:
        yield found


@pytest.fixture
def database() -> Iterator[Database]:
    if postgres.missing():
        pytest.skip(postgres.missing())
    with postgresql() as found:
        yield found


def test_a_credential_is_nowhere(
    platform: Platform, web: Misbehaving, database: Database, logged: io.StringIO, tmp_path: Path
) -> None:
    platform.service.inside.data.settings.deadline_s = 3
    seen: list[str] = []
    place = {"kind": "http", "url": f"http://127.0.0.1:{web.port}/"}
    platform.add({"name": "web", "place": place}, {"token": CANARY})
    platform.add(database.source("crm"), {"password": CANARY})
    s3 = {"kind": "s3", "bucket": "data", "endpoint": f"http://127.0.0.1:{web.port}"}
    platform.add({"name": "lake", "place": s3}, {"access_key_id": f"AK{CANARY}", "secret_access_key": CANARY})
    for name in ("web", "crm", "lake"):
        for path in TESTED:
            try:
                answer = platform.notebook("GET", f"/{name}{path}")
                seen.append(f"{answer.headers} {answer.text}")
            except httpx.HTTPError as problem:
                seen.append(repr(problem))
        seen.append(platform.notebook("POST", f"/{name}/sql", json={"query": "SELECT 1"}).text)
        seen.append(platform.root("POST", f"/tenants/physics/sources/{name}/test").text)
        seen.append(platform.root("GET", f"/tenants/physics/sources/{name}").text)
        changed = {"values": {"password": f"{CANARY}\n", "nonsense": CANARY}}
        seen.append(platform.root("PUT", f"/tenants/physics/sources/{name}/credential", json=changed).text)
    assert web.asked and any(CANARY in token for _, token in web.asked), "it was used"
    seen.append(repr(platform.service.inside.data.cipher.__dict__))
    for pid in workers():
        process = psutil.Process(pid)
        seen.append(f"{process.cmdline()} {process.environ()}")
    assert CANARY not in "\n".join(seen)
    assert CANARY not in logged.getvalue() and "source added" in logged.getvalue()
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert any(path.name.startswith("hubernate.sqlite") for path in files)
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_a_worker_inherits_nothing(platform: Platform) -> None:
    (platform.folder / "team" / "x").write_text("hello")
    platform.add({"name": "files", "place": {"kind": "files", "folder": "shared", "prefix": "team"}})
    platform.notebook("GET", "/files/object?path=x")
    for pid in workers():
        process = psutil.Process(pid)
        assert set(process.environ()) <= {"PATH", "LANG", "LC_CTYPE", "OMP_NUM_THREADS", "ARROW_DEFAULT_MEMORY_POOL"}
        opened = [each.path for each in process.open_files()]
        assert not any("secrets" in path or "sqlite" in path for path in opened)
        assert process.net_connections() == [], "no socket of the service's"


def test_the_key_is_rotated_while_sources_are_read(platform: Platform, web: Misbehaving) -> None:
    place = {"kind": "http", "url": f"http://127.0.0.1:{web.port}/"}
    platform.add({"name": "web", "place": place}, {"token": CANARY})
    assert platform.notebook("GET", "/web/object?path=x").status_code == 200
    old = (platform.service.folder / "secrets" / "data-keys").read_text()
    assert platform.ada("POST", "/data/rotate-key").status_code == 403
    rotated = platform.root("POST", "/data/rotate-key")
    assert (rotated.status_code, rotated.json()) == (200, {"credentials": 1})
    assert (platform.service.folder / "secrets" / "data-keys").read_text() != old
    assert platform.notebook("GET", "/web/object?path=x").status_code == 200
    assert web.asked[-1] == ("GET", f"Bearer {CANARY}")


def test_only_admins_change_sources(platform: Platform) -> None:
    spec = {"name": "web", "place": {"kind": "http", "url": "https://data.example.com/"}}
    platform.add(spec)
    base = "/tenants/physics/sources"
    tries = (
        ("POST", base, {"source": spec | {"name": "other"}}),
        ("PUT", f"{base}/web", spec),
        ("DELETE", f"{base}/web", None),
        ("PUT", f"{base}/web/credential", {"values": {"token": "x"}}),
        ("POST", f"{base}/web/test", None),
    )
    for method, path, body in tries:
        assert platform.ada(method, path, json=body).status_code == 403, (method, path)
        assert platform.eve(method, path, json=body).status_code == 404, (method, path)
        relayed = platform.service.ask(method, f"/api/v1{path}", platform.ada_token, json=body)
        assert relayed.status_code == 401, "a notebook's token opens the relay's corner and nothing else"
    shown = platform.ada("GET", f"{base}/web").json()
    assert shown["details"] is None and "example.com" not in str(shown), "where it lies is the admins' business"
