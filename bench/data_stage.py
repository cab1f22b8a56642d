"""What `read` and `preview` are measured on: s3rver as the store, the service and a gate's relay, a process each.

s3rver (Node) and s3fs, the peer, are fetched by npm and pip into ``build/`` at the first run: nothing else needs them.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]

from figures import note  # noqa: E402
from hubernate_hub.data.config import DataGateway  # noqa: E402
from support.platform_service import PREFIX, running  # noqa: E402
from support.proxy import free_port, wait_for_port  # noqa: E402
from support.relay import relay  # noqa: E402
from support.stores import OPEN  # noqa: E402

STORE = "s3rver@3.7.1"
BUCKET, KEY, SECRET = "data", "S3RVER", "S3RVER"


@dataclass(frozen=True)
class Stage:
    """Where everything is. `service` is the process id of the platform service."""

    endpoint: str
    relay: str
    service: int
    store: Any

    def put(self, name: str, content: bytes) -> None:
        """An object ``team/NAME``, ``hub://lake/NAME`` in a notebook."""
        self.store.put_object(Bucket=BUCKET, Key=f"team/{name}", Body=content)

    def link(self, name: str) -> str:
        """A signed URL of the object, at the store itself."""
        what = {"Bucket": BUCKET, "Key": f"team/{name}"}
        return str(self.store.generate_presigned_url("get_object", Params=what, ExpiresIn=3600))


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """All of it. This process is then a notebook: ``HUBERNATE_RELAY`` is set."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        endpoint = stack.enter_context(_store(folder))
        served = stack.enter_context(_part("service", str(folder / "state"), endpoint))
        relayed = stack.enter_context(_part("relay", served["url"], served["token"]))
        os.environ["HUBERNATE_RELAY"] = relayed["url"]
        client = botocore.session.Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=endpoint,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4", proxies={}),
        )
        yield Stage(endpoint, relayed["url"], served["pid"], client)


def peer_python() -> str:
    """A Python that has s3fs, in an environment of its own: its botocore is another than ours."""
    folder = ROOT / "build" / "bench-s3fs"
    python = folder / "bin" / "python"
    if not python.exists():
        note("fetching s3fs")
        venv.create(folder, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "s3fs"], check=True)
    return str(python)


@contextlib.contextmanager
def _store(folder: Path) -> Iterator[str]:
    place = ROOT / "build" / "bench-store"
    program = place / "node_modules" / ".bin" / "s3rver"
    if not program.exists():
        note("fetching s3rver")
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(place), STORE], check=True
        )
    port, log = free_port(), folder / "store.log"
    command = [str(program), "-d", str(folder / "objects"), "-a", "127.0.0.1", "-p", str(port), "--silent"]
    (folder / "objects").mkdir()
    with log.open("wb") as out:
        store = subprocess.Popen([*command, "--configure-bucket", BUCKET], stdout=out, stderr=out)
    try:
        wait_for_port(port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        store.terminate()
        store.wait(10)


@contextlib.contextmanager
def _part(*arguments: str) -> Iterator[dict[str, Any]]:
    """One part in a process of its own, which ends when its standard input does; what it says of itself."""
    command = [sys.executable, __file__, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None and process.stdout is not None
    try:
        said = next((line for line in process.stdout if line.startswith(b"{")), b"")
        if not said:
            raise SystemExit(f"bench: the part {arguments[0]} did not start; run `{' '.join(command)}` to see why")
        yield json.loads(said)
    finally:
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _serve(state: str, endpoint: str) -> None:
    with running(Path(state), data=DataGateway(open_networks=OPEN)) as service:
        ada, root = service.start("ada"), service.person("root", admin=True)
        place = {"kind": "s3", "bucket": BUCKET, "prefix": "team", "endpoint": endpoint}
        body = {
            "source": {"name": "lake", "place": place},
            "credential": {"values": {"access_key_id": KEY, "secret_access_key": SECRET}},
        }
        answer = root("POST", "/tenants/physics/sources", json=body)
        answer.raise_for_status()
        _say({"url": f"{service.url}{PREFIX}", "token": ada.ticket.relay_token, "pid": os.getpid()})


def _relay(url: str, token: str) -> None:
    with relay(url, token) as found:
        _say({"url": found})


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads on: a full pipe would stop the part
    ended = threading.Thread(target=sys.stdin.read)
    ended.start()
    ended.join()


if __name__ == "__main__":
    {"service": _serve, "relay": _relay}[sys.argv[1]](*sys.argv[2:])
