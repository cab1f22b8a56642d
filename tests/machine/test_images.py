"""The real images of this clone: two environments that cannot break each other, and nothing of the builder in them."""

import contextlib
import hashlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx
import pytest

from hubernate_core.profile import Profile
from hubernate_machine import mirrors, proxy, registry
from hubernate_machine.images import blob_cache
from hubernate_machine.images.build import ensure_images
from hubernate_machine.images.catalogue import add_own, publish, read_catalogue
from hubernate_machine.layout import Layout, ensure_folders, ensure_secrets
from hubernate_machine.settings import project_root
from support.stand_in import free_port

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def engine() -> docker.DockerClient:
    return docker.from_env(timeout=180)


@pytest.fixture(scope="module")
def found() -> mirrors.Found:
    return mirrors.ask_machine(os.environ, [sys.executable, "-m", "pip"], proxy.npm())


@pytest.fixture(scope="module")
def tags(engine: docker.DockerClient, found: mirrors.Found) -> dict[str, str]:
    made, left_out = ensure_images(engine, ("gate", "agent", "base"), project_root(), found)
    assert left_out == {}
    return made


def run(engine: docker.DockerClient, image: str, script: str) -> str:
    """Output of a shell script in a fresh container of `image`, as hardened as a notebook."""
    said: bytes = engine.containers.run(
        image, ["-c", script], entrypoint="/bin/sh", remove=True, network_mode="none",
        cap_drop=["ALL"], security_opt=["no-new-privileges"], stderr=True,
    )  # fmt: skip
    return said.decode()


