"""The same promises on SQLite and PostgreSQL: one open operation, no half-made rows, 503 when the database is away."""

import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, exc, text

from hubernate_core.names import ServerId
from hubernate_core.operation import Kind, Operation, Step, Trigger
from hubernate_core.server import ServerState
from hubernate_hub.context import Work
from hubernate_hub.services import departures, retention
from hubernate_hub.services.team_images import sweep
from hubernate_hub.store import operations, servers
from hubernate_hub.store.database import Tx
from hubernate_hub.store.schema import metadata
from support import postgres
from support.platform_service import Running, running, saved


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    reason = postgres.missing()
    if reason:
        pytest.skip(reason)
    with postgres.cluster() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            name = "t" + tmp_path.name.replace("-", "_").lower()[-40:] + str(os.getpid())
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        url = url.rpartition("/")[0] + f"/{name}"
    with running(tmp_path, db_url=url) as found:
        yield found


def test_the_migrations_make_the_schema(service: Running) -> None:
    with create_engine(service.inside.settings.database).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    service.inside.store.migrate()


def test_a_length_below_zero_that_was_taken_once_keeps_no_team_from_being_read(service: Running) -> None:
    with create_engine(service.inside.settings.database).begin() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            rules = import_module("hubernate_hub.store.migrations.versions.0013_rules_of_culling")
            rules.downgrade()
            connection.execute(
                text("UPDATE tenants SET settings = :old"), {"old": '{"culling": {"idle_after": "-PT5M"}}'}
            )
            rules.upgrade()
    found = service.person("root", admin=True)("GET", "/tenants/physics").json()
    assert (found["culling"]["idle_after"], found["culling"]["max_age"]) == ("PT0S", None)


def test_a_stop_from_request_to_release(service: Running) -> None:
    server = service.start("ada")
    service.tell(server.ticket, "stop", {"generation": 1})
    agent = service.agent()
    order = agent.order(server.seen(cpu_seconds=1.5))
    agent.verify(order)
    agent.say(order, Step.VERIFIED, saved=saved())
    agent.say(order, Step.RELEASED)
    again = service.start("ada")
    assert again.ticket.generation == 2
    assert again.ticket.checkpoint is not None
    assert agent.poll(again.seen(cpu_seconds=9)).forget, "the first image of the two"
    for row in service.inside.store.now(servers.all_servers):
        assert row.ready_at is not None
        assert row.ready_at.tzinfo is UTC


def test_many_starts_and_stops_at_once_stay_one(service: Running) -> None:
    with ThreadPoolExecutor(8) as pool:
        starts = list(pool.map(lambda _: service.request_start("ada", profile="base"), range(8)))
        assert {each.status_code for each in starts} == {200}
        assert sorted(each.json()["generation"] for each in starts) == list(range(1, 9))
        assert len({each.json()["server_id"] for each in starts}) == 1
        people = list(pool.map(lambda each: service.start(f"user{each}"), range(4)))
        stops = [pool.submit(service.tell, each.ticket, "stop", {"generation": 1}) for each in people * 3]
        assert len({each.result()["id"] for each in stops}) == 4


def test_the_database_itself_refuses_a_second_open_operation(service: Running) -> None:
    server = service.start("ada")
    now = datetime.now(UTC)

    def row(name: str) -> operations.OperationRow:
        values = {"id": name, "server_id": server.id, "generation": 1, "kind": Kind.SAVE, "trigger": Trigger.USER}
        return operations.OperationRow(
            Operation.model_validate(values | {"node": "local", "requested_at": now, "updated_at": now})
        )

    store = service.inside.store
    store.now(operations.add, row("a000000001"))
    with pytest.raises(exc.IntegrityError):
        store.now(operations.add, row("a000000002"))


def test_the_newest_operation_is_the_open_one_or_the_last(service: Running) -> None:
    server, ada = service.start("ada"), service.person("ada")
    path = f"/servers/{server.id}/operations"
    agent = service.agent()
    for _ in range(2):
        ada("POST", path, json={"kind": "save"})
        agent.finish(agent.order())
    opened = ada("POST", path, json={"kind": "save"}).json()
    assert ada("GET", f"/servers/{server.id}").json()["operation"]["id"] == opened["id"]


def apply_retention(service: Running) -> None:
    """One round of housekeeping's part."""
    context = service.inside
    for tenant in context.store.now(lambda tx: retention.unsettled(Work(tx, context, context.clock()))):
        context.store.now(lambda tx, each=tenant: retention.settle(Work(tx, context, context.clock()), each))


