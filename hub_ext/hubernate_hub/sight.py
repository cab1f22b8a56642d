"""What runs on the engine: asked of the agents on Docker, of the API server's pods on Kubernetes."""

from collections.abc import Iterable
from typing import Protocol

from hubernate_core.wire import Seen

from .fleet import Fleet
from .store.server_lists import NewestStart
from .store.servers import ServerRow


class Sight(Protocol):
    """One engine's answers. None of them waits; what is not known is not told as gone."""

    def seen(self, row: ServerRow) -> Seen | None:
        """The container of a server's newest start, where it is surely known."""

    def gone(self, row: ServerRow) -> bool:
        """Whether that container is surely there no more."""

    def deleting(self, row: ServerRow) -> bool:
        """Whether somebody else is removing it."""

    def strays(self, known: Iterable[ServerRow]) -> list[tuple[str, Seen]]:
        """Node and container of everything whose start is none of `known`."""

    def left_behind(self, rows: Iterable[ServerRow | NewestStart]) -> list[tuple[str, Seen]]:
        """Node and container of every other start than those of `rows` that runs."""

    def unseen(self, nodes: Iterable[str]) -> list[str]:
        """What of `nodes` is not known now, in words, because whoever tells of it was not heard lately."""


class FleetSight:
    """By the agents' polls."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def seen(self, row: ServerRow) -> Seen | None:
        """See `Fleet.seen`."""
        return self._fleet.seen(row.node, (row.id, row.generation))

    def gone(self, row: ServerRow) -> bool:
        """See `Fleet.gone`."""
        return self._fleet.gone(row.node, (row.id, row.generation))

    def deleting(self, row: ServerRow) -> bool:
        """Nobody but the agents removes containers on Docker, so far as we can know."""
        return False

    def strays(self, known: Iterable[ServerRow]) -> list[tuple[str, Seen]]:
        """See `Fleet.strays`."""
        return self._fleet.strays((row.id, row.generation) for row in known)

    def left_behind(self, rows: Iterable[ServerRow | NewestStart]) -> list[tuple[str, Seen]]:
        """See `Fleet.left_behind`."""
        return self._fleet.left_behind({row.id: row.newest_start for row in rows})

    def unseen(self, nodes: Iterable[str]) -> list[str]:
        """Nodes whose agents do not speak."""
        silent = sorted(each for each in set(nodes) if not self._fleet.speaks(each))
        return [f"whatever runs on node {each}, whose agent is silent" for each in silent]
