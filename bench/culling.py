"""How long one pass of culling over many idle servers takes, and how often it calls the hub.

    python bench/culling.py [--servers 10000] [--tenants 1000] [--nodes 100] [--rounds 3]

The real service's parts on SQLite, with every server idle, known to be idle, and due; a hub over HTTP that counts its
calls. A pass finds who is due, warns, and puts to sleep those for whom there is room; the calls are those of the pass
and of one comparison with the hub's own list. The stock culler asks the hub to stop one server after the other, and
waits up to 10 s for each.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from sqlalchemy import insert

from figures import note, report
from hubernate_core.names import ServerId, new_id
from hubernate_core.tenant import TenantSettings
from hubernate_core.wire import Poll
from hubernate_hub.context import Context
from hubernate_hub.reconcile.culling import cull
from hubernate_hub.reconcile.hub_sync import HubSync
from hubernate_hub.store import operations, schema, tenants
from hubernate_hub.store.database import Tx
from support.platform_service import PROFILES, Running, running

RULES = {"idle_after": "PT1H", "rules": [{"profiles": ["gpu"], "idle_after": "PT30M"}]}


def fill(tx: Tx, context: Context, servers: int, teams: int, nodes: int) -> list[tuple[str, int]]:
    """So many running servers, one a person, idle for half an hour; their starts."""
    settings = TenantSettings.model_validate({"culling": RULES})
    ids = [tenants.create(tx, f"team-{number}", settings).id for number in range(teams)]
    used = context.clock() - timedelta(minutes=30)
    profile = PROFILES[0] | {"resources": {"cpu": "2", "memory": "4Gi"}}
    empty = {column.name: "" for column in schema.servers.columns if not column.nullable}
    owners: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for number in range(servers):
        user, owner = f"user{number:05d}", new_id()
        owners.append({"id": owner, "user": user, "hub_name": user, "tenant_id": ids[number % teams]})
        changes = {"id": new_id(), "owner_id": owner, "state": "running", "generation": 1, "profile": profile}
        changes |= {"start": "clean", "node": f"n{number % nodes}", "container_id": "c" * 64, "relay_sha256": None}
        rows.append(empty | changes | {"ready_at": used, "last_person_at": used})
    tx.execute(insert(schema.owners), owners)
    tx.execute(insert(schema.servers), rows)
    return [(row["id"], 1) for row in rows]


async def measure(
    service: Running, servers: int, teams: int, nodes: int, rounds: int
) -> tuple[list[float], list[float], int]:
    """Seconds and CPU seconds of each pass, the first of which warns everybody and the others find all due; the most
    calls of the hub in one."""
    context = service.inside
    starts = await context.store.write(fill, context, servers, teams, nodes)
    for number in range(servers):
        service.hub.runs(f"user{number:05d}")
    hub, calls = HubSync(context), 0
    seconds: list[float] = []
    cpu: list[float] = []
    for number in range(rounds):
        service.clock.move(minutes=60)
        for node in range(nodes):
            context.fleet.heard(Poll(node=f"n{node}", version="bench"), context.clock())
        context.gates_heard.update({(ServerId(server), start): time.monotonic() for server, start in starts})
        before, begun, used = len(service.hub.calls), time.monotonic(), time.process_time()
        await cull(context)
        seconds.append(time.monotonic() - begun)
        cpu.append(time.process_time() - used)
        await hub.round()
        calls = max(calls, len(service.hub.calls) - before)
        opened = len(await context.store.read(operations.all_open))
        note(f"pass {number}: {seconds[-1]:.2f} s, {len(service.hub.calls) - before} calls of the hub, {opened} saves")
        assert opened == (0 if number == 0 else min(context.settings.cull_at_once, servers)), "nothing was decided"
    await context.hub.close()  # its connections belong to this event loop
    return seconds, cpu, calls


def main() -> None:
    """Measure and report `culling.seconds` and `culling.hub_calls`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--servers", type=int, default=10_000)
    arguments.add_argument("--tenants", type=int, default=1000)
    arguments.add_argument("--nodes", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    # No loops: the passes are ours. Long patience with a hub that shares this process.
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), hub_timeout_s=60) as service:
        sizes = (chosen.servers, chosen.tenants, chosen.nodes, chosen.rounds)
        seconds, cpu, calls = asyncio.run(measure(service, *sizes))
    report("culling.seconds", statistics.median(seconds), "s", "")
    report("culling.cpu_s", statistics.median(cpu), "s", "")
    report("culling.hub_calls", calls, "calls", "")


if __name__ == "__main__":
    main()
