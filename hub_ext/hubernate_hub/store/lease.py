"""One service at a time: during an upgrade the old and the new process must not both act (F33)."""

import fcntl
import time
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, create_engine, exc, make_url, text

from hubernate_core.errors import Unavailable

_LOCK_NUMBER = 0x68756265726E


class Lease:
    """Held by the process that may act: a lock on a file, and an advisory lock where the database is PostgreSQL."""

    def __init__(self, folder: Path, url: str) -> None:
        self._path = folder / "service.lock"
        self._url = url
        self._file: IO[Any] | None = None
        self._connection: Connection | None = None

    def take(self, wait_s: float = 10) -> None:
        """Wait for the lease.

        Raises:
            Unavailable: another service still holds it after `wait_s` seconds, or the database is away.
        """
        deadline = time.monotonic() + wait_s
        while not (self._take_file() and self._take_database()):
            if time.monotonic() > deadline:
                raise Unavailable(f"another platform service holds {self._path} or its database; stop it first")
            time.sleep(0.2)

    def _take_file(self) -> bool:
        if self._file is None:
            handle = self._path.open("w")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.close()
                return False
            self._file = handle
        return True

    def _take_database(self) -> bool:
        if make_url(self._url).get_backend_name() != "postgresql":
            return True
        try:
            if self._connection is None:
                engine = create_engine(self._url, isolation_level="AUTOCOMMIT", pool_size=1)
                self._connection = engine.connect()
            held = self._connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": _LOCK_NUMBER})
            return bool(held.scalar())
        except exc.DBAPIError as problem:
            raise Unavailable(f"the platform's database did not answer: {problem.__cause__}") from problem

    def release(self) -> None:
        """Let the next service act."""
        if self._connection is not None:
            engine = self._connection.engine
            self._connection.close()
            engine.dispose()
            self._connection = None
        if self._file is not None:
            self._file.close()
            self._file = None
