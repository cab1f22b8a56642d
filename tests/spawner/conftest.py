"""Stand-in images in a registry, once per run; a scripted platform service and an instance of its own per test."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from hubernate_core import names
from support.fake_service import FakeService, Installed
from support.stand_in import Images, stand_ins


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    with stand_ins(tmp_path_factory.mktemp("images")) as made:
        yield made


@pytest.fixture
def installed(images: Images, tmp_path: Path) -> Iterator[Installed]:
    instance = "t" + secrets.token_hex(4)
    with FakeService(instance, images.notebook, images.registry) as service:
        token_file = tmp_path / "spawner-token"
        token_file.write_text(service.token + "\n")
        token_file.chmod(0o600)
        yield Installed(service, images, token_file)
    engine = docker.from_env()
    ours = {"label": f"{names.INSTANCE_LABEL}={instance}"}
    for container in engine.containers.list(all=True, filters=ours, ignore_removed=True):
        container.remove(force=True)
    for network in engine.networks.list(filters=ours):
        network.remove()
    for volume in engine.volumes.list(filters=ours):
        with contextlib.suppress(docker.errors.APIError):
            volume.remove()
