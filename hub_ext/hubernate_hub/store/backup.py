"""A consistent copy of our database while it is in use, and putting one back. SQLite; PostgreSQL has its own tools."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from hubernate_core.errors import Conflict, InvalidInput, Unavailable

from .database import Store
from .doubts import doubt_all

_ENDS = ("-wal", "-shm", "")
"""Of the files that are one database."""


def copy_to(url: str, target: Path) -> None:
    """Copy the database to `target`, 0600: one moment of it, whoever writes meanwhile (SQLite's online backup).

    Raises:
        InvalidInput: it is no SQLite, or damaged.  Conflict: `target` is there already.
        Unavailable: it cannot be read or written. Nothing is left at `target` then, unless it was there.
    """
    source = _file_of(url, "hubernate-service --backup", "pg_dump --format=custom --file=FILE 'URL'")
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as problem:
        raise Conflict(f"{target} is there already; nothing was written. Choose another name") from problem
    try:
        _copy(source, target)
        _check(target)
    except sqlite3.Error as problem:
        remove(target)
        raise Unavailable(f"{source} cannot be copied to {target} ({problem})") from problem
    except InvalidInput:
        remove(target)
        raise


def put_back(url: str, copy: Path) -> tuple[Path | None, int]:
    """Make `copy` the database, at this version and with its checkpoints doubted. The caller holds the lease.

    What was there is not even opened, since it may be what is broken, and the new one is whole before it takes its
    place.

    Returns:
        where the database that was there is kept (None: there was none), and how many checkpoints have to be found.

    Raises:
        InvalidInput: it is no SQLite, or `copy` is no whole copy of such a database, or of a newer version.
        Unavailable: it cannot be written, or not be brought to this version. Nothing was changed.
    """
    target = _file_of(url, "hubernate-service --restore", "pg_restore, then hubernate-service --restored")
    _check(copy)
    fresh = target.with_name(f".{target.name}.restored")
    remove(fresh)
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        _copy(copy, fresh)
        number = after_restore(f"sqlite:///{fresh}")
        _make_one_file(fresh)
    except CommandError as problem:
        raise InvalidInput(
            str(copy), f"it is of a newer version than this one ({problem}); nothing was changed"
        ) from problem
    except (SQLAlchemyError, sqlite3.Error) as problem:
        raise Unavailable(f"{copy} cannot be made ready in {fresh} ({problem}); nothing was changed") from problem
    kept = target.with_name(f"{target.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    there = move(target, kept)
    fresh.rename(target)
    return kept if there else None, number


def move(database: Path, target: Path) -> bool:
    """Rename a database with its log, and that first: one that is left would be taken for the next database's.

    Returns:
        whether anything was there.
    """
    there = [end for end in _ENDS if database.with_name(database.name + end).exists()]
    for end in there:
        database.with_name(database.name + end).rename(target.with_name(target.name + end))
    return bool(there)


def remove(database: Path) -> None:
    """Delete a database with its log; one that is not there is fine."""
    for end in _ENDS:
        database.with_name(database.name + end).unlink(missing_ok=True)


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


def _copy(source: Path, target: Path) -> None:
    with closing(_read_only(source)) as there, closing(sqlite3.connect(target)) as copy:
        there.backup(copy)
    _make_one_file(target)


def _make_one_file(path: Path) -> None:
    """Bring all of a database that nobody uses into the one file, whose log is no more needed."""
    with closing(sqlite3.connect(path)) as found:
        found.execute("PRAGMA journal_mode=DELETE")


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _check(path: Path) -> None:
    try:
        with closing(_read_only(path)) as found:
            whole = found.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            found.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as problem:
        raise InvalidInput(str(path), f"it is no copy of this platform's database ({problem})") from problem
    if not whole:
        raise InvalidInput(str(path), "the copy is damaged (SQLite's integrity check); nothing was changed")
