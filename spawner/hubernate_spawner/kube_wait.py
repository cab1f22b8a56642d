"""Waiting for a pod to answer: what is told on the way, and when it has been long enough."""

import time

from hubernate_core.errors import NotFound, Unavailable
from hubernate_core.server import Ticket

from .kube_api import JsonObject, KubeApi
from .kube_events import tell
from .kube_look import Look, look
from .kube_watch import EventWatch, Watch
from .progress import Log

_OFTEN_S, _RARELY_S = 0.1, 1.0
_UNSEEN_S = 15.0
_TROUBLE_S = 90.0
"""How long a registry or node may be in trouble before the start says so and ends; kubelets try again meanwhile."""


class Wait:
    """The wait of one start. Time in a queue (scheduling gates) is not counted towards `patience_s`."""

    def __init__(
        self, pods: Watch, events: EventWatch, api: KubeApi, ticket: Ticket, told: Log, patience_s: float
    ) -> None:
        self._pods, self._events, self._api = pods, events, api
        self._ticket, self._told, self._left_s = ticket, told, patience_s
        self._patience_s = patience_s
        self._at = self._seen_at = self._running_at = time.monotonic()
        self._uid = ""
        self._seen: JsonObject | None = None
        self._shown = False
        self._trouble, self._trouble_s = "", 0.0
        self._heard: set[tuple[str, object]] = set()
        self._last = Look("", 0)

    @property
    def _saved_bytes(self) -> int | None:
        return None if self._ticket.checkpoint is None else self._ticket.checkpoint.size

    async def look(self, made: JsonObject) -> Look:
        """How the pod is now; tells what is new.

        Raises:
            Unavailable: it takes too long, with what it waited for.
        """
        self._uid = str(made["metadata"]["uid"])
        self._seen = self._pods.items.get(self._uid)
        pod = await self._pod(made)
        if pod is not None and look(pod).failed:
            pod = await self._unless_deleted(pod)
        seen = look(pod) if pod is not None else Look("", 0, failed="its pod is gone; somebody deleted it")
        self._tell(self._uid, seen)
        self._count(seen)
        self._last = seen
        if not seen.url:
            self._running_at = time.monotonic()
        return seen

    async def pause(self) -> None:
        """Until it is worth looking again: the pod changed, or its gate may answer by now.

        A gate is asked often at first and rarely once it has been asked for long: hundreds may be waited for.
        """
        asked_s = time.monotonic() - self._running_at if self._last.url else _RARELY_S * 10
        await self._pods.change(self._uid, self._seen, min(_RARELY_S, max(_OFTEN_S, asked_s / 10)))

    async def _pod(self, made: JsonObject) -> JsonObject | None:
        """The pod from the watch; from the API when the watch has not shown it for long; None once it is gone."""
        meta, now = made["metadata"], time.monotonic()
        pod = self._pods.items.get(meta["uid"])
        if pod is not None:
            self._seen_at, self._shown = now, True
            return pod
        if not self._shown and now - self._seen_at < _UNSEEN_S:
            return made
        pod = await self._read(meta, made)
        self._seen_at = now
        return pod

    async def _unless_deleted(self, pod: JsonObject) -> JsonObject | None:
        """`pod`, which failed, or what a deletion made of it that the watch has not shown yet: then that is why."""
        now = await self._read(pod["metadata"], pod)
        return now if now is None or "deletionTimestamp" in now["metadata"] else pod

    async def _read(self, meta: JsonObject, known: JsonObject) -> JsonObject | None:
        """The pod from the API; as it is `known` while that does not answer; None once it is gone."""
        try:
            pod = await self._api.read_pod(meta["namespace"], meta["name"])
        except NotFound:
            return None
        except Unavailable:
            return known
        return pod if pod["metadata"]["uid"] == meta["uid"] else None

    def _tell(self, uid: str, seen: Look) -> None:
        for event in self._events.about(uid):
            mark = (str(event["metadata"]["uid"]), event.get("count"))
            if mark not in self._heard:
                self._heard.add(mark)
                if (told := tell(event, self._ticket.image, self._saved_bytes)) is not None:
                    self._told.add(told[0], max(told[1], self._told.percent))
        if seen.message and seen.message != self._last.message:
            self._told.add(seen.message, max(seen.percent, self._told.percent))

    def _count(self, seen: Look) -> None:
        now = time.monotonic()
        passed, self._at = now - self._at, now
        if not seen.gated:
            self._left_s -= passed
        self._trouble_s = self._trouble_s + passed if seen.trouble else 0.0
        if (
            not self._trouble or not seen.trouble or "Back-off" not in seen.trouble
        ):  # that says less than what led to it
            self._trouble = seen.trouble
        if self._trouble_s > _TROUBLE_S:
            raise Unavailable(f"{self._trouble}. Nothing saved was touched; try again later")
        if self._left_s < 0 and not seen.failed:
            waited = self._trouble or seen.message or "waiting"
            raise Unavailable(
                f"it did not answer within {self._patience_s / 60:.0f} minutes. Last: {waited}. Nothing saved was"
                " touched; try again later, or with a smaller profile"
            )
