"""What the agents say of their nodes. In memory: after a restart we know nothing until they speak again, and say so.

All ages are by our own monotonic clock, so that no other machine's clock matters (F40).
"""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hubernate_core.names import ServerId
from hubernate_core.wire import Orders, Poll, Seen

Key = tuple[ServerId, int]
"""A server and the generation of its start."""


@dataclass
class Node:
    """The newest words of one node's agent."""

    heard_at: float
    heard_utc: datetime
    containers: dict[Key, Seen] = field(default_factory=dict)
    local_checkpoints: frozenset[str] = frozenset()
    told: Orders | None = None
    told_at: float = 0.0
    absent_since: dict[Key, float] = field(default_factory=dict)


class Fleet:
    """Every node that was heard since this process started."""

    def __init__(self, silent_after_s: float, gone_after_s: float) -> None:
        self._silent_after_s = silent_after_s
        self._gone_after_s = gone_after_s
        self._nodes: dict[str, Node] = {}
        self._cpu: dict[Key, tuple[float, float]] = {}
        self._started = time.monotonic()

    def heard(self, poll: Poll, now: datetime) -> dict[Key, float]:
        """Take in a poll; the cores that each container used since the poll before."""
        moment = time.monotonic()
        node = self._nodes.setdefault(poll.node, Node(moment, now))
        node.heard_at, node.heard_utc = moment, now
        node.containers = {(seen.server_id, seen.generation): seen for seen in poll.containers}
        node.local_checkpoints = frozenset(poll.local_checkpoints)
        for key in node.absent_since.keys() & node.containers.keys():
            del node.absent_since[key]
        return {
            key: cores for key, seen in node.containers.items() if (cores := self._cores(key, seen, moment)) is not None
        }

    def _cores(self, key: Key, seen: Seen, moment: float) -> float | None:
        if seen.cpu_seconds is None:
            return None
        before = self._cpu.get(key)
        if before is not None and moment - before[0] < 1 and seen.cpu_seconds >= before[1]:
            return None  # too short a time to divide by; keep the older point
        self._cpu[key] = (moment, seen.cpu_seconds)
        if before is None or seen.cpu_seconds < before[1]:
            return None
        return (seen.cpu_seconds - before[1]) / (moment - before[0])

    def node(self, name: str) -> Node | None:
        """What is known of a node."""
        return self._nodes.get(name)

    def nodes(self) -> dict[str, Node]:
        """Every node heard since the start of this process."""
        return dict(self._nodes)

    def nodes_with(self, reference: str) -> list[str]:
        """Nodes that speak and have a saved image ready, ``repository@digest``."""
        return [name for name, node in self._nodes.items() if reference in node.local_checkpoints and self.speaks(name)]

    def speaks(self, name: str) -> bool:
        """Whether the node's agent was heard lately."""
        node = self._nodes.get(name)
        return node is not None and time.monotonic() - node.heard_at <= self._silent_after_s

    def silent(self, name: str) -> bool:
        """Whether the node's agent should have been heard by now. False while we have not listened for long enough."""
        return not self.speaks(name) and time.monotonic() - self._started > self._silent_after_s

    def seen(self, name: str, key: Key) -> Seen | None:
        """The container of `key` on a node that speaks; None when it is not there or the node is silent."""
        return self._nodes[name].containers.get(key) if self.speaks(name) else None

    def gone(self, name: str, key: Key) -> bool:
        """Whether a node that speaks has not had the container of `key` for a while, by more than one poll.

        The first call starts the wait: a container may be younger than the newest poll.
        """
        node = self._nodes.get(name)
        if node is None or not self.speaks(name) or key in node.containers:
            return False
        first = node.absent_since.setdefault(key, time.monotonic())
        return node.heard_at - first >= self._gone_after_s

    def forget_all_but(self, awake: Collection[Key]) -> None:
        """Drop what was measured of starts that are over: neither of `awake` nor on any node."""
        there = {*awake, *(key for node in self._nodes.values() for key in node.containers)}
        for key in [each for each in list(self._cpu) if each not in there]:
            self._cpu.pop(key, None)
        for node in self._nodes.values():
            for key in [each for each in list(node.absent_since) if each not in awake]:
                node.absent_since.pop(key, None)

    def strays(self, known: Iterable[Key]) -> list[tuple[str, Seen]]:
        """Containers on nodes that speak whose start is none of `known`."""
        expected = frozenset(known)
        return [
            (name, seen)
            for name, node in self._nodes.items()
            if self.speaks(name)
            for key, seen in node.containers.items()
            if key not in expected
        ]

    def left_behind(self, newest: Mapping[ServerId, tuple[int, datetime | None]]) -> list[tuple[str, Seen]]:
        """Running containers of other starts than `newest` (generation, and when it was asked for), with their node.

        A later start than the newest is one that a restored database does not know (F32).

        Only by a poll that came after the newest start was asked for: an older one may tell of what is removed by now.
        """
        found: list[tuple[str, Seen]] = []
        for name, node in self._nodes.items():
            for seen in node.containers.values() if self.speaks(name) else ():
                generation, asked_at = newest.get(seen.server_id, (0, None))
                fresh = asked_at is None or node.heard_utc > asked_at
                if seen.running and fresh and generation and seen.generation != generation:
                    found.append((name, seen))
        return found
