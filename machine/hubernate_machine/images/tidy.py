"""Images of earlier versions on the engine: removed once nothing needs them. What is in a registry stays there."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import docker

from hubernate_core.errors import Unavailable
from hubernate_core.names import INSTANCE_LABEL, LABEL_PREFIX
from hubernate_core.quantity import show_bytes

from ..console import out
from ..layout import Layout
from ..registry import image_labels, repositories, tags_of
from .catalogue import read_catalogue

BASE_LABEL = f"{LABEL_PREFIX}.base-digest"
PREFIX = "hubernate/"
"""Before the name of every image that is built here (`recipe.tag`)."""


@dataclass(frozen=True)
class Local:
    """One image of the engine with all its names, ``repository:tag`` and ``repository@digest``."""

    id: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Needs:
    """What must stay.

    `tags` are the present images by name; `containers` ids of images that any container uses; `profiles` the references
    of the catalogue; `bases` digests that checkpoints stand on.
    """

    tags: Mapping[str, str]
    containers: Collection[str]
    profiles: Collection[str]
    bases: Collection[str]
    registry: str


def unused(images: Sequence[Local], needs: Needs, prefix: str = PREFIX) -> list[Local]:
    """The images of earlier versions that nothing needs. One with a name that is not ours is somebody's, and stays.

    Args:
        prefix: of the names of what is built here.
    """
    ours = "|".join([*(re.escape(name) for name in needs.tags), "own-[a-z0-9-]+"])
    built = re.compile(rf"{re.escape(prefix)}({ours}):[0-9a-f]{{16}}")
    published = f"{needs.registry}/profiles/"
    present = {*needs.tags.values(), *needs.profiles}

    def is_needed(image: Local) -> bool:
        digests = {name.partition("@")[2] for name in image.names if "@" in name}
        foreign = [name for name in image.names if not built.fullmatch(name) and not name.startswith(published)]
        return (
            image.id in needs.containers
            or bool(foreign)
            or not present.isdisjoint(image.names)
            or not digests.isdisjoint(needs.bases)
        )

    return [image for image in images if any(built.fullmatch(name) for name in image.names) and not is_needed(image)]


def remove_unused(
    client: docker.DockerClient, layout: Layout, instance: str, registry: str, tags: Mapping[str, str],
    prefix: str = PREFIX,
) -> str:  # fmt: skip
    """Remove what `unused` names; one line on it, empty when there was nothing.

    Nothing is removed while another installation is on this engine: its images may be older ones. A registry that does
    not answer ends it too, for then it is not known what checkpoints stand on.
    """
    running = {each["ImageID"] for each in client.api.containers(all=True)}
    profiles = [str(entry.get("image", "")) for entry in read_catalogue(layout)]
    needs = Needs(tags, running, profiles, (), registry)
    images = [
        Local(each["Id"], tuple(name for name in (*(each["RepoTags"] or ()), *(each["RepoDigests"] or ())) if name))
        for each in client.api.images()
    ]
    if not unused(images, needs, prefix):
        return ""
    if others := other_installations(client, instance):
        return f"older images were left: {', '.join(others)} on this engine may use them"
    try:
        bases = checkpoint_bases(registry)
    except Unavailable as problem:
        return f"older images were left: {problem.message}"
    chosen = unused(images, replace(needs, bases=bases), prefix)
    before = _bytes(client)
    names = [name for image in chosen for name in _remove(client, image) if name.startswith(prefix)]
    if not names:
        return ""
    return f"{show_bytes(max(0, before - _bytes(client)))} freed: {', '.join(sorted(names))}, which nothing uses"


def other_installations(client: docker.DockerClient, instance: str) -> list[str]:
    """Names of installations beside ours that have a container on this engine; their agents' are never removed."""
    labels = (each["Labels"] or {} for each in client.api.containers(all=True))
    return sorted({each[INSTANCE_LABEL] for each in labels if INSTANCE_LABEL in each} - {instance})


def checkpoint_bases(registry: str) -> set[str]:
    """Digests of the profile images that the registry's checkpoints stand on, as their labels say.

    Raises:
        Unavailable: it does not answer, or not as a registry.
    """
    found = set()
    for repository in repositories(registry):
        if not repository.startswith(("profiles/", PREFIX)):
            for tag in tags_of(registry, repository):
                found.add(image_labels(registry, repository, tag).get(BASE_LABEL, ""))
    return found - {""}


def _remove(client: docker.DockerClient, image: Local) -> list[str]:
    """Take all names from it, as far as the engine lets us; those that went. Never by force: a container that was made
    just now keeps its image."""
    gone = []
    for name in image.names:
        try:
            client.api.remove_image(name)
        except docker.errors.ImageNotFound:
            continue  # it went with another name
        except docker.errors.APIError as problem:
            out.print(f"  {name} stays on the engine: {problem.explanation}", style="dim", soft_wrap=True)
            break
        gone.append(name)
    return gone


def _bytes(client: docker.DockerClient) -> int:
    usage: dict[str, Any] = client.api.df()
    return int(usage.get("LayersSize") or 0)
