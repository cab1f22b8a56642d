"""What the platform asks of the Kubernetes API: for a start, and while nothing happens. On the project's fake.

    python bench/kube_requests.py [--tenants 500]

The real platform service, our spawner and stock KubeSpawner (with a namespace and a home for each person, as ours has
them) on one fake API server, which writes every request down. Counted is all that hub and platform service ask for.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from figures import note, report
from kube_cluster import HUB, STOCK_HUB, platform
from kube_hub import Ours, Stock, hub_process, started
from support.fake_kube.server import FakeKube
from support.platform_service import eventually

_STARTS = 5
_ENDS = 5
"""Times that the API server ends every watch, as it does by itself within minutes."""
_WATCHED = ("pods", "events", "nodes", "namespaces")
_PEER = "KubeSpawner, a namespace for each user"


async def start_one(side: Ours | Stock, person: str, tenant: str) -> None:
    """Start a person's server."""
    await started(side.spawner(person, tenant))


async def watch_on(side: Ours | Stock, seconds: float) -> None:
    """Be a hub at which nothing happens."""
    await asyncio.sleep(seconds)


def most_requests(
    kube: FakeKube, who: Sequence[str], hub: Callable[..., Future[Any]], people: Sequence[tuple[str, str]]
) -> int:
    """API requests that starting each of `people` (person, tenant) took, the most of all; lists and watches are not
    a start's but the hub's."""
    found = []
    for person, tenant in people:
        kube.calls.clear()
        hub(start_one, person, tenant).result()
        calls = [call for call in kube.calls.select() if call.subject in who and call.verb not in ("list", "watch")]
        note(f"{person}: {', '.join(f'{call.verb} {call.resource}' for call in calls)}")
        found.append(len(calls))
    return max(found)


def lists_at_rest(kube: FakeKube, who: Sequence[str], hub: Callable[..., Future[Any]]) -> int:
    """Lists of what is watched, while nothing happens but that the API server ends every watch, again and again."""
    resting = hub(watch_on, _ENDS * 2.0)
    kube.calls.clear()
    for _ in range(_ENDS):
        open_before = kube.watches.count()
        kube.cut_watches()
        time.sleep(1.5)
        eventually("they watch again", lambda before=open_before: kube.watches.count() >= before)
    resting.result()
    calls = [call for call in kube.calls.select(verb="list") if call.subject in who]
    return sum(call.resource in _WATCHED for call in calls)


def main() -> None:
    """Measure and report `kube-requests`."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--tenants", type=int, default=500)
    tenants = arguments.parse_args().tenants
    with platform(tenants) as (running, kube, ours, stock):
        service, hub = running.service_account, HUB.format(running.instance)
        provisioning = kube.calls.select(subject=service)
        made = [call for call in provisioning if call.verb not in ("list", "watch", "get")]
        report("kube-requests.provision", len(made) / tenants, "requests", "")
        with hub_process(ours) as run:
            who = (service, hub)
            first = [(f"first{number}", f"team-{number}") for number in range(_STARTS)]
            # Another person of the same team: what is made for a team is there, a home is not.
            later = [(f"later{number}", f"team-{number}") for number in range(_STARTS)]
            report("kube-requests.first", most_requests(kube, who, run, first), "requests", "")
            report("kube-requests.later", most_requests(kube, who, run, later), "requests", "")
            report("kube-requests.relists", lists_at_rest(kube, who, run), "lists", "")
            watches = [call for call in kube.calls.select(verb="watch", resource="pods") if call.subject in who]
            note(f"{len(watches)} watches of pods were opened anew in that time")
            report("kube-requests.watches", kube.watches.count("pods"), "watches", "")
        with hub_process(stock) as run:
            peers = [(f"peer{number}", "") for number in range(_STARTS)]
            report("kube-requests.stock_start", most_requests(kube, (STOCK_HUB,), run, peers), "requests", _PEER)
            report("kube-requests.stock_relists", lists_at_rest(kube, (STOCK_HUB,), run), "lists", _PEER)


if __name__ == "__main__":
    main()
