"""A home volume that is full keeps nobody out: the notebook starts, and the person deletes what is too much."""

import json
import os
import sys
import time
from collections.abc import Iterator

import docker
import pytest
from docker.models.containers import Container

from hubernate_machine import mirrors, proxy
from hubernate_machine.images.build import ensure_images
from support.installation import ROOT

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
_ASK = """
import json, sys, urllib.request
method, path, body = sys.argv[1:4]
request = urllib.request.Request("http://127.0.0.1:8889/" + path, method=method, data=body.encode() or None)
print(urllib.request.urlopen(request, timeout=10).status)
"""


@pytest.fixture(params=["", "1"], ids=["as usual", "safe"])
def full(request: pytest.FixtureRequest) -> Iterator[Container]:
    """A notebook in the base image whose home has no byte left."""
    engine = docker.from_env()
    found = mirrors.ask_machine(os.environ, [sys.executable, "-m", "pip"], proxy.npm())
    tags, _ = ensure_images(engine, ("base",), ROOT, found)
    container = engine.containers.run(
        tags["base"],
        ["sh", "-c", "cat /dev/zero > big 2>/dev/null; touch x && echo x > x; exec /opt/lab/bin/hubernate-notebook"],
        working_dir="/home/jovyan",
        environment={"HUBERNATE_SAFE": str(request.param)},
        tmpfs={"/home/jovyan": "size=1m,uid=1000,gid=1000,mode=0755"},
        network_mode="none",
        detach=True,
    )
    yield container
    container.remove(force=True)


def ask(container: Container, method: str, path: str, body: str = "") -> str:
    """The status of one request from inside, as the gate would make it; empty while nothing answers."""
    code, said = container.exec_run(["/opt/lab/bin/python", "-c", _ASK, method, path, body])
    return said.decode().strip() if code == 0 else ""


def test_a_full_home_can_be_emptied_from_within(full: Container) -> None:
    ends = time.monotonic() + 120
    while ask(full, "GET", "api") != "200":
        assert time.monotonic() < ends, full.logs().decode()[-3000:]
        time.sleep(0.5)
    text = json.dumps({"type": "file", "format": "text", "content": "a" * 5000})
    assert ask(full, "PUT", "api/contents/note.txt", text) == "", "it really is full"
    assert ask(full, "DELETE", "api/contents/big") == "204"
    assert ask(full, "PUT", "api/contents/note.txt", text) in ("200", "201")