def test_retention_keeps_named_newest_and_used_ones(service: Running) -> None:
    server, ada = service.start("ada"), service.person("ada")
    agent = service.agent()
    for number in range(8):
        name = "keep me" if number == 1 else ""
        ada("POST", f"/servers/{server.id}/operations", json={"kind": "save", "name": name})
        agent.finish(agent.order())
        service.clock.move(minutes=1)
    before = ada("GET", f"/servers/{server.id}/checkpoints").json()["items"]
    apply_retention(service)
    assert len(ada("GET", f"/servers/{server.id}/checkpoints").json()["items"]) == 8, "it is announced first"
    service.clock.move(days=1)
    apply_retention(service)
    left = ada("GET", f"/servers/{server.id}/checkpoints").json()["items"]
    assert [each["id"] for each in left] == [each["id"] for each in (*before[:5], before[6])]
    service.clock.move(days=400)
    apply_retention(service)
    service.clock.move(days=1)
    apply_retention(service)
    assert len(ada("GET", f"/servers/{server.id}/checkpoints").json()["items"]) == 2
    gone = {each["digest"] for each in before} - {before[0]["digest"], before[6]["digest"]}
    assert {each.partition("@")[2] for each in agent.poll().forget} == gone


def test_retention_spares_what_was_started_just_before_the_lock(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, ada = service.start("ada"), service.person("ada")
    agent = service.agent()
    for _ in range(7):
        ada("POST", f"/servers/{server.id}/operations", json={"kind": "save"})
        agent.finish(agent.order())
        service.clock.move(minutes=1)
    service.tell(server.ticket, "stop", {"generation": 1})
    agent.finish(agent.order())
    oldest = ada("GET", f"/servers/{server.id}/checkpoints").json()["items"][-1]
    apply_retention(service)
    service.clock.move(days=1)
    lock = servers.lock

    def lock_after_a_start(tx: Tx, server: ServerId) -> servers.ServerRow | None:
        image = {"image_repository": oldest["repository"], "image_digest": oldest["digest"]}
        servers.change(tx, server, state=ServerState.STARTING, **image)
        return lock(tx, server)

    monkeypatch.setattr(servers, "lock", lock_after_a_start)
    apply_retention(service)
    left = ada("GET", f"/servers/{server.id}/checkpoints").json()["items"]
    assert oldest["id"] in {each["id"] for each in left}
    assert len(left) < 8


def test_a_team_image_and_then_the_whole_team_go(service: Running) -> None:
    root, agent, context = service.person("root", admin=True), service.agent(), service.inside
    root("POST", "/tenants", json={"name": "chemistry", "members": [{"user": "eve"}]})
    server = service.start("eve", groups=())
    service.tell(server.ticket, "stop", {"generation": 1})
    agent.finish(agent.order())
    (checkpoint,) = root("GET", f"/servers/{server.id}/checkpoints").json()["items"]
    body = {"checkpoint": checkpoint["id"], "name": "lab"}
    image = root("POST", "/tenants/chemistry/images?confirm=contents", json=body).json()
    assert root("POST", "/tenants/chemistry/images?confirm=contents", json=body).status_code == 409
    reference = f"{image['repository']}@{image['digest']}"
    agent.poll(copied=[{"reference": reference}])
    root("DELETE", "/tenants/chemistry/images/lab")
    assert [each.id for each in context.store.now(lambda tx: sweep(Work(tx, context, context.clock())))] == [
        image["id"]
    ]
    assert agent.poll().forget == (reference,)
    root("POST", "/tenants/chemistry/deletion")
    assert root("DELETE", "/tenants/chemistry?confirm=chemistry").status_code == 204
    context.store.now(lambda tx: departures.let_go(Work(tx, context, context.clock()), server.ticket.tenant_id))
    orders = agent.poll()
    assert len(orders.forget) == 2
    agent.poll(forgotten=list(orders.forget), removed=[each.model_dump() for each in orders.leftovers])
    agent.poll(removed=[each.model_dump() for each in agent.poll().leftovers])
    assert root("GET", "/departures").json()["items"] == []


def test_a_locked_database_is_503_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubernate_hub.store.database._BUSY_S", 1)
    with running(tmp_path) as service:
        server = service.start("ada")
        service.tell(server.ticket, "stop", {"generation": 1})
        agent = service.agent()
        order = agent.order()
        blocker = sqlite3.connect(tmp_path / "service" / "hubernate.sqlite", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        refused = agent.report(order, Step.VERIFIED, saved=saved())
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
        assert "nothing was changed" in refused.json()["detail"]
        blocker.execute("ROLLBACK")
        blocker.close()
        assert agent.say(order, Step.VERIFIED, saved=saved()) == "release"


def test_a_full_database_is_503_and_nothing_is_lost(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        server = service.start("ada")
        full = create_engine(service.inside.settings.database)
        engine = service.inside.store._writer

        def limit(pages: int) -> None:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

        with full.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        limit(int(pages or 1))
        big = [{"path": "/" + "x" * 400, "size": 1}] * 20
        service.tell(server.ticket, "stop", {"generation": 1})
        agent = service.agent()
        order = agent.order()
        answers = [agent.report(order, Step.VERIFIED, saved=saved(largest=big, notes=["y" * 9000])) for _ in range(1)]
        assert answers[0].status_code == 503
        limit(1_000_000)
        assert agent.say(order, Step.VERIFIED, saved=saved(largest=big)) == "release"
