"""The real Docker Engine and a real registry of one's own, for tests: unique names, everything removed afterwards."""

import io
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx
import zstandard
from docker.models.containers import Container

from hubernate_core.names import (
    GENERATION_LABEL,
    INSTANCE_LABEL,
    ROLE_LABEL,
    SERVER_LABEL,
    ServerId,
    gate_container,
    new_id,
    notebook_container,
)

BUSYBOX = Path("/bin/busybox")
_LINKS = (
    *(
        "sh",
        "sleep",
        "ls",
        "cat",
        "rm",
        "mv",
        "mkdir",
        "ln",
        "touch",
        "dd",
        "chmod",
        "chown",
        "mkfifo",
        "mknod",
        "stat",
    ),
    *("find", "wc", "cp", "echo", "printf", "sync", "truncate", "tar", "seq", "true", "kill", "nc", "md5sum", "sort"),
    "head",
)
_FOLDERS = (
    *("bin", "etc", "tmp", "run", "home", "opt", "opt/app", "opt/app/sub", "opt/other", "var", "var/tmp"),
    *("proc", "sys", "dev", "root"),
)
_REGISTRY_CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def free_port() -> int:
    """A TCP port nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def engine() -> docker.DockerClient:
    """The machine's Docker Engine."""
    return docker.DockerClient(base_url="unix:///var/run/docker.sock", version="auto", timeout=120)


