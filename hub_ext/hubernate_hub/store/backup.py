"""A consistent copy of our database while it is in use, and putting one back. SQLite; PostgreSQL has its own tools."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import make_url

from hubernate_core.errors import Conflict, InvalidInput

from .database import Store
from .doubts import doubt_all


def copy_to(url: str, target: Path) -> None:
    """Copy the database to `target`, 0600: one moment of it, whoever writes meanwhile (SQLite's online backup).

    Raises:
        InvalidInput: it is no SQLite.  Conflict: `target` is there already.
    """
    source = _file_of(url, "hubernate-service --backup", "pg_dump --format=custom --file=FILE 'URL'")
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as problem:
        raise Conflict(f"{target} is there already; nothing was written. Choose another name") from problem
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
    _check(target)


def put_back(url: str, copy: Path) -> Path | None:
    """Make `copy` the database, and have its checkpoints looked for. The caller holds the lease.

    Returns:
        where the database that was there is kept; None: there was none.

    Raises:
        InvalidInput: it is no SQLite, or `copy` is no whole copy of such a database; nothing was changed.
    """
    target = _file_of(url, "hubernate-service --restore", "pg_restore, then hubernate-service --restored")
    _check(copy)
    fresh = target.with_name(f".{target.name}.restored")
    fresh.unlink(missing_ok=True)
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as source, closing(sqlite3.connect(fresh)) as made:
        source.backup(made)
    fresh.chmod(0o600)
    kept = None
    if target.exists():
        kept = target.with_name(f"{target.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        with closing(sqlite3.connect(target)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        target.rename(kept)
        for end in ("-wal", "-shm"):
            target.with_name(target.name + end).unlink(missing_ok=True)
    fresh.rename(target)
    return kept


def after_restore(url: str) -> int:
    """Bring a restored database to this version and doubt its checkpoints; how many have to be found."""
    store = Store(url)
    try:
        store.migrate()
        return store.now(doubt_all)
    finally:
        store.close()


def _file_of(url: str, what: str, instead: str) -> Path:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise InvalidInput("db_url", f"{what} is for SQLite; for PostgreSQL use {instead}. Nothing was done")
    return Path(parsed.database)


def _check(path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as found:
            whole = found.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            found.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as problem:
        raise InvalidInput(str(path), f"it is no copy of this platform's database ({problem})") from problem
    if not whole:
        raise InvalidInput(str(path), "the copy is damaged (SQLite's integrity check); nothing was changed")