def test_a_second_build_only_looks(
    engine: docker.DockerClient, tags: dict[str, str], found: mirrors.Found, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    again, _ = ensure_images(engine, ("gate", "agent", "base"), project_root(), found)
    assert again == tags
    assert capsys.readouterr().out == ""
    assert time.monotonic() - started < 5


def test_the_person_owns_their_environment_and_not_jupyterlab(
    engine: docker.DockerClient, tags: dict[str, str]
) -> None:
    said = run(
        engine,
        tags["base"],
        "id -u; command -v pip; touch /opt/env/mine && echo env-ok; touch /opt/lab/mine 2>&1 || echo lab-closed;"
        "touch /usr/bin/x 2>&1 || echo system-closed; python -c 'import numpy, pandas, sklearn, pyarrow; print(1)'",
    )
    for word in ("1000\n", "/opt/env/bin/pip\n", "env-ok", "lab-closed", "system-closed"):
        assert word in said


def test_kernels_run_in_the_persons_environment(engine: docker.DockerClient, tags: dict[str, str]) -> None:
    said = run(engine, tags["base"], "cat /opt/env/share/jupyter/kernels/python3/kernel.json")
    assert "/opt/env/bin/python" in said


def test_a_wrecked_environment_leaves_jupyterlab_alone(engine: docker.DockerClient, tags: dict[str, str]) -> None:
    said = run(
        engine,
        tags["base"],
        "rm -rf /opt/env/lib; mkdir -p ~/.local/lib/python3.11/site-packages; "
        "echo 'raise SystemExit(9)' > ~/.local/lib/python3.11/site-packages/tornado.py; "
        "PYTHONPATH=~/.local/lib/python3.11/site-packages /opt/lab/bin/hubernate-notebook --version",
    )
    assert said.strip().splitlines()[-1].startswith("4.")


def test_nothing_of_the_builder_stays_behind(
    engine: docker.DockerClient, tags: dict[str, str], found: mirrors.Found
) -> None:
    for name in ("debian", "gate", "agent", "base"):
        history = str(engine.images.get(tags[name]).history()) + str(engine.images.get(tags[name]).attrs["Config"])
        assert "mirrors" not in history.replace("COPY --from", "")
        assert "PIP_" not in history
        listing = run(engine, tags[name], "ls -d /build /added /root/.cache /root/.config 2>/dev/null; true")
        assert listing == "", f"{name}: {listing}"


@pytest.mark.parametrize(
    ("name", "module"), [("gate", "hubernate_gate.app"), ("agent", "hubernate_checkpointer.agent")]
)
def test_platform_images_start_and_hold_no_other_part(
    engine: docker.DockerClient, tags: dict[str, str], name: str, module: str
) -> None:
    said = run(
        engine,
        tags[name],
        f"/opt/hubernate/bin/python -c 'import {module}, importlib.metadata as m; print(m.version(\"hubernate\"))';"
        "ls /opt/hubernate/lib/python3.11/site-packages; test -e /opt/hubernate/bin/pip && echo has-pip; true",
    )
    assert said.startswith("0.")
    for other in ("hubernate_hub", "hubernate_machine", "jupyterhub", "has-pip"):
        assert other not in said


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[tuple[Layout, str]]:
    made, port = Layout(tmp_path / "state"), free_port()
    ensure_folders(made)
    ensure_secrets(made)
    registry.write_config(made, port)
    address = f"127.0.0.1:{port}"
    command = ["docker-registry", "serve", str(registry.config_file(made))]
    with (tmp_path / "registry.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 20
            while not registry.answers(address):
                assert time.monotonic() < deadline, (tmp_path / "registry.log").read_text()
                time.sleep(0.1)
            yield made, address
        finally:
            process.terminate()


@pytest.fixture
def small(engine: docker.DockerClient, tags: dict[str, str]) -> Iterator[str]:
    """A small image of our own making."""
    name = f"hubernate-test/{secrets.token_hex(4)}:1"
    container = engine.containers.create(tags["debian"], ["true"])
    repository, _, version = name.partition(":")
    container.commit(repository, version)
    container.remove()
    yield name
    engine.images.remove(name, force=True)


@dataclass(frozen=True)
class Own:
    """A profile of an admin's in a registry of its own."""

    name: str
    profile: Profile
    layout: Layout
    address: str

    @property
    def digest(self) -> str:
        return self.profile.image.partition("@")[2]

    @property
    def repository(self) -> str:
        return f"profiles/{self.name}"


@pytest.fixture
def own(
    engine: docker.DockerClient,
    layout: tuple[Layout, str],
    small: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Own]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made, address = layout
    name = f"t{secrets.token_hex(4)}"
    entry = {"name": name, "title": "Team", "resources": {"cpu": "1", "memory": "1Gi"}}
    try:
        yield Own(name, add_own(engine, made, address, small, entry), made, address)
    finally:
        for image in engine.images.list():
            for reference in (*image.tags, *(image.attrs.get("RepoDigests") or ())):
                if reference.startswith((f"{address}/", f"hubernate/own-{name}")):
                    with contextlib.suppress(docker.errors.ImageNotFound):
                        engine.images.remove(reference)


def test_an_own_image_becomes_a_profile_and_stays_one(engine: docker.DockerClient, own: Own, small: str) -> None:
    assert own.profile.image.startswith(f"{own.address}/{own.repository}@sha256:")
    assert registry.manifest_digest(own.address, own.repository, own.digest) == own.digest
    assert engine.images.get(own.profile.image).id == engine.images.get(small).id
    publish(engine, own.layout, own.address, {})
    assert [each["name"] for each in read_catalogue(own.layout)] == [own.name]


def test_what_was_compressed_once_is_uploaded_bit_by_bit_the_same(
    engine: docker.DockerClient, own: Own, small: str
) -> None:
    version = str(engine.images.get(small).id).removeprefix("sha256:")[:16]
    cache = blob_cache.default_folder()
    assert blob_cache.seed(cache, own.address, "profiles/other", version) is None
    (cache / f"profiles_{own.name}").rename(cache / "profiles_other")
    assert blob_cache.seed(cache, own.address, "profiles/other", version) == own.digest
    assert registry.manifest_digest(own.address, "profiles/other", version) == own.digest


def test_tidying_drops_what_nothing_names_and_keeps_the_rest(own: Own) -> None:
    base = f"http://{own.address}/v2/{own.repository}"
    orphan = hashlib.sha256(b"hello").hexdigest()
    opened = httpx.post(f"{base}/blobs/uploads/")
    httpx.put(f"{opened.headers['Location']}&digest=sha256:{orphan}", content=b"hello").raise_for_status()
    stored = own.layout.folder("registry") / "docker/registry/v2/blobs/sha256" / orphan[:2] / orphan
    assert stored.exists()
    assert "1 unused" in registry.tidy(own.layout)
    assert not stored.exists()
    manifest = httpx.get(f"{base}/manifests/{own.digest}", headers={"Accept": registry.ACCEPT}).json()
    for each in [manifest["config"], *manifest["layers"]]:
        assert httpx.head(f"{base}/blobs/{each['digest']}").status_code == httpx.codes.OK
