"""A private PostgreSQL cluster in a temporary folder, run as user postgres; or the reason why there is none."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import psycopg


def missing() -> str:
    """Why no cluster can be started here; empty when it can."""
    if not _binaries():
        return "no PostgreSQL is installed (apt-get install postgresql)"
    if os.getuid() == 0 and not _account():
        return "PostgreSQL refuses to run as root and there is no account 'postgres'"
    return ""


@contextmanager
def cluster(address: str = "127.0.0.1") -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty database, gone afterwards.

    Args:
        address: where it listens; whoever is not on this machine's loopback needs the URL's password.
    """
    folder = Path(mkdtemp(prefix="hbn-pg-"))
    with socket.socket() as probe:
        probe.bind((address, 0))
        port = probe.getsockname()[1]
    account = _account()
    if account:
        shutil.chown(folder, account, account)
    try:
        _run("initdb", "-D", str(folder / "data"), "-U", "postgres", "--auth=trust", "--no-sync")
        with (folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        options = f"-p {port} -c listen_addresses={address} -c unix_socket_directories={folder} -c fsync=off"
        _run("pg_ctl", "-D", str(folder / "data"), "-w", "-o", options, "-l", str(folder / "log"), "start")
        try:
            password = secrets.token_hex(12)
            by_socket = f"host={folder} port={port} user=postgres dbname=postgres"
            with psycopg.connect(by_socket, autocommit=True) as connection:
                connection.execute(f"ALTER USER postgres PASSWORD '{password}'")  # of our own making
            yield f"postgresql+psycopg://postgres:{password}@{address}:{port}/postgres"
        finally:
            _run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create(url: str, name: str) -> str:
    """The URL of a new database beside the one of `url`."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # of our own making
    return url.rpartition("/")[0] + f"/{name}"


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _account() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name if os.getuid() == 0 else ""
    except KeyError:
        return ""


def _run(program: str, *arguments: str) -> None:
    folder = _binaries()
    assert folder is not None, "asked `missing` first"
    account = _account()
    done = subprocess.run(
        [str(folder / program), *arguments],
        user=account or None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
