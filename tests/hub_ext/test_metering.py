"""Use over time: what runs and what is kept is counted once, whenever the service is looked at, killed or started."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import create_engine, text

from hubernate_hub.context import Work
from hubernate_hub.services.metering import drop_old, read_meters
from hubernate_hub.store.database import Tx
from support.platform_service import Running, Started, eventually, running


def look(service: Running) -> None:
    context = service.inside
    context.store.now(lambda tx: read_meters(Work(tx, context, context.clock())))


def used(service: Running, resource: str, user: str = "") -> int:
    """Metered, of the whole platform or one person, over all days."""

    def query(tx: Tx) -> int:
        whose = '"user" = :user' if user else "tenant_id = '' AND \"user\" = ''"
        sums = text(f"SELECT coalesce(sum(amount), 0) FROM usage WHERE resource = :resource AND {whose}")
        return int(tx.execute(sums, {"resource": resource, "user": user}).scalar_one())

    return service.inside.store.now(query)


def stop(service: Running, server: Started) -> None:
    service.tell(server.ticket, "stop", {"generation": server.ticket.generation})
    agent = service.agent()
    agent.finish(agent.order())


def near(found: int, wanted: int) -> bool:
    """Tests run on a clock that goes on: within a minute."""
    return wanted <= found <= wanted + 60


def test_an_hour_is_an_hour_however_often_it_is_looked_at(tmp_path: Path, database: str) -> None:
    with running(tmp_path, db_url=database) as service:
        look(service)
        server = service.start("ada")
        for _ in range(6):
            service.clock.move(minutes=10)
            look(service)
            look(service)
        assert near(used(service, "servers"), 3600)
        assert near(used(service, "cpu", "ada") // 2000, 3600), "two cores"
        assert near(used(service, "memory", "ada") // (4 * 1024**2), 3600), "4 GiB"
        service.clock.move(minutes=30)
        stop(service, server)
        service.clock.move(hours=5)
        look(service)
        assert near(used(service, "servers"), 5400), "what ended between two looks counts until its end"
        service.start("ada")
        service.clock.move(minutes=60)
        look(service)
        assert near(used(service, "servers"), 9000)


def test_a_service_that_was_away_neither_loses_nor_doubles(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        look(service)
        service.start("ada")
        service.clock.move(minutes=10)
        look(service)
        offset = service.clock.offset
    with running(tmp_path) as again:
        again.clock.offset = offset + timedelta(hours=3)
        look(again)
        look(again)
        assert near(used(again, "servers", "ada"), 600 + 3 * 3600)
        again.clock.offset -= timedelta(hours=1)
        look(again)
        assert near(used(again, "servers", "ada"), 600 + 3 * 3600), "a clock that goes back counts nothing twice"


def test_a_crash_in_the_middle_leaves_no_half(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        look(service)
        service.start("ada")
        service.clock.move(hours=1)
        with create_engine(service.inside.settings.database).begin() as connection:
            connection.execute(
                text("CREATE TRIGGER broken BEFORE UPDATE ON meters BEGIN SELECT RAISE(ABORT, 'killed'); END")
            )
        try:
            look(service)
        except Exception as problem:  # noqa: BLE001  whatever the database calls it
            assert "killed" in str(problem)
        assert used(service, "servers") == 0
        with create_engine(service.inside.settings.database).begin() as connection:
            connection.execute(text("DROP TRIGGER broken"))
        look(service)
        assert near(used(service, "servers"), 3600)


def test_a_failed_start_costs_nothing_and_checkpoints_cost_by_the_day(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        look(service)
        ticket = service.request_start("eve", profile="base").json()
        service.clock.move(minutes=5)
        look(service)
        service.spawner("POST", f"/servers/{ticket['server_id']}/abandoned", json={"generation": 1, "reason": "no"})
        server = service.start("ada")
        stop(service, server)
        look(service)
        service.clock.move(hours=48)
        look(service)
        assert used(service, "servers", "eve") == 0
        assert near(used(service, "checkpoint_bytes", "ada") // (212_000_000 // 1024 + 1), 48 * 3600 + 300)


def test_days_that_are_too_old_go(tmp_path: Path) -> None:
    with running(tmp_path, usage_days=31) as service:
        look(service)
        service.start("ada")
        service.clock.move(days=40)
        look(service)
        context = service.inside
        context.store.now(lambda tx: drop_old(Work(tx, context, context.clock())))
        assert 30 * 86400 <= used(service, "servers") <= 32 * 86400
        with create_engine(context.settings.database).connect() as connection:
            plan = connection.execute(text("EXPLAIN QUERY PLAN DELETE FROM usage WHERE day < '2026-11-01'")).all()
        assert "SEARCH" in str(plan) and "SCAN" not in str(plan), "without a look at all that is kept"


def test_the_loop_counts_by_itself(tmp_path: Path) -> None:
    with running(tmp_path, loops=True, hub_every_s=1000) as service:

        def counted() -> bool:
            with create_engine(service.inside.settings.database).connect() as connection:
                return bool(connection.execute(text("SELECT count(*) FROM meters")).scalar())

        assert eventually("the first look", counted)


def test_a_team_that_is_being_removed_stops_nobodys_meter(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        root = service.person("root", admin=True)
        root("POST", "/tenants", json={"name": "old", "members": [{"user": "zoe"}]})
        stop(service, service.start("zoe", groups=()))
        stop(service, service.start("ada"))
        service.inside.settings.backend = "kubernetes"  # only there a home has a size
        try:
            look(service)
            assert root("POST", "/tenants/old/deletion").status_code == 200
            assert root("DELETE", "/tenants/old?confirm=old").status_code == 204
            service.clock.move(hours=2)
            look(service)
        finally:
            service.inside.settings.backend = "docker"
        assert used(service, "storage", "ada") > 0 and used(service, "checkpoint_bytes", "ada") > 0
        assert used(service, "storage", "zoe") == used(service, "checkpoint_bytes", "zoe") == 0
