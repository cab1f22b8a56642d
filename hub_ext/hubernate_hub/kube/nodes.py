"""Nodes: which are not ready, and for how long by our own clock (F40)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from .mirror import Change
from .resources import Object


@dataclass(frozen=True)
class Node:
    """One node of the cluster."""

    name: str
    ready: bool


def read_node(thing: Object) -> Node:
    """A node from its object. Without a Ready condition, or with an unknown one, it is not ready."""
    conditions = (thing.get("status") or {}).get("conditions") or ()
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    return Node(str(thing.get("metadata", {}).get("name", "")), ready)


class Nodes:
    """Takes changes in and remembers since when a node is not ready."""

    def __init__(self, not_ready_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._after_s, self._clock = not_ready_after_s, clock
        self._unready: dict[str, float] = {}
        self._known: set[str] = set()

    def changed(self, change: Change[Node]) -> None:
        """One node is new, other than before, or gone."""
        node = change.now or change.before
        if node is None:
            return
        if change.now is None:
            self._unready.pop(node.name, None)
            self._known.discard(node.name)
        else:
            self._known.add(node.name)
            if node.ready:
                self._unready.pop(node.name, None)
            else:
                self._unready.setdefault(node.name, self._clock())

    def trouble(self, name: str) -> str:
        """What is wrong with a node for so long that people should know; empty: nothing."""
        if name and self._known and name not in self._known:
            return f"node {name} is no longer in the cluster"
        since = self._unready.get(name)
        if since is None or self._clock() - since < self._after_s:
            return ""
        return f"node {name} has not been ready for {max(1, int((self._clock() - since) // 60))} min"
