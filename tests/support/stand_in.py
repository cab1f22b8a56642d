"""Tiny images and a registry of one's own, for tests that need a real Docker Engine but not a real notebook."""

import contextlib
import io
import secrets
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx

SOURCE = Path(__file__).with_name("stand_in.c")
MODES = ("gate", "notebook", "broken", "silent", "plain")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Images:
    """References by digest, one per mode of the stand-in, and the registry they are in."""

    registry: str
    gate: str
    notebook: str
    broken: str
    silent: str
    plain: str


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Debian's docker-registry on a free port of loopback; its address."""
    port = free_port()
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/blobs}},"
        f" delete: {{enabled: true}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n"
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/v2/").status_code == 200:
                    break
            if time.monotonic() > deadline:
                raise RuntimeError((folder / "registry.log").read_text())
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def stand_ins(folder: Path) -> Iterator[Images]:
    """Build and push the stand-ins; remove them from the engine afterwards."""
    program = folder / "stand-in"
    subprocess.run(["gcc", "-static", "-O2", "-o", str(program), str(SOURCE)], check=True)
    root = io.BytesIO()
    with tarfile.open(fileobj=root, mode="w") as tar:
        tar.add(program, "stand-in")
    engine = docker.from_env()
    with registry(folder) as address:
        references = {}
        tag = secrets.token_hex(4)
        for mode in MODES:
            repository = f"{address}/stand-in/{mode}-{tag}"
            engine.api.import_image_from_data(
                root.getvalue(), repository=repository, tag="1", changes=[f'CMD ["/stand-in", "{mode}"]']
            )
            engine.images.push(repository, tag="1")
            digests = engine.images.get(f"{repository}:1").attrs["RepoDigests"]
            references[mode] = next(each for each in digests if each.startswith(repository))
        try:
            yield Images(address, **references)
        finally:
            for mode in MODES:
                with contextlib.suppress(docker.errors.APIError):
                    engine.images.remove(f"{address}/stand-in/{mode}-{tag}:1", force=True)
