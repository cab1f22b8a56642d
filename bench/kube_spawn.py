"""Starts on the project's fake API server: against stock KubeSpawner, and while another team starts 500 at once.

    python bench/kube_spawn.py [--rounds 3] [--starts 128] [--burst 500]

The fake and a scripted platform service are in this process, each hub in one of its own; ours and stock take turns. In
the first part a pod answers as soon as it runs, so that hub and API are all there is. In the second it answers two
seconds later, as JupyterLab does: what a person of another team waits for is measured with and without the 500.
"""

import argparse
import asyncio
import math
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from figures import note, report
from hubernate_core import names
from hubernate_core.quota import Quota
from kube_cluster import AnyGates, stock_hub
from kube_hub import Ours, Stock, all_started, hub_process, started
from kube_teams import Teams
from support.fake_kube.server import FakeKube
from support.kube_tenant import GATE_IMAGE, Tenancy, a_tenancy

_AT_ONCE = 64
_WARM = 8
_LAB_S = 2.0
_ROOM = Quota(servers=2000, homes=2000)
_OTHERS, _OTHERS_AT_ONCE = 24, 4
Run = Callable[..., Future[Any]]


def team(person: str) -> str:
    """Whose team's."""
    return person.partition("-")[0]


async def throughput(side: Ours | Stock, people: Sequence[str]) -> float:
    """Starts per second, 64 at a time; the first few warm the hub up and do not count."""
    spawners = [side.spawner(person, team(person)) for person in people]
    await all_started(spawners[:_WARM], _AT_ONCE)
    seconds, _ = await all_started(spawners[_WARM:], _AT_ONCE)
    return (len(people) - _WARM) / seconds


async def others_p95(side: Ours, storm: Sequence[str], people: Sequence[str]) -> float:
    """95th percentile of the seconds of a start of `people`, who start four at a time; with a storm of other starts,
    of those that begin before it is over."""
    burst = [asyncio.ensure_future(started(side.spawner(person, team(person)))) for person in storm]
    left, seconds = iter(people), list[float]()

    async def one_after_another() -> None:
        for person in left:
            if burst and all(each.done() for each in burst):
                return
            seconds.append(await started(side.spawner(person, team(person))))

    await asyncio.gather(*(one_after_another() for _ in range(_OTHERS_AT_ONCE)))
    await asyncio.gather(*burst)
    return sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]


def clear(kube: FakeKube) -> None:
    """Take every pod away."""
    for pod in kube.list("pods"):
        kube.delete("pods", pod["metadata"]["namespace"], pod["metadata"]["name"], grace_s=0)


def against_stock(kube: FakeKube, ours: Run, stock: Run, rounds: int, starts: int) -> tuple[list[float], list[float]]:
    """Starts per second of both hubs, one after the other in each round; half of the people are of either team."""
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        people = [f"{'ab'[each % 2]}-{number}-{each}" for each in range(starts + _WARM)]
        for run, found in zip((ours, stock), rates, strict=True):
            found.append(run(throughput, people).result())
            clear(kube)
        note(f"round {number}: ours {rates[0][-1]:.1f}/s, stock {rates[1][-1]:.1f}/s")
    return rates


def moved_by_a_burst(kube: FakeKube, ours: Run, rounds: int, burst: int) -> list[float]:
    """How many times longer a start of team b takes (95th percentile) while team a starts `burst` servers at once."""
    ratios = []
    for number in range(rounds):
        calm = ours(others_p95, [], [f"b-{number}-calm-{each}" for each in range(_OTHERS)]).result()
        clear(kube)
        storm = [f"a-{number}-storm-{each}" for each in range(burst)]
        stormy = ours(others_p95, storm, [f"b-{number}-storm-{each}" for each in range(burst)]).result()
        clear(kube)
        note(f"round {number}: 95 % of team b's starts within {calm:.2f} s, in the storm {stormy:.2f} s")
        ratios.append(stormy / calm)
    return ratios


@contextmanager
def hubs() -> Iterator[tuple[Tenancy, Ours, Stock]]:
    """A fake cluster with teams a and b, a platform service, and both hubs' settings."""
    with tempfile.TemporaryDirectory() as name, a_tenancy(_ROOM, AnyGates) as tenancy:
        folder, kube, instance = Path(name), tenancy.kube, tenancy.service.instance
        teams = {"a": tenancy.service.tenant_id, "b": names.new_id()}
        tenancy.add_tenant(teams["b"], _ROOM)
        service = Teams(kube, instance, teams)
        token_file = folder / "spawner-token"
        token_file.write_text(service.token)
        config = str(kube.kubeconfig(folder / "ours.yaml", tenancy.token))
        try:
            yield tenancy, Ours(config, instance, service.url, str(token_file), GATE_IMAGE), stock_hub(kube, folder)
        finally:
            service.close()


def main() -> None:
    """Measure and report `kube-spawn`."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--starts", type=int, default=128)
    arguments.add_argument("--burst", type=int, default=500)
    chosen = arguments.parse_args()
    with hubs() as (tenancy, ours, stock):
        with hub_process(ours) as run_ours:
            with hub_process(stock) as run_stock:
                mine, theirs = against_stock(tenancy.kube, run_ours, run_stock, chosen.rounds, chosen.starts)
            ratios = [one / another for one, another in zip(mine, theirs, strict=True)]
            report("kube-spawn.ratio_to_stock", statistics.median(ratios), "x", "stock KubeSpawner")
            report("kube-spawn.per_second", statistics.median(mine), "1/s", "")
            tenancy.gates.start_s = _LAB_S
            moved = moved_by_a_burst(tenancy.kube, run_ours, chosen.rounds, chosen.burst)
        report("kube-spawn.other_tenant_p95_ratio", statistics.median(moved), "x", "the same without the other's burst")


if __name__ == "__main__":
    main()
