"""How long pages and lists take on a platform with 1,000 teams and 10,000 people, and how many queries they need.

    python bench/pages.py [--rounds 30] [--postgresql]

The real service over HTTP on this machine, without its loops; 10,000 servers, 1,500 of them awake, 20,000 checkpoints
and 35 days of use. `pages.cpu_p95_ms` is the CPU time of service and caller together, which another process's load
hardly changes. `pages.queries` is the overview's number of queries; the benchmark fails where a small platform needs
another one.
"""

import argparse
import contextlib
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from sqlalchemy import create_engine, event, insert, select

from figures import note, report
from hubernate_core.metering import Span, meter
from hubernate_core.names import new_id
from hubernate_hub.store import schema
from hubernate_hub.store.usage_schema import usage
from support import postgres
from support.platform_service import Caller, Running, running

TEAMS, PEOPLE, AWAKE, DAYS, BIG = 1000, 10_000, 1500, 35, 1000
PRICES = {"currency": "EUR", "prices": {"cpu": "0.04", "memory": "0.005", "checkpoint_bytes": "0.002"}}
PAGES = {
    "overview": "/overview",
    "overview, 90 days": "/overview?days=90",
    "overview, searched": "/overview?q=m-07",
    "teams": "/teams",
    "one team of 1,000 people": "/teams/team-0000",
    "one team of 9 people": "/teams/team-0500",
    "failed saves": "/failed",
    "all environments": "/admin",
    "all environments, searched": "/admin?q=person09&state=asleep",
    "own environments": "/",
}
LISTS = {
    "usage by team": "/usage?limit=100",
    "usage by person": "/usage?by=person&limit=100",
    "usage by day": "/usage?by=day",
    "tenants": "/tenants?limit=100",
    "use of a team of 1,000": "/tenants/team-0000/use",
    "servers": "/servers?everyone=true&limit=100",
    "servers of a team": "/tenants/team-0000/servers?limit=100",
    "audit": "/audit?limit=100",
}


def fill(service: Running, teams_wanted: int = TEAMS, people_wanted: int = PEOPLE) -> None:
    """Teams, people, servers, operations, checkpoints, use and prices, as weeks of work leave them behind."""
    random.seed(7)
    service.person("root", admin=True)("PUT", "/prices", json=PRICES)
    started = service.start("seed")
    engine = create_engine(service.inside.settings.database)
    now = datetime.now(UTC)
    with engine.begin() as tx:
        model = tx.execute(select(schema.servers).where(schema.servers.c.id == started.id)).one()._mapping
        team = tx.execute(select(schema.tenants).limit(1)).one()._mapping
        teams = [new_id() for _ in range(teams_wanted)]
        settings = dict(team["settings"]) | {"quota": {"servers": 40, "cpu": "200", "memory": "800Gi"}}
        named = [{"id": each, "name": f"team-{number:04d}"} for number, each in enumerate(teams)]
        put(tx, schema.tenants, [dict(team) | {"settings": settings, "seed": None} | each for each in named])
        groups = [{"tenant_id": each["id"], "group_name": each["name"], "role": "member"} for each in named]
        put(tx, schema.tenant_groups, groups)
        people = [
            {"id": new_id(), "user": f"person{number:05d}", "hub_name": f"person{number:05d}"}
            | {
                "tenant_id": teams[0]
                if number < BIG * people_wanted // PEOPLE
                else teams[1 + number % (teams_wanted - 1)]
            }
            for number in range(people_wanted)
        ]
        put(tx, schema.owners, people)
        servers = [dict(model) | server_of(number, each, now) for number, each in enumerate(people)]
        put(tx, schema.servers, servers)
        operations = [
            operation_of(each, ago, now, failed=ago == 0 and number % 500 == 0)
            for number, each in enumerate(servers)
            for ago in (0, 1)
        ]
        put(tx, schema.operations, operations)
        owner = {each["id"]: each for each in people}
        put(tx, schema.checkpoints, [checkpoint_of(each, owner[by["owner_id"]]) for each, by in zip(
            operations, (server for server in servers for _ in (0, 1)), strict=True
        ) if each["outcome"] != "failed"])  # fmt: skip
        days = [meter(day_of_use(people, now)) for _ in range(3)]
        for ago in range(DAYS):
            day = (now - timedelta(days=ago)).date()
            names = ("tenant_id", "user", "resource", "amount")
            put(tx, usage, [
                dict(zip(names, (tenant, user, resource, amount), strict=True)) | {"day": day}
                for (tenant, user, _, resource), amount in days[ago % 3].items()
            ])  # fmt: skip
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def put(tx: Any, table: Any, rows: list[dict[str, Any]]) -> None:
    """Insert many."""
    for first in range(0, len(rows), 2000):
        tx.execute(insert(table), rows[first : first + 2000])


def server_of(number: int, person: dict[str, Any], now: datetime) -> dict[str, Any]:
    """One server; the first ones are awake."""
    awake = {"state": "running", "container_id": new_id() * 6, "stopped_at": None}
    asleep = {"state": "asleep", "container_id": "", "stopped_at": now - timedelta(hours=number % 300)}
    fields = {"id": new_id(), "owner_id": person["id"], "relay_sha256": None, "ready_at": now - timedelta(hours=9)}
    return fields | (awake if number * 7919 % PEOPLE < AWAKE else asleep)


