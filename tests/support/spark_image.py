"""The image of profile "spark" beside a relay: a container of it on this machine's network."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import docker

from hubernate_machine import mirrors, proxy
from hubernate_machine.images.build import ensure_images
from support.installation import ROOT

GIB = 1024**3


class InImage:
    """A container. `run` runs Python in it as a kernel would."""

    def __init__(self, container: docker.models.containers.Container) -> None:
        self._container = container

    def run(self, code: str) -> str:
        """What `code` printed.

        Raises:
            AssertionError: it failed; all that it said.
        """
        status, said = self._container.exec_run(["python", "-W", "ignore", "-c", code], demux=True)
        out, problem = ((each or b"").decode() for each in said)
        assert status == 0, f"{out}\n{problem[-4000:]}"
        return out.strip()

    def command(self, *words: str) -> str:
        """What a command printed."""
        return str(self._container.exec_run(list(words))[1].decode())


@contextmanager
def in_image(profile: str, relay: str, memory: int) -> Iterator[InImage]:
    """A container of the profile's image; it is built where it is not there, which takes minutes once."""
    engine = docker.from_env()
    found = mirrors.ask_machine(os.environ, [sys.executable, "-m", "pip"], proxy.npm())
    tags, _ = ensure_images(engine, (profile,), ROOT, found)
    container = engine.containers.run(
        tags[profile],
        ["sleep", "3600"],
        environment={"HUBERNATE_RELAY": relay},
        network_mode="host",
        mem_limit=memory,
        init=True,
        detach=True,
    )
    try:
        yield InImage(container)
    finally:
        container.remove(force=True)
