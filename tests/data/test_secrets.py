"""No credential of a source is anywhere but sealed in the database and in the process that reads the source (P3-P5)."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from hubernate_hub.log import JsonLines
from hubernate_machine.kubernetes.data_keys import make_keys, only_current
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
    assert CANARY not in logged.getvalue() and "source.add" in logged.getvalue()
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert any(path.name.startswith("hubernate.sqlite") for path in files)
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_a_worker_inherits_nothing(platform: Platform) -> None:
    (platform.folder / "team" / "x").write_text("hello")
    platform.add({"name": "files", "place": {"kind": "files", "folder": "shared", "prefix": "team"}})
    platform.notebook("GET", "/files/object?path=x")
    for pid in workers():
        process = psutil.Process(pid)
        assert set(process.environ()) <= {
            "PATH", "LANG", "LC_CTYPE", "OMP_NUM_THREADS", "ARROW_DEFAULT_MEMORY_POOL", "JE_ARROW_MALLOC_CONF"
        }  # fmt: skip
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
    assert (rotated.status_code, rotated.json()) == (200, {"credentials": 1, "key": rotated.json()["key"]})
    assert (platform.service.folder / "secrets" / "data-keys").read_text() != old
    assert platform.notebook("GET", "/web/object?path=x").status_code == 200
    assert web.asked[-1] == ("GET", f"Bearer {CANARY}")


def test_a_key_in_a_mounted_secret_is_made_by_others(
    platform: Platform, web: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This user writes everywhere, so the folder only says that it cannot be written."""
    place = {"kind": "http", "url": f"http://127.0.0.1:{web.port}/"}
    platform.add({"name": "web", "place": place}, {"token": CANARY})
    keys = platform.service.folder / "secrets" / "data-keys"
    monkeypatch.setattr("hubernate_hub.data.cipher.os.access", lambda *_: False)
    refused = platform.root("POST", "/data/rotate-key")
    assert refused.status_code == 409 and "new-data-key" in refused.json()["detail"]
    before = keys.read_text()
    keys.write_text(make_keys(before))
    rotated = platform.root("POST", "/data/rotate-key").json()
    assert rotated["credentials"] == 1
    keys.write_text(only_current(keys.read_text(), rotated["key"]))
    assert json.loads(keys.read_text())["current"] not in before
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


BODIES = {
    "NewSource": {"source": {"name": "other", "place": {"kind": "http", "url": "https://data.example.com/"}}},
    "SourceSpec": {"name": "other", "place": {"kind": "http", "url": "https://data.example.com/"}},
    "Credential": {"values": {"token": "x"}},
    "Sql": {"query": "SELECT 1"},
}


def test_every_route_is_closed_to_another_tenant(platform: Platform) -> None:
    """Made from the OpenAPI document, so that a new route is in it."""
    platform.add({"name": "web", "place": {"kind": "http", "url": "https://data.example.com/"}})
    document = platform.service.ask("GET", "/api/v1/openapi.json").json()
    tried = 0
    for path, verbs in document["paths"].items():
        below = path.removeprefix("/services/hubernate")
        if "sources" not in below and "source-reads" not in below:
            continue
        relayed = below.startswith("/api/v1/relay/")
        token = platform.eve_token if relayed else platform.eve.token
        for verb, operation in verbs.items():
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            body = BODIES.get(schema.get("$ref", "").rpartition("/")[2])
            query = {each["name"]: "x" for each in operation.get("parameters", ()) if each["name"] == "path"}

            def ask(
                tenant: str, source: str, *, verb: str = verb, below: str = below, **options: object
            ) -> tuple[int, str]:
                answer = platform.service.ask(verb.upper(), below.format(tenant=tenant, source=source), **options)
                return answer.status_code, "" if answer.status_code == 200 else answer.json()["detail"]

            options = {"token": token, "json": body, "params": query}
            foreign, nothing = ask("physics", "web", **options), ask("nowhere", "nothing", **options)
            assert foreign == nothing, (verb, below)
            assert foreign[0] == (200 if relayed and "{source}" not in below else 404), (verb, below, foreign)
            tried += 1
    assert tried >= 25
