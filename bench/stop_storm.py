"""A storm of stops: a big team's 800 and then two small teams' 100 each, on two nodes of the project's fake cluster.

    python bench/stop_storm.py [--stops 1000]

The platform service is the real one, with its database and its loops. Agents are stand-ins that speak the real agent
API as the real agent does (a poll that waits, two saves at a time); a save itself takes no time, so that only the
service's own work is left.
"""

import argparse
import logging
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx

from figures import note, report
from hubernate_core.operation import Step
from hubernate_core.server import Ticket
from hubernate_core.wire import Order
from hubernate_hub.store import checkpoints, operations, servers
from hubernate_hub.store.database import Tx
from kube_cluster import platform
from support.fake_hub import FakeHub
from support.fake_kube.server import FakeKube
from support.kube_platform import KubeAgent, Platform, pod_of
from support.platform_service import Running, saved

_SHARES = (0.8, 0.1, 0.1)
_SAVES_AT_ONCE = 2
_ASKING_AT_ONCE = 8
_STUCK_S = 600
_EVERY_S = {"reconcile_every_s": 3, "hub_every_s": 15, "cull_every_s": 30}
_STEPS = (Step.FROZEN, Step.CAPTURED)


@dataclass(frozen=True)
class Server:
    """A running server."""

    ticket: Ticket
    uid: str
    node: str
    team: str


@dataclass
class StandIn:
    """One node's agent. `ended`: teams in the order in which their servers were stopped; `most`: orders in hand."""

    agent: KubeAgent
    servers: dict[str, Server]
    ended: list[tuple[float, str]] = field(default_factory=list)
    most: int = 0
    _busy: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Work until every server is stopped, or until it is clear that some never will be."""
        deadline = time.monotonic() + _STUCK_S
        with ThreadPoolExecutor(_SAVES_AT_ONCE) as pool:
            while self.servers and time.monotonic() < deadline:
                with self._lock:
                    busy, there = list(self._busy), list(self.servers.values())
                seen = [
                    {"server_id": each.ticket.server_id, "generation": 1, "container_id": each.uid} for each in there
                ]
                orders = self.agent.poll(*({"running": True} | each for each in seen), wait_s=5, busy_with=busy).orders
                for order in orders:
                    with self._lock:
                        self._busy[order.operation_id] = order.server_id
                        self.most = max(self.most, len(self._busy))
                    pool.submit(self._stop, order)

    def _stop(self, order: Order) -> None:
        image = saved(size=1000)
        for step in _STEPS:
            patient(lambda step=step: self.agent.report(order, step))
        patient(lambda: self.agent.report(order, Step.VERIFIED, saved=image))
        patient(lambda: self.agent.report(order, Step.RELEASED))
        with self._lock:
            team = self.servers.pop(order.server_id).team
            self.ended.append((time.time(), team))
            del self._busy[order.operation_id]


def work_off(url: str, node: str, token: str, found: Sequence[Server]) -> tuple[list[tuple[float, str]], int]:
    """Be the agent of a node, in a process of its own: when which team's servers stopped, and most orders in hand."""
    logging.disable(logging.ERROR)
    agent = KubeAgent(Running(url, Path(), FakeHub()), node, token)
    one = StandIn(agent, {each.ticket.server_id: each for each in found})
    one.run()
    return one.ended, one.most


