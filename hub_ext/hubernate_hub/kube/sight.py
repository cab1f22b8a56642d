"""What runs, by the pods that the API server tells of: the cluster's answer to `hubernate_hub.sight.Sight`."""

import time
from collections import OrderedDict
from collections.abc import Iterable

from hubernate_core.wire import Seen

from ..bell import Bell
from ..store.server_lists import NewestStart
from ..store.servers import ServerRow
from .mirror import Change
from .pods import Pod
from .watch import Informer

_DELETED_KEPT = 10_000


class PodSight:
    """Reads the informer of pods. While that is not fresh, nothing is called gone (F34, F35)."""

    def __init__(self, bell: Bell, gone_after_s: float, fresh_s: float) -> None:
        self._bell, self._gone_after_s, self._fresh_s = bell, gone_after_s, fresh_s
        self._informer: Informer[Pod] | None = None
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._absent_since: dict[str, float] = {}

    def watch(self, informer: Informer[Pod]) -> None:
        """Read this informer, which tells `changed` of every change."""
        self._informer = informer

    def changed(self, change: Change[Pod]) -> None:
        """Remember what is gone for good, and wake who waits for it."""
        if change.now is None:
            self._deleted[change.uid] = None
            while len(self._deleted) > _DELETED_KEPT:
                self._deleted.popitem(last=False)
        self._bell.ring(f"pod:{change.uid}", "pods")

    @property
    def fresh(self) -> bool:
        """Whether the API server was heard lately."""
        return self._informer is not None and self._informer.stale_s < self._fresh_s

    def pods(self) -> list[Pod]:
        """Every pod of ours, as last heard."""
        return [] if self._informer is None else list(self._informer.objects.values())

    def pod(self, uid: str) -> Pod | None:
        """One pod, as last heard."""
        return None if self._informer is None else self._informer.objects.get(uid)

    def seen(self, row: ServerRow) -> Seen | None:
        """The container of `row`; None when it never began or nothing fresh is known."""
        pod = self.pod(row.container_id)
        return pod.seen() if self.fresh and pod is not None and pod.began else None

    def gone(self, row: ServerRow) -> bool:
        """Whether the pod of `row` is certainly gone: its end was told, or it is not there by a word that came well
        after we first missed it."""
        uid = row.container_id
        if not uid or self._informer is None or not self._informer.synced or uid in self._informer.objects:
            self._absent_since.pop(uid, None)
            return False
        if uid in self._deleted:
            self._absent_since.pop(uid, None)
            return True
        first = self._absent_since.setdefault(uid, time.monotonic())
        return self._informer.proven_at - first >= self._gone_after_s

    def deleting(self, row: ServerRow) -> bool:
        """Whether somebody deletes the pod of `row`."""
        pod = self.pod(row.container_id)
        return pod is not None and pod.deleting

    def strays(self, known: Iterable[ServerRow]) -> list[tuple[str, Seen]]:
        """Pods that hold something and whose start is none of `known`."""
        expected = {(row.id, row.generation) for row in known}
        strangers = (pod for pod in self.pods() if pod.began and (pod.server_id, pod.generation) not in expected)
        return [(pod.node, pod.seen()) for pod in strangers] if self.fresh else []

    def left_behind(self, rows: Iterable[ServerRow | NewestStart]) -> list[tuple[str, Seen]]:
        """Running pods of other starts than those of `rows`: a later one is what a restored database does not know."""
        newest = {row.id: row.generation for row in rows}
        others = (
            pod for pod in self.pods() if pod.running and newest.get(pod.server_id, pod.generation) != pod.generation
        )
        return [(pod.node, pod.seen()) for pod in others] if self.fresh else []

    def unseen(self, nodes: Iterable[str]) -> list[str]:
        """All of them, while the API server is silent."""
        return [] if self.fresh else ["whatever runs on the cluster, whose API server is silent"]

    def never_began(self, known: Iterable[ServerRow]) -> list[Pod]:
        """Pods without a thing in them that no start of `known` waits for."""
        expected = {(row.id, row.generation) for row in known}
        pods = (pod for pod in self.pods() if not pod.began and not pod.deleting)
        return [pod for pod in pods if (pod.server_id, pod.generation) not in expected] if self.fresh else []
