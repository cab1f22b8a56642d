"""A start on Kubernetes: pod, gate's Secret and home claim, or a pod that still runs.

A start of a person whose home is known makes two requests: the pod, and the Secret that the pod owns. Waiting makes
none: it reads the watch.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from hubernate_core import names
from hubernate_core.errors import Broken, Conflict, NotFound, Unavailable
from hubernate_core.fingerprint import fingerprint
from hubernate_core.gate_file import GateFile
from hubernate_core.manifests.confined import excesses
from hubernate_core.manifests.restricted import violations
from hubernate_core.manifests.server import make_gate_secret, make_pod
from hubernate_core.names import ServerId
from hubernate_core.server import Ticket
from hubernate_core.wire import Started

from .client import GateProbe, ServiceClient
from .kube_api import JsonObject, KubeApi
from .kube_errors import QuotaRefused
from .kube_home import ensure_home
from .kube_look import exit_code, url_of
from .kube_plan import KubeFacts, KubePlan, make_plan
from .kube_wait import Wait
from .kube_watch import EventWatch, Watch
from .lifecycle import patient
from .progress import Log
from .start import PATIENCE_S, missing_image
from .turns import Turns

_API = "the Kubernetes API"
_GONE_WITHIN_S = 60.0
_REFRESH_S = 180.0
"""Kubelets hand a changed Secret over within about 90 seconds."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KubePorts:
    """The outside systems of a start, and the facts about this installation."""

    service: ServiceClient
    api: KubeApi
    pods: Watch
    events: EventWatch
    probe: GateProbe
    facts: KubeFacts
    patience_s: float
    turns: Turns = field(default_factory=Turns)
    homes: dict[tuple[str, str], int] = field(default_factory=dict)
    """(namespace, claim) → bytes, of homes that are known to exist"""


