"""The audit of reads and writes, counted per person, source, verb and hour; written every few seconds."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from hubernate_core.names import SourceId, TenantId
from hubernate_core.source import Source

from ..store import sources
from ..store.database import Tx
from .reader import Reader


@dataclass(frozen=True)
class Key:
    """What is counted together. `verb`: ``read``, ``write``, ``list``, ``sql``, ``sample``, ``refused``."""

    tenant_id: TenantId
    source_id: SourceId
    source: str
    user: str
    verb: str
    hour: datetime


class Reads:
    """Counts in memory until `flush`."""

    def __init__(self) -> None:
        self._counts: dict[Key, tuple[int, int]] = defaultdict(lambda: (0, 0))

    def note(self, reader: Reader, source: Source, verb: str, moved: int, now: datetime) -> None:
        """One call that moved so many bytes."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        key = Key(reader.tenant_id, source.id, source.name, reader.user, verb, hour)
        calls, known = self._counts[key]
        self._counts[key] = (calls + 1, known + moved)

    def take(self) -> dict[Key, tuple[int, int]]:
        """What was counted since; counting begins anew."""
        taken, self._counts = dict(self._counts), defaultdict(lambda: (0, 0))
        return taken

    def put_back(self, counts: dict[Key, tuple[int, int]]) -> None:
        """What could not be written."""
        for key, (calls, moved) in counts.items():
            known = self._counts[key]
            self._counts[key] = (known[0] + calls, known[1] + moved)


def write(tx: Tx, counts: dict[Key, tuple[int, int]]) -> None:
    """Add counts to the stored ones."""
    for key, (calls, moved) in counts.items():
        sources.add_read(tx, sources.Read(**vars(key), calls=calls, moved=moved))