class RegistryProcess:
    """A docker-registry of one's own on a free port of 127.0.0.1, with its own storage."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        program = shutil.which("docker-registry") or shutil.which("registry")
        if program is None:
            raise RuntimeError("docker-registry is not installed: apt-get install docker-registry")
        self.folder = folder
        self.port = port or free_port()
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def name(self) -> str:
        """As images name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """As a client reaches it."""
        return f"http://{self.name}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        config = self.folder / "config.yml"
        config.write_text(_REGISTRY_CONFIG.format(folder=self.folder / "data", port=self.port))
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen([self._program, "serve", str(config)], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/v2/", timeout=1).status_code < 500:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError(f"the registry does not answer; see {self.folder / 'log'}")

    def stop(self) -> None:
        """Kill it; its storage stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def blobs(self) -> dict[str, bytes]:
        """Every blob and manifest it stores, by digest."""
        root = self.folder / "data/docker/registry/v2/blobs/sha256"
        return {f"sha256:{path.parent.name}": path.read_bytes() for path in root.glob("*/*/data")}

    def lose(self, digest: str) -> None:
        """Delete a blob's data, as a disk that forgets."""
        name = digest.removeprefix("sha256:")
        (self.folder / f"data/docker/registry/v2/blobs/sha256/{name[:2]}/{name}/data").unlink()


@contextmanager
def registry() -> Iterator[RegistryProcess]:
    """A registry for the block."""
    folder = Path(tempfile.mkdtemp(prefix="hbn-registry-"))
    process = RegistryProcess(folder)
    try:
        yield process
    finally:
        process.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class BaseImage:
    """A small image in a registry: busybox and a few files to delete, change and replace."""

    registry: str
    repository: str
    digest: str

    @property
    def reference(self) -> str:
        """As the engine pulls it."""
        return f"{self.registry}/{self.repository}@{self.digest}"


def tiny_tree() -> bytes:
    """A tar for the root of the small image."""
    if not BUSYBOX.exists():
        raise RuntimeError("busybox is not installed: apt-get install busybox-static")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:

        def add(name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.size, info.linkname, info.mtime = kind, mode, len(data), link, 1_600_000_000
            tar.addfile(info, io.BytesIO(data))

        for folder in _FOLDERS:
            add(folder, tarfile.DIRTYPE, 0o1777 if folder in ("tmp", "var/tmp") else 0o755)
        add("bin/busybox", tarfile.REGTYPE, 0o755, BUSYBOX.read_bytes())
        for name in _LINKS:
            add(f"bin/{name}", tarfile.SYMTYPE, 0o777, link="busybox")
        add("etc/passwd", tarfile.REGTYPE, 0o644, b"root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n")
        add("etc/motd", tarfile.REGTYPE, 0o644, b"welcome\n")
        for folder in ("opt/app", "opt/app/sub", "opt/other"):
            for number in range(3):
                add(f"{folder}/base{number}", tarfile.REGTYPE, 0o644, f"{folder} {number}\n".encode())
    return out.getvalue()


def _without_end(tar: bytes) -> bytes:
    return tar.rstrip(b"\0") + b"\0" * (-len(tar.rstrip(b"\0")) % 512)


def push_base(client: docker.DockerClient, process: RegistryProcess, *more: bytes) -> BaseImage:
    """Import the small image, with what `more` tars have, and push it; the pulled digest stays for containers."""
    repository = f"profiles/test-{new_id()}"
    name = f"{process.name}/{repository}"
    client.api.import_image_from_data(
        b"".join([*(_without_end(each) for each in more), tiny_tree()]),
        repository=name,
        tag="1",
        changes=['CMD ["/bin/sleep", "1000000"]', "ENV BASE=kept", "WORKDIR /"],
    )
    for line in client.api.push(name, tag="1", stream=True, decode=True):
        if "error" in line:
            raise RuntimeError(line["error"])
    headers = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    digest = httpx.get(f"{process.url}/v2/{repository}/manifests/1", headers=headers).headers["Docker-Content-Digest"]
    client.api.pull(name, tag=digest)
    return BaseImage(process.name, repository, digest)


def pull(client: docker.DockerClient, name: str, digest: str) -> str:
    """Pull ``name@digest``; the reference."""
    for line in client.api.pull(name, tag=digest, stream=True, decode=True):
        if "error" in line:
            raise RuntimeError(line["error"])
    return f"{name}@{digest}"


def drop_images(client: docker.DockerClient, registry_name: str) -> None:
    """Remove every local image that came from one registry."""
    for image in client.api.images():
        for name in (*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())):
            if name.startswith(f"{registry_name}/"):
                try:
                    client.api.remove_image(name, force=True)
                except docker.errors.ImageNotFound:
                    continue  # its last name went with another
                except docker.errors.APIError as problem:
                    print(f"left image {name}: {problem}")


def start_notebook(
    client: docker.DockerClient, image: str, instance: str, server: ServerId, generation: int = 1, **options: object
) -> Container:
    """A running container that looks like a notebook of ours."""
    container = client.containers.create(
        image,
        name=notebook_container(instance, server, generation),
        labels={
            INSTANCE_LABEL: instance,
            ROLE_LABEL: "notebook",
            SERVER_LABEL: server,
            GENERATION_LABEL: str(generation),
            **options.pop("labels", {}),  # type: ignore[dict-item]
        },
        **({"network_mode": "none"} | options),
    )
    container.start()
    return container


def start_gate(
    client: docker.DockerClient, image: str, instance: str, server: ServerId, generation: int = 1
) -> Container:
    """A running container that looks like its gate."""
    return client.containers.run(
        image,
        name=gate_container(instance, server, generation),
        labels={INSTANCE_LABEL: instance, ROLE_LABEL: "gate", SERVER_LABEL: server, GENERATION_LABEL: str(generation)},
        network_mode="none",
        detach=True,
    )


def shell(container: Container, script: str, user: str = "root") -> str:
    """Run a shell script inside; its output. Fails when the script does."""
    if isinstance(container, Container):
        code, data = container.exec_run(["/bin/sh", "-ec", script], user=user)
        output = data.decode(errors="replace")
    else:
        code, output = container.run(script)
    if code != 0:
        raise AssertionError(f"script failed ({code}): {output}\n{script}")
    return str(output)


def merged(container: Container) -> Path:
    """Where this machine sees the running container's root, without what is mounted into it."""
    if not isinstance(container, Container):
        return Path(container.merged)
    container.reload()
    return Path(container.attrs["GraphDriver"]["Data"]["MergedDir"])


def upper(container: Container) -> Path:
    """The container's overlay upper directory."""
    if not isinstance(container, Container):
        return Path(container.upper)
    return Path(container.attrs["GraphDriver"]["Data"]["UpperDir"])


def remove_all(client: docker.DockerClient, instance: str) -> None:
    """Remove every container of one test installation."""
    ours = {"label": f"{INSTANCE_LABEL}={instance}"}
    for container in client.containers.list(all=True, filters=ours, ignore_removed=True):
        if container.status == "paused":
            container.unpause()
        container.remove(force=True)


def unpacked(data: bytes) -> bytes:
    """A blob, and after it what it holds when it is compressed."""
    if data[:2] == b"\x1f\x8b":
        return data + zlib.decompressobj(31).decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return data + zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    return data


def is_root() -> bool:
    """Whether overlay directories can be read at all."""
    return os.geteuid() == 0
