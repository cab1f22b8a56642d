"""What the service keeps for data: the cipher, the calls, the counts of reads."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from hubernate_core.errors import HubernateError, InvalidInput
from hubernate_core.source_network import parse_opening

from ..store.database import Store
from .calls import Calls
from .cipher import Cipher
from .config import DataGateway
from .reads import Reads, write

_log = logging.getLogger(__name__)


@dataclass
class DataParts:
    """Built once."""

    settings: DataGateway
    cipher: Cipher
    calls: Calls
    reads: Reads = field(default_factory=Reads)

    async def flush(self, store: Store) -> None:
        """Write the counts of reads; what fails is kept for the next time."""
        counts = self.reads.take()
        if not counts:
            return
        try:
            await store.write(write, counts)
        except HubernateError:
            self.reads.put_back(counts)
            raise

    async def close(self, store: Store) -> None:
        """End the processes and write the last counts."""
        await self.calls.close()
        try:
            await self.flush(store)
        except HubernateError as problem:
            _log.error("counts of reads were lost", extra={"error": problem.message})


def build_data(settings: DataGateway, keys_file: Path) -> DataParts:
    """The parts.

    Raises:
        InvalidInput: a setting makes no sense.
    """
    for text in settings.open_networks:
        parse_opening(text, "c.DataGateway.open_networks")
    for name, path in settings.folders.items():
        if not isinstance(path, str) or not path.startswith("/"):
            raise InvalidInput(f"c.DataGateway.folders[{name!r}]", "is not an absolute path")
    return DataParts(settings, Cipher(keys_file), Calls(settings))
