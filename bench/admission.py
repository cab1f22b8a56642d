"""How many servers a hub starts per second when each start is admitted by the platform service, against none at all.

    python bench/admission.py [--rounds 4] [--servers 128]

Two real hubs take turns; their servers are nothing, so that the hub's own work and the admission are all there is.
Each start asks the service for a ticket and tells it that the server exists and is ready, as with every engine. The
service's database (SQLite) has 1,000 teams and 10,000 people, each with a server that sleeps. 64 starts are asked for
at the same time; the people differ from round to round.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import httpx
from sqlalchemy import insert

from figures import note, report
from hubernate_core.names import TenantId, new_id
from hubernate_hub.store import schema
from hubernate_hub.store.database import Store, Tx
from support.fake_hub import SERVICE_TOKEN
from support.noop_hub import NoopHub
from support.platform_service import PROFILES, write_state

TENANTS, PEOPLE, AT_ONCE = 1000, 10_000, 64


def fill(store: Store) -> None:
    """Teams, people, and a sleeping server of each."""
    names = [f"team{number}" for number in range(TENANTS)]
    ids = {name: TenantId(new_id()) for name in names}
    profile = PROFILES[0] | {"resources": {"cpu": "2", "memory": "4Gi"}}
    image = {"base_repository": "profiles/base", "base_digest": "sha256:" + "b" * 64}
    image |= {"image_repository": "profiles/base", "image_digest": "sha256:" + "b" * 64}
    state = {"state": "asleep", "generation": 1, "start": "continue", "node": "local", "notice": ""}
    empty = {"container_id": "", "gate_container_id": "", "name": "", "asked_at": datetime.now(UTC)}
    tenants, members, owners, servers = [], [], [], []
    for name, key in ids.items():
        tenants.append({"id": key, "name": name, "active": True, "settings": {"quota": {"memory": "256Gi"}}})
    for number in range(PEOPLE):
        user, tenant, owner = f"user{number}", ids[names[number % TENANTS]], new_id()
        members.append({"tenant_id": tenant, "hub_name": user, "role": "member"})
        owners.append({"id": owner, "user": user, "hub_name": user, "tenant_id": tenant})
        servers.append({"id": new_id(), "owner_id": owner, "profile": profile} | image | state | empty)

    def use(tx: Tx) -> None:
        for table, rows in (
            (schema.tenants, tenants),
            (schema.members, members),
            (schema.owners, owners),
            (schema.servers, servers),
        ):
            tx.execute(insert(table), rows)

    store.migrate()
    store.now(use)
    store.close()


@dataclass(frozen=True)
class Rate:
    """Servers per second until the last one was ready, and CPU time of the hub for each."""

    per_second: float
    hub_cpu_ms: float


def rate(hub: NoopHub, users: list[str]) -> Rate:
    """Start every user's server, 64 at the same time."""
    before = hub.cpu_s("hub")
    per_second = asyncio.run(all_of(hub, users))
    return Rate(per_second, 1000 * (hub.cpu_s("hub") - before) / len(users))


async def all_of(hub: NoopHub, users: list[str]) -> float:
    """As `rate`; servers per second."""
    url, headers = f"http://127.0.0.1:{hub.ports['port']}/hub/api/", {"Authorization": f"token {SERVICE_TOKEN}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120, trust_env=False) as api:
        left = iter(users)

        async def some() -> None:
            for user in left:
                answer = await api.post(f"users/{user}/server", json={"profile": "base"} if hub.admitted else {})
                answer.raise_for_status()

        begun = time.monotonic()
        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        for user in users:
            while not (await api.get(f"users/{user}")).json()["servers"].get("", {}).get("ready"):  # noqa: ASYNC110
                await asyncio.sleep(0.2)  # seldom: answering is work of the hub too
        return len(users) / (time.monotonic() - begun)


def measure(folder: Path, rounds: int, number: int) -> list[tuple[Rate, Rate]]:
    """Rates with and without admission, a pair a round; a first round does not count."""
    users = [f"user{each}" for each in range((rounds + 1) * number)]
    hubs = []
    for name in ("with", "without"):
        state = folder / name
        write_state(state, tenants=[])
        hubs.append(NoopHub(state, users, admitted=name == "with", grouped=False))
    fill(Store(f"sqlite:///{_database(hubs[0])}"))
    try:
        hubs[0].start_service()
        for hub in hubs:
            hub.start_hub()
        pairs = []
        for at in range(rounds + 1):
            some = users[at * number : (at + 1) * number]
            ours, plain = (rate(hub, some) for hub in hubs)
            note(
                f"round {at}: with admission {ours.per_second:.1f}/s ({ours.hub_cpu_ms:.0f} ms of the hub's CPU each),"
                f" without {plain.per_second:.1f}/s ({plain.hub_cpu_ms:.0f} ms)"
            )
            pairs.append((ours, plain))
    finally:
        for hub in hubs:
            hub.close()
    return pairs[1:]


def _database(hub: NoopHub) -> Path:
    (hub.folder / "service").mkdir(mode=0o700)
    return hub.folder / "service" / "hubernate.sqlite"


def main() -> None:
    """Measure and report `admission.ratio`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=4)
    arguments.add_argument("--servers", type=int, default=128)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pairs = measure(Path(folder), chosen.rounds, chosen.servers)
    ratios = [ours.per_second / plain.per_second for ours, plain in pairs]
    report("admission.ratio", statistics.median(ratios), "x", "no admission")
    report("admission.per_second", statistics.median(ours.per_second for ours, _ in pairs), "1/s", "")
    # The hub is one thread and the first to be short of CPU: this ratio holds on a busy machine, too.
    ratios = [plain.hub_cpu_ms / ours.hub_cpu_ms for ours, plain in pairs]
    report("admission.hub_cpu_ratio", statistics.median(ratios), "x", "no admission")


if __name__ == "__main__":
    main()
