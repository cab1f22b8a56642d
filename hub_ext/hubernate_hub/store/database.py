"""The engine and its transactions: short, on worker threads, the same promises on SQLite and PostgreSQL.

A write on SQLite is ``BEGIN IMMEDIATE``: it waits for its turn once, at the start, instead of failing in the middle. On
PostgreSQL the row locks taken by `store.servers.lock` and `store.tenants.lock` order writers of one server or tenant.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import anyio
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url

from hubernate_core.errors import Unavailable

_P = ParamSpec("_P")
_T = TypeVar("_T")
Tx = Connection
"""One transaction. Queries take it as their first argument."""

_BUSY_S = 5
_log = logging.getLogger(__name__)


class Store:
    """Our database."""

    def __init__(self, url: str, *, threads: int = 8) -> None:
        self._engine = _make_engine(url)
        self._writer = self._engine.execution_options(hubernate_write=True)
        self._threads = threads
        self._limiters: dict[Engine, anyio.CapacityLimiter] = {}

    def migrate(self) -> None:
        """Bring the schema to this version's; nothing happens when it is there."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
        with self._writer.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    async def read(self, query: Callable[Concatenate[Tx, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """`query(tx, …)` in a transaction that sees one state and changes nothing.

        Raises:
            Unavailable: the database is locked, full, read-only or away.
        """
        return await self._on_thread(self._engine, lambda tx: query(tx, *args, **kwargs))

    async def write(self, query: Callable[Concatenate[Tx, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """`query(tx, …)` in a transaction that is committed when it returns and undone when it raises.

        Raises:
            Unavailable: as in `read`; nothing was changed.
        """
        return await self._on_thread(self._writer, lambda tx: query(tx, *args, **kwargs))

    def now(self, query: Callable[Concatenate[Tx, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """As `write`, on this thread: for start-up, before there is an event loop."""
        return _run(self._writer, lambda tx: query(tx, *args, **kwargs))

    async def _on_thread(self, engine: Engine, query: Callable[[Tx], _T]) -> _T:
        if engine not in self._limiters:
            # SQLite has one writer. Waiting for it in SQLite is a lottery that somebody loses for seconds; in line it
            # is a matter of milliseconds.
            alone = engine is self._writer and engine.dialect.name == "sqlite"
            self._limiters[engine] = anyio.CapacityLimiter(1 if alone else self._threads)
        return await anyio.to_thread.run_sync(_run, engine, query, limiter=self._limiters[engine])

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def _run(engine: Engine, query: Callable[[Tx], _T]) -> _T:
    try:
        with engine.begin() as tx:
            return query(tx)
    except exc.IntegrityError:
        raise
    except (exc.DBAPIError, exc.TimeoutError) as problem:
        _log.warning("database", extra={"error": str(problem.__cause__ or problem)[:300]})
        raise Unavailable(
            "the platform's database did not take the request (locked, full, read-only or away); nothing was changed,"
            " running servers go on; try again",
            retry_after_s=5,
        ) from problem


def _make_engine(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        options = f"-c lock_timeout={_BUSY_S}s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"
        connect = {"connect_timeout": _BUSY_S, "options": options}
        return create_engine(url, pool_pre_ping=True, pool_timeout=_BUSY_S, connect_args=connect)
    engine = create_engine(url, connect_args={"timeout": _BUSY_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: object, _record: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # we send BEGIN ourselves
    cursor = connection.cursor()  # type: ignore[attr-defined]
    # FULL: a checkpoint that was answered as recorded is there after a power cut.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_S * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("hubernate_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