def patient(call: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer, asked for again while the service says "later", as hub and agent do."""
    while (answer := call()).status_code == 503:
        time.sleep(0.2)
    return answer.raise_for_status()


def tell(running: Platform, ticket: Ticket, what: str, body: dict[str, Any]) -> None:
    """What the hub says of a server."""
    path, whole = f"/servers/{ticket.server_id}/{what}", {"generation": ticket.generation} | body
    patient(lambda: running.service.spawner("POST", path, json=whole))


def start(running: Platform, team: str, person: str) -> Server:
    """A ready server with a pod on the fake, told of as the hub does."""
    answer = patient(lambda: running.service.request_start(person, groups=(team,), profile="base"))
    ticket = Ticket.model_validate(answer.json())
    assert ticket.placement is not None
    pods = f"/api/v1/namespaces/{ticket.placement.namespace}/pods"
    made = running.admin("POST", pods, pod_of(ticket, running.instance))
    path, node = f"{pods}/{made['metadata']['name']}", ""
    while not node:
        node = running.admin("GET", path)["spec"].get("nodeName", "")
    uid = made["metadata"]["uid"]
    tell(running, ticket, "started", {"container_id": uid, "node": node})
    tell(running, ticket, "ready", {})
    running.service.hub.runs(person)
    return Server(ticket, uid, node, team)


def ask_to_stop(running: Platform, server: Server) -> None:
    """As the hub does."""
    tell(running, server.ticket, "stop", {})


@contextmanager
def agents(running: Platform, found: Sequence[Server]) -> Iterator[list[tuple[list[tuple[float, str]], int]]]:
    """What both nodes' agents did."""
    nodes = sorted({each.node for each in found})
    with ProcessPoolExecutor(len(nodes), mp_context=get_context("spawn")) as pool:
        work = [
            pool.submit(work_off, running.service.url, node, running.token(node), [x for x in found if x.node == node])
            for node in nodes
        ]
        yield [each.result() for each in work]


def lost_and_stuck(running: Platform, kube: FakeKube, found: Sequence[Server]) -> tuple[int, int]:
    """Servers without pod and without a save; servers that do not sleep, or whose pod is still there."""
    pods = {pod["metadata"]["uid"] for pod in kube.list("pods")}

    def look(tx: Tx) -> tuple[int, int]:
        lost = stuck = 0
        newest = operations.newest_of(tx, [each.ticket.server_id for each in found])
        for each in found:
            row = servers.get(tx, each.ticket.server_id)
            assert row is not None
            asleep = str(row.state) == "asleep"
            made = newest[each.ticket.server_id].operation.checkpoint_id
            kept = made is not None and checkpoints.get(tx, made) is not None
            lost += each.uid not in pods and not kept
            stuck += not asleep or each.uid in pods
        return lost, stuck

    return running.service.inside.store.now(look)


def fairness(ended: Sequence[str], asked: Counter[str]) -> float:
    """Jain's index of what each team got until the first one had nothing left to stop: 1 is equal, 1/teams is one for
    all the others."""
    got: Counter[str] = Counter()
    for team in ended:
        got[team] += 1
        if got[team] == asked[team]:
            break
    return sum(got.values()) ** 2 / (len(asked) * sum(each**2 for each in got.values()))


def main() -> None:
    """Measure and report `stop-storm`."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--stops", type=int, default=1000)
    stops = arguments.parse_args().stops
    people = [
        (f"team-{team}", f"person-{team}-{number}")
        for team, share in enumerate(_SHARES)
        for number in range(round(stops * share))
    ]
    with platform(len(_SHARES), **_EVERY_S) as (running, kube, _, _), ThreadPoolExecutor(_ASKING_AT_ONCE) as pool:
        note(f"starting {len(people)} servers")
        begun = time.monotonic()
        found = list(pool.map(lambda each: start(running, *each), people))
        note(f"started within {time.monotonic() - begun:.0f} s")
        list(pool.map(lambda each: ask_to_stop(running, each), found))
        with agents(running, found) as done:
            ended = sorted(each for one, _ in done for each in one)
            lost, stuck = lost_and_stuck(running, kube, found)
        report("stop-storm.lost", lost, "servers", "")
        report("stop-storm.stuck", stuck, "servers", "")
        teams = [team for _, team in ended]
        report("stop-storm.fairness", fairness(teams, Counter(team for team, _ in people)), "share", "equal shares")
        report("stop-storm.queue", max(most for _, most in done), "orders", "")
        begun = ended[0][0]
        report("stop-storm.per_second", (len(ended) - 1) / (ended[-1][0] - begun), "1/s", "")
        small = statistics.median(at - begun for at, team in ended if team != "team-0")
        note(f"small teams' servers stopped after {small:.0f} s (median), all after {ended[-1][0] - begun:.0f} s")


if __name__ == "__main__":
    main()
