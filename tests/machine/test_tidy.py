"""After an upgrade: images of earlier versions go, unless a container, a profile, a checkpoint or a person has them."""

import contextlib
import io
import json
import re
import secrets
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx
import pytest

from hubernate_core.names import INSTANCE_LABEL
from hubernate_machine.images import tidy
from hubernate_machine.images.tidy import Local, Needs, remove_unused, unused
from hubernate_machine.layout import Layout, ensure_folders
from support.engine import RegistryProcess, registry

REGISTRY = "127.0.0.1:5000"
OLD, NEW = "0" * 16, "1" * 16
DIGEST = f"sha256:{'a' * 64}"
PUBLISHED = (f"hubernate/base:{OLD}", f"{REGISTRY}/profiles/base:{OLD}", f"{REGISTRY}/profiles/base@{DIGEST}")
NEEDS = Needs({"gate": f"hubernate/gate:{NEW}", "base": f"hubernate/base:{NEW}"}, (), (), (), REGISTRY)


@pytest.mark.parametrize(
    ("names", "needs", "goes"),
    [
        ((f"hubernate/gate:{OLD}",), {}, True),
        (PUBLISHED, {}, True),
        ((f"hubernate/own-team:{OLD}", f"{REGISTRY}/profiles/team@{DIGEST}"), {}, True),
        ((f"hubernate/gate:{NEW}",), {}, False),
        ((f"hubernate/gate:{OLD}",), {"containers": ("id",)}, False),
        (PUBLISHED, {"profiles": (PUBLISHED[2],)}, False),
        (PUBLISHED, {"bases": (DIGEST,)}, False),
        ((*PUBLISHED, "mine:1"), {}, False),
        ((*PUBLISHED, f"127.0.0.1:5999/profiles/base@{DIGEST}"), {}, False),
        ((f"hubernate/gate:{OLD}", f"{REGISTRY}/hubernate/gate:{OLD}"), {}, False),
        ((f"hubernate/service:{OLD}",), {}, False),
        (("hubernate/gate:mine",), {}, False),
        (("hubernate/root:bookworm",), {}, False),
        (("python:3.12",), {}, False),
        ((), {}, False),
    ],
    ids=["gate", "profile", "own profile", "present", "in a container", "in the catalogue", "below a checkpoint",
         "a person's name", "another registry", "pushed for a cluster", "not built by up", "no version", "root",
         "foreign", "nameless"],
)  # fmt: skip
def test_what_goes(names: tuple[str, ...], needs: dict[str, tuple[str, ...]], goes: bool) -> None:
    given = Needs(**{**NEEDS.__dict__, **needs})
    assert bool(unused([Local("id", names)], given)) is goes


@dataclass(frozen=True)
class Upgraded:
    """An engine with a present and earlier images of a platform of its own, under a prefix of its own."""

    client: docker.DockerClient
    registry: RegistryProcess
    layout: Layout
    prefix: str

    def image(self, name: str, *also: str) -> str:
        """A new image with a megabyte of its own; its first name."""
        made = f"{self.prefix}{name}:{secrets.token_hex(8)}"
        self.client.api.import_image_from_data(_megabyte(), repository=made.split(":")[0], tag="x")
        image = self.client.images.get(f"{made.split(':')[0]}:x")
        for each in (made, *also):
            image.tag(*each.rsplit(":", 1))
        self.client.api.remove_image(f"{made.split(':')[0]}:x")
        return made

    def publish(self, image: str, repository: str, labels: dict[str, str] | None = None) -> str:
        """Push it to the registry; its digest."""
        name = f"{self.registry.name}/{repository}"
        version = image.rsplit(":", 1)[1]
        if labels:
            container = self.client.containers.create(image, ["x"])
            container.commit(name, version, conf={"Labels": labels})
            container.remove()
        else:
            self.client.images.get(image).tag(name, version)
        self.client.api.push(name, tag=version)
        accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
        answer = httpx.get(f"{self.registry.url}/v2/{repository}/manifests/{version}", headers=accept)
        return answer.headers["Docker-Content-Digest"]

    def names(self) -> set[str]:
        """What is there under our prefix."""
        return {name for each in self.client.api.images() for name in each["RepoTags"] or () if self.prefix in name}

    def tidy(self, **tags: str) -> str:
        return remove_unused(self.client, self.layout, "here", self.registry.name, tags, self.prefix)


def _megabyte() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("data")
        info.size = 1_000_000
        tar.addfile(info, io.BytesIO(secrets.token_bytes(info.size)))
    return out.getvalue()


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[Upgraded]:
    layout = Layout(tmp_path / "state")
    ensure_folders(layout)
    client, prefix = docker.from_env(), f"t{secrets.token_hex(4)}/"
    with registry() as process:
        try:
            yield Upgraded(client, process, layout, prefix)
        finally:
            for each in client.api.images():
                for name in (*(each["RepoTags"] or ()), *(each["RepoDigests"] or ())):
                    if name.startswith((prefix, f"{process.name}/")):
                        with contextlib.suppress(docker.errors.ImageNotFound):
                            client.api.remove_image(name, force=True)
            client.close()


@pytest.mark.docker
def test_earlier_images_go_and_the_room_is_told(upgraded: Upgraded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidy, "other_installations", lambda client, instance: [])  # this machine may have some
    gate, old_gate, used = (upgraded.image("gate") for _ in range(3))
    base, old_base, below = (upgraded.image("base") for _ in range(3))
    upgraded.publish(old_base, "profiles/base")
    present = upgraded.publish(base, "profiles/base")
    digest = upgraded.publish(below, "profiles/base")
    upgraded.publish(below, "t-aaaaaaaaa1/u-aaaaaaaaa1", {tidy.BASE_LABEL: digest})
    reference = f"{upgraded.registry.name}/profiles/base@{present}"
    upgraded.layout.profiles.write_text(json.dumps([{"name": "base", "image": reference}]))
    container = upgraded.client.containers.create(used, ["x"])
    try:
        said = upgraded.tidy(gate=gate, base=base)
        assert upgraded.names() == {gate, used, base, below}
        assert re.match(r"[\d.]+ [kMG]?B freed: ", said) and old_gate in said and old_base in said
        assert upgraded.tidy(gate=gate, base=base) == "", "nothing is left to do"
        kept = f"{upgraded.registry.url}/v2/profiles/base/manifests/{old_base.rsplit(':', 1)[1]}"
        assert httpx.head(kept).status_code == httpx.codes.OK, "the registry keeps what is in it"
    finally:
        container.remove()


@pytest.mark.docker
def test_beside_another_installation_nothing_goes(upgraded: Upgraded) -> None:
    gate, old = upgraded.image("gate"), upgraded.image("gate")
    beside = upgraded.client.containers.create(gate, ["x"], labels={INSTANCE_LABEL: f"t{secrets.token_hex(4)}"})
    try:
        assert beside.labels[INSTANCE_LABEL] in upgraded.tidy(gate=gate)
        assert old in upgraded.names()
    finally:
        beside.remove()


@pytest.mark.docker
def test_without_the_registry_nothing_goes(upgraded: Upgraded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidy, "other_installations", lambda client, instance: [])
    gate, old = upgraded.image("gate"), upgraded.image("gate")
    upgraded.registry.stop()
    assert "does not answer" in upgraded.tidy(gate=gate)
    assert old in upgraded.names()
