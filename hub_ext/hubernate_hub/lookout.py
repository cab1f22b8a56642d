"""What the newest look at the queue gave, and when each waiting start was last heard of. The rows are the truth; this
is for those who look often, and gone after a restart."""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from hubernate_core.names import PlaceId
from hubernate_core.queue import Place, Wait


@dataclass(frozen=True)
class Outlook:
    """One look: every place as it is shown, and the waits that fit their quotas, in turn."""

    places: Mapping[PlaceId, Place] = field(default_factory=dict)
    ready: tuple[Wait, ...] = ()


class Lookout:
    """Read on worker threads too, so that everything is replaced, never changed."""

    def __init__(self) -> None:
        self.outlook = Outlook()
        self.looking = asyncio.Lock()
        self.begun = self.done = 0
        """Number of the newest look that was begun, and of the newest that `outlook` is from."""
        self.moved: set[PlaceId] = set()
        """Places that moved since their hub was last answered."""
        self._heard: dict[PlaceId, float] = {}

    def hear(self, place: PlaceId) -> None:
        """Its hub asked about it just now."""
        self._heard[place] = time.monotonic()

    def silent_s(self, place: PlaceId) -> float:
        """Seconds since its hub asked about it, or since we could first have heard it."""
        return time.monotonic() - self._heard.setdefault(place, time.monotonic())

    def show(self, place: Place, ready: Wait | None) -> None:
        """Show one place before the next look; `ready`: it fits its quota."""
        others = tuple(each for each in self.outlook.ready if each.id != place.id)
        more = () if ready is None else (ready,)
        self.outlook = Outlook({**self.outlook.places, place.id: place}, (*others, *more))

    def left(self, places: Iterable[PlaceId]) -> None:
        """Those wait no more."""
        gone = frozenset(places)
        known = {key: each for key, each in self.outlook.places.items() if key not in gone}
        self.outlook = Outlook(known, tuple(each for each in self.outlook.ready if each.id not in gone))

    def forget_all_but(self, places: Collection[PlaceId]) -> None:
        """Drop what is remembered of places that are no more."""
        for place in [each for each in list(self._heard) if each not in places]:
            self._heard.pop(place, None)
        self.moved.intersection_update(places)