@dataclass(frozen=True)
class PodRunning:
    """A started server: what the hub's state keeps. Only for the pod that runs: the next start asks anew."""

    server_id: ServerId
    generation: int
    namespace: str
    pod: str
    uid: str

    def to_state(self) -> dict[str, str | int]:
        """JSON for the hub's database."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> "PodRunning | None":
        """The server that `to_state` described; None for any other or an empty state."""
        match state:
            case {
                "server_id": str(server), "generation": int(generation), "namespace": str(namespace), "pod": str(pod),
                "uid": str(uid),
            }:  # fmt: skip
                return cls(ServerId(server), generation, namespace, pod, uid)
        return None


async def find(ports: KubePorts, running: PodRunning) -> JsonObject:
    """The pod from the watch; asked for once more before it is called gone.

    Raises:
        NotFound: it is gone.
        Unavailable: the API does not say.
    """
    await ports.pods.ready(5)
    if (pod := ports.pods.items.get(running.uid)) is not None:
        return pod
    pod = await ports.api.read_pod(running.namespace, running.pod)
    if pod["metadata"]["uid"] != running.uid:
        raise NotFound(f"pod {running.pod} is another one now")
    return pod


class KubeBackend:
    """Makes and adopts servers on one cluster. `hub_env` is ``Spawner.get_env()`` of the start."""

    def __init__(self, ports: KubePorts, hub_env: Mapping[str, str], told: Log) -> None:
        self._ports, self._hub_env, self._told = ports, hub_env, told

    def fresh(self, ticket: Ticket) -> "KubeMaking":
        """Raises Broken, InvalidInput as `make_plan`."""
        return KubeMaking(self._ports, ticket, make_plan(ticket, self._hub_env, self._ports.facts), self._told)

    async def adopt(self, ticket: Ticket, container: str) -> PodRunning | None:
        """Take up a pod that still runs; None if it is gone, ended or being deleted, and then it was not touched.

        Raises:
            Broken: a pod of that name is not this server's.
            Unavailable: its gate has not taken the new file up, or does not answer. It runs on.
        """
        api, told = self._ports.api, self._told
        plan = make_plan(ticket, self._hub_env, self._ports.facts)
        try:
            pod = await patient(lambda: api.read_pod(plan.namespace, plan.spec.name), told, PATIENCE_S, _API)
            _check_belongs(pod, plan)
            if (
                pod["metadata"]["uid"] != container
                or exit_code(pod) is not None
                or "deletionTimestamp" in pod["metadata"]
            ):
                return None
        except NotFound:
            return None
        told.add("Your server is still running; connecting to it", 60)
        await _put_secret(self._ports, plan, container, told)
        running = PodRunning(ticket.server_id, ticket.generation, plan.namespace, plan.spec.name, container)
        await self._wait_until_renewed(pod, plan.gate_file)
        return running

    async def _wait_until_renewed(self, pod: JsonObject, gate_file: GateFile) -> None:
        """Until its gate goes by the new file; with the old one nobody could log in."""
        wanted = fingerprint(gate_file.hub_token, gate_file.relay_token)
        url, until = url_of(pod), time.monotonic() + _REFRESH_S
        while await self._ports.probe.fingerprint(f"{url}{gate_file.prefix}api") != wanted:
            if time.monotonic() > until:
                raise Unavailable(
                    "it is still running, but does not answer with its new login yet. Nothing was stopped or lost; try"
                    " again in a minute"
                )
            self._told.add("Your server is still running; its new login reaches it within two minutes", 70)
            await asyncio.sleep(1)


class KubeMaking:
    """One fresh pod."""

    def __init__(self, ports: KubePorts, ticket: Ticket, plan: KubePlan, told: Log) -> None:
        self._ports, self._ticket, self._plan, self._told = ports, ticket, plan, told
        self._request: asyncio.Task[JsonObject] | None = None
        self._unanswered = False
        self._older = False

    async def make(self) -> PodRunning:
        """As `start.Making`.

        Raises:
            QuotaRefused: with what is used, by whom, and the limit.
        """
        ports, plan, told = self._ports, self._plan, self._told
        pod = make_pod(plan.spec)
        if bad := [*violations(pod), *excesses(pod)]:
            raise Broken(f"the pod is more than a notebook may be; it was not sent: {'; '.join(bad)}")
        await asyncio.gather(ports.pods.ready(PATIENCE_S), ports.events.ready(PATIENCE_S))
        async with ports.turns.take(plan.namespace, told):
            try:
                await ensure_home(ports.api, ports.homes, plan.spec, told)
                made = await self._create(pod)
            except QuotaRefused as refused:
                raise QuotaRefused(refused.excesses, self._used_by()) from refused
            uid = str(made["metadata"]["uid"])
            await asyncio.gather(_put_secret(ports, plan, uid, told), self._say_started(uid, ""))
        wait = Wait(ports.pods, ports.events, ports.api, self._ticket, told, ports.patience_s)
        return await self._wait(wait, made)

    async def _wait(self, wait: Wait, made: JsonObject) -> PodRunning:
        ports, plan, uid = self._ports, self._plan, str(made["metadata"]["uid"])
        node = ""
        while True:
            seen = await wait.look(made)
            if seen.claim_gone and ports.homes.pop((plan.namespace, plan.spec.claim), None) is not None:
                await ensure_home(ports.api, ports.homes, plan.spec, self._told)
            if seen.node != node:
                node = seen.node
                await self._say_started(uid, node)
            if seen.failed:
                raise (
                    missing_image(self._ticket) if seen.image_missing else Unavailable(seen.failed, pod=plan.spec.name)
                )
            if seen.url and await ports.probe(f"{seen.url}{plan.gate_file.prefix}api"):
                break
            await wait.pause()
        return PodRunning(self._ticket.server_id, self._ticket.generation, plan.namespace, plan.spec.name, uid)

    async def remove(self) -> None:
        """As `start.Making`. A pod that is older than this attempt is not its to delete."""
        pod = await self._made()
        if pod is None:
            return
        plan, uid = self._plan, str(pod["metadata"]["uid"])
        if self._older:
            raise Conflict(f"pod {plan.spec.name} is older than this attempt and was left alone", pod=plan.spec.name)
        until = time.monotonic() + _GONE_WITHIN_S
        await patient(
            lambda: self._ports.api.delete_pod(plan.namespace, plan.spec.name, uid), self._told, PATIENCE_S, _API
        )
        while uid in self._ports.pods.items:
            if time.monotonic() > until:
                raise Unavailable(f"pod {plan.spec.name} is deleted but not gone yet", pod=plan.spec.name)
            await asyncio.sleep(0.1)

    async def _made(self) -> JsonObject | None:
        """The pod that `_create` made or may have made; None if there is none."""
        if self._request is None:
            return None
        result = (await asyncio.gather(self._request, return_exceptions=True))[0]
        if not isinstance(result, BaseException):
            return result
        if not self._unanswered:
            return None
        try:
            pod = await patient(
                lambda: self._ports.api.read_pod(self._plan.namespace, self._plan.spec.name),
                self._told,
                PATIENCE_S,
                _API,
            )
            _check_belongs(pod, self._plan)
        except (NotFound, Broken):
            return None
        return pod

    async def _create(self, pod: JsonObject) -> JsonObject:
        """Make the pod so that a cancelled start still learns of it: the request runs on."""
        self._request = asyncio.create_task(
            patient(lambda: self._create_once(pod), self._told, PATIENCE_S, _API), name="create pod"
        )
        return await asyncio.shield(self._request)

    async def _create_once(self, pod: JsonObject) -> JsonObject:
        try:
            return await self._ports.api.create_pod(pod)
        except Unavailable:
            self._unanswered = True  # it may have been made all the same
            raise
        except Conflict:
            plan = self._plan
            found = await self._ports.api.read_pod(plan.namespace, plan.spec.name)
            _check_belongs(found, plan)
            if "deletionTimestamp" in found["metadata"] or exit_code(found) is not None:
                raise
            self._older = not self._unanswered
            log.info("the pod is there already; using it", extra={"pod": plan.spec.name, "older": self._older})
            return found

    async def _say_started(self, uid: str, node: str) -> None:
        body = Started(generation=self._ticket.generation, node=node, container_id=uid)
        await patient(lambda: self._ports.service.started(self._ticket.server_id, body), self._told, PATIENCE_S)

    def _used_by(self) -> tuple[str, ...]:
        """Who of the team has servers now, as far as the watch knows: for people, never for a decision."""
        count: dict[str, int] = {}
        for pod in self._ports.pods.items.values():
            meta = pod["metadata"]
            if meta["namespace"] == self._plan.namespace and exit_code(pod) is None:
                who = (meta.get("annotations") or {}).get(names.SHOW_USER, "?")
                count[who] = count.get(who, 0) + 1
        most = sorted(count.items(), key=lambda item: (-item[1], item[0]))[:5]
        return tuple(f"{who} ({number})" for who, number in most)


async def _put_secret(ports: KubePorts, plan: KubePlan, uid: str, told: Log) -> None:
    secret = make_gate_secret(plan.spec, plan.gate_file, uid)
    await patient(lambda: ports.api.create_secret(secret), told, PATIENCE_S, _API)


def _check_belongs(pod: JsonObject, plan: KubePlan) -> None:
    """Refuse a pod that only has the name.

    Raises:
        Broken: it has not the labels of this server's generation.
    """
    labels = pod["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in plan.spec.labels.items()):
        raise Broken(f"pod {plan.spec.name} is not this server's; it was left alone", pod=plan.spec.name)