def operation_of(server: dict[str, Any], ago: int, now: datetime, *, failed: bool) -> dict[str, Any]:
    """A save of it, so many days ago."""
    at = now - timedelta(hours=10 + 24 * ago)
    fields = dict.fromkeys(("name", "container_id", "gate_container_id", "requested_by", "reason"), "")
    return fields | {
        "id": new_id(), "server_id": server["id"], "generation": 1, "kind": "save", "trigger": "idle", "node": "local",
        "step": "failed" if failed else "released", "outcome": "failed" if failed else "saved", "progress": {},
        "hub_joined": False, "requested_at": at, "updated_at": at, "finished_at": at,
    }  # fmt: skip


def checkpoint_of(operation: dict[str, Any], person: dict[str, Any]) -> dict[str, Any]:
    """What that save recorded."""
    digest = "sha256:" + "a" * 64
    return {
        "id": new_id(), "operation_id": operation["id"], "server_id": operation["server_id"], "generation": 1,
        "tenant_id": person["tenant_id"], "owner_id": person["id"], "name": "", "profile": "base", "repository": "r",
        "digest": digest, "base_digest": digest, "size": random.randint(10**6, 10**9), "changed_bytes": 10**9,
        "frozen_s": 0.1, "layers": [], "largest": [], "notes": [], "signature": "", "usable": True,
        "created_at": operation["finished_at"], "deleted_at": None,
    }  # fmt: skip


def day_of_use(people: list[dict[str, Any]], until: datetime) -> Iterator[Span]:
    """What people used on one day: a third of them worked, everybody has checkpoints."""
    midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
    for each in people:
        held = {"checkpoint_bytes": 400_000_000}
        yield Span(each["tenant_id"], each["user"], held, midnight, midnight + timedelta(hours=24))
        if random.random() < 1 / 3:
            held = {"servers": 1, "cpu": 2000, "memory": 4 * 1024**3}
            hours = timedelta(hours=random.uniform(1, 9))
            yield Span(each["tenant_id"], each["user"], held, midnight, midnight + hours)


class Queries:
    """Counts the statements of the service's engine."""

    def __init__(self, service: Running) -> None:
        self.number = 0
        event.listen(service.inside.store._engine, "before_cursor_execute", self._count)

    def _count(self, _connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        self.number += not statement.startswith(("BEGIN", "PRAGMA"))


def looker(service: Running) -> tuple[Caller, dict[str, str]]:
    """An admin of the platform, and what a browser's request says."""
    return service.person("root", admin=True), {"accept": "text/html"}


def queries_of_overview(service: Running) -> int:
    """How many queries the overview needs."""
    root, headers = looker(service)
    service.ask("GET", "/overview", root.token, headers=headers)
    counted = Queries(service)
    assert service.ask("GET", "/overview", root.token, headers=headers).status_code == 200
    return counted.number


def p95(seconds: list[float]) -> float:
    """The 95th percentile, in milliseconds."""
    return sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1] * 1000


@dataclass
class Taken:
    """Seconds that one page took, of the clock and of the CPU."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def measure(service: Running, rounds: int) -> dict[str, Taken]:
    """Every page and list, in turns; a first round warms up and does not count."""
    root, headers = looker(service)
    asked = [(name, path, {"headers": headers}) for name, path in PAGES.items()]
    asked += [(name, f"/api/v1{path}", {}) for name, path in LISTS.items()]
    found = {name: Taken() for name, _, _ in asked}
    for number in range(rounds + 1):
        for name, path, more in asked:
            wall, cpu = time.monotonic(), time.process_time()
            answer = service.ask("GET", path, root.token, **more)
            if number:
                found[name].wall.append(time.monotonic() - wall)
                found[name].cpu.append(time.process_time() - cpu)
            assert answer.status_code == 200, (path, answer.text[:300])
    return found


def main() -> None:
    """Measure and report `pages.p95_ms` and `pages.queries`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=30)
    arguments.add_argument("--postgresql", action="store_true", help="on a real PostgreSQL instead of SQLite")
    chosen = arguments.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def database() -> dict[str, Any]:
            return {"db_url": stack.enter_context(postgres.cluster())} if chosen.postgresql else {}

        small, large = database(), database()
        with running(folder / "small", **small) as service:
            fill(service, teams_wanted=5, people_wanted=20)
            few = queries_of_overview(service)
        begun = time.monotonic()
        with running(folder / "large", **large) as service:
            fill(service)
            many = queries_of_overview(service)
        note(f"filled in {time.monotonic() - begun:.0f} s")
        with running(folder / "large", **large) as service:
            found = measure(service, chosen.rounds)
    for name, each in sorted(found.items(), key=lambda pair: -p95(pair[1].wall)):
        wall, cpu = statistics.median(each.wall) * 1000, statistics.median(each.cpu) * 1000
        note(f"{name:<28} p50 {wall:6.0f} ms   p95 {p95(each.wall):6.0f} ms   CPU {cpu:6.0f} ms")
    report("pages.p95_ms", max(p95(each.wall) for each in found.values()), "ms", "")
    report("pages.cpu_p95_ms", max(p95(each.cpu) for each in found.values()), "ms", "")
    report("pages.queries", many, "", "")
    if few != many:
        sys.exit(f"the overview needs {few} queries on a small platform and {many} on a large one")


if __name__ == "__main__":
    main()
