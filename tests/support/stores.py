"""Real servers for sources of data: S3 by moto with keys and policies enforced, MariaDB, PostgreSQL with a password."""

import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import botocore.session
import httpx
import psycopg
import pymysql
from botocore.config import Config

from support import postgres

OPEN = ["127.0.0.1/32"]
"""What a platform must open so that sources may be at these servers."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Bucket:
    """A bucket that one key pair may use below ``team/``, and the root's client for putting things there."""

    port: int
    name: str
    credential: dict[str, str]
    client: Any

    def source(self, name: str = "lake", **place: str) -> dict[str, Any]:
        """A source of it, as an admin writes it."""
        endpoint = f"http://127.0.0.1:{self.port}"
        base = {"kind": "s3", "bucket": self.name, "prefix": "team", "endpoint": endpoint}
        return {"name": name, "place": base | place}

    def put(self, key: str, content: bytes) -> None:
        """An object of the root's."""
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def get(self, key: str) -> bytes:
        """What is there."""
        content: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content


@contextmanager
def object_store() -> Iterator[Bucket]:
    """moto's server; after these few calls by the root every request must be signed and allowed by a policy."""
    port, log = free_port(), Path(mkdtemp(prefix="hbn-s3-"))
    environment = os.environ | {
        "INITIAL_NO_AUTH_ACTION_COUNT": "4",
        "MOTO_S3_CUSTOM_ENDPOINTS": f"http://127.0.0.1:{port}",
    }
    program = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
    with (log / "log").open("wb") as out:
        server = subprocess.Popen([sys.executable, "-c", program], stdout=out, stderr=out, env=environment)
    try:
        _until(lambda: httpx.get(f"http://127.0.0.1:{port}/moto-api/", trust_env=False).status_code < 500, server)
        yield _prepare(port)
    finally:
        server.kill()
        server.wait(10)
        shutil.rmtree(log)


def _prepare(port: int) -> Bucket:
    iam = _client("iam", port, "x", "x")
    admin = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.create_user(UserName="root")
    root_key = iam.create_access_key(UserName="root")["AccessKey"]
    iam.put_user_policy(UserName="root", PolicyName="all", PolicyDocument=json.dumps(admin))
    iam.create_user(UserName="team")  # the last one without a signature
    root = {"access_key_id": root_key["AccessKeyId"], "secret_access_key": root_key["SecretAccessKey"]}
    iam = _client("iam", port, *root.values())
    statements = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::data"},
        {"Effect": "Allow", "Action": "s3:*Object", "Resource": "arn:aws:s3:::data/team/*"},
        {"Effect": "Allow", "Action": "s3:AbortMultipartUpload", "Resource": "arn:aws:s3:::data/team/*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="team", PolicyName="team", PolicyDocument=policy)
    key = iam.create_access_key(UserName="team")["AccessKey"]
    client = _client("s3", port, *root.values())
    client.create_bucket(Bucket="data")
    credential = {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
    return Bucket(port, "data", credential, client)


def _client(service: str, port: int, key: str, secret: str) -> Any:
    return botocore.session.Session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )


@dataclass(frozen=True)
class Database:
    """A database, its reading user and that one's password."""

    kind: str
    port: int
    password: str

    def source(self, name: str, **place: Any) -> dict[str, Any]:
        """A source of it, as an admin writes it."""
        base = {"kind": self.kind, "host": "127.0.0.1", "port": self.port, "database": "shop", "user": "reader"}
        return {"name": name, "place": base | {"tls": "off"} | place}


TABLES = (
    "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(50) NOT NULL, paid numeric(10, 2),"
    " at timestamp NULL)",
    "INSERT INTO customers VALUES (1, 'Ada', 12.50, '2026-01-02 03:04:05'), (2, 'Grüße %s', NULL, NULL)",
)


@contextmanager
def postgresql() -> Iterator[Database]:
    """PostgreSQL with a table and a user who may read it, by password."""
    password = secrets.token_hex(12)
    with postgres.cluster() as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        root = {"host": "127.0.0.1", "port": port, "user": "postgres", "autocommit": True}
        with psycopg.connect(dbname="postgres", **root) as connection:  # type: ignore[arg-type]
            connection.execute("CREATE DATABASE shop")
            connection.execute(f"CREATE ROLE reader LOGIN PASSWORD '{password}'")
            folder = str(connection.execute("SHOW hba_file").fetchone()[0])  # type: ignore[index]
            rules = "host all reader 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n"
            Path(folder).write_text(rules)
            connection.execute("SELECT pg_reload_conf()")
        with psycopg.connect(dbname="shop", **root) as connection:  # type: ignore[arg-type]
            for statement in TABLES:
                connection.execute(statement)
            connection.execute("GRANT SELECT ON customers TO reader")
        yield Database("postgresql", port, password)


def mariadb_missing() -> str:
    """Why no MariaDB can be started here; empty when it can."""
    if shutil.which("mariadbd") is None and not Path("/usr/sbin/mariadbd").exists():
        return "no MariaDB is installed (apt-get install mariadb-server)"
    return ""


@contextmanager
def mariadb() -> Iterator[Database]:
    """MariaDB with a table and a user who may read it."""
    folder, port, password = Path(mkdtemp(prefix="hbn-maria-")), free_port(), secrets.token_hex(12)
    user = "mysql" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    shutil.chown(folder, user)
    data = ["--no-defaults", f"--datadir={folder}/data", f"--user={user}"]
    done = subprocess.run(
        ["mariadb-install-db", *data, "--auth-root-authentication-method=normal", "--skip-test-db"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    server = subprocess.Popen(
        [
            program,
            *data,
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder}/s",
            f"--pid-file={folder}/p",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    root: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": "root", "autocommit": True}
    try:
        _until(lambda: pymysql.connect(**root) is not None, server)
        with pymysql.connect(**root) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
            cursor.execute("USE shop")
            for statement in TABLES:
                cursor.execute(statement)
            cursor.execute(f"CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{password}'")
            cursor.execute(f"CREATE USER reader@localhost IDENTIFIED BY '{password}'")
            for host in ("127.0.0.1", "localhost"):
                cursor.execute(f"GRANT SELECT ON shop.customers TO reader@'{host}'")
        yield Database("mariadb", port, password)
    finally:
        server.kill()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _until(works: Any, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            if works():
                return
        except (httpx.HTTPError, pymysql.MySQLError):
            pass
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.1)
