"""The catalogue: profile images pushed to the local registry, and `profiles.json` that names them by digest."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker

from hubernate_core.errors import Broken, InvalidInput, NotFound, Unavailable
from hubernate_core.names import check_profile_name, profile_repository
from hubernate_core.profile import Profile, read_profile

from ..console import Task, task
from ..layout import Layout, write_json
from ..registry import manifest_digest
from . import blob_cache

TEXTS: Mapping[str, dict[str, Any]] = {
    "base": {
        "title": "Python",
        "description": "JupyterLab with NumPy, pandas, SciPy, scikit-learn, Matplotlib and Arrow.",
        "resources": {"cpu": "2", "memory": "2Gi"},
    },
    "spark": {
        "title": "Spark",
        "description": "The Python profile with JDK 17 and PySpark 4.",
        "resources": {"cpu": "2", "memory": "4Gi"},
    },
    "torch": {
        "title": "PyTorch",
        "description": "The Python profile with PyTorch, CPU build.",
        "resources": {"cpu": "2", "memory": "4Gi"},
    },
}


def push(engine: docker.DockerClient, image: str, registry: str, profile: str, storage: Path) -> str:
    """Have `image` in the registry as this profile's, and known to the engine by digest.

    Args:
        storage: folder of the registry's own files.

    Returns:
        its reference by digest. Digests pushed before stay: checkpoints stand on them.

    Raises:
        Unavailable: the registry refused it or does not answer.
    """
    repository, version = profile_repository(profile), image.rpartition(":")[2]
    digest = manifest_digest(registry, repository, version)
    if digest is not None and _known(engine, f"{registry}/{repository}@{digest}"):
        return f"{registry}/{repository}@{digest}"
    cache = blob_cache.default_folder()
    with task(f"profile {profile}: into the registry") as running:
        if digest is None:
            digest = blob_cache.seed(cache, registry, repository, version)
        if digest is not None:
            engine.images.pull(f"{registry}/{repository}@{digest}")
        else:
            digest = _push(engine, image, f"{registry}/{repository}", version, running)
            blob_cache.keep(cache, storage, registry, repository, version)
    return f"{registry}/{repository}@{digest}"


def push_to(engine: docker.DockerClient, image: str, registry: str, repository: str) -> str:
    """Push `image` to any registry that the engine may push to, with the engine's own logins.

    Returns:
        repository@digest, without the registry: nodes may call it by another name.

    Raises:
        Unavailable: the registry refused it or does not answer.
    """
    with task(f"{repository}: to {registry}") as running:
        digest = _push(engine, image, f"{registry}/{repository}", image.rpartition(":")[2], running)
    return f"{repository}@{digest}"


def _push(engine: docker.DockerClient, image: str, repository: str, version: str, running: Task) -> str:
    digest = ""
    engine.images.get(image).tag(repository, tag=version)
    for event in engine.api.push(repository, tag=version, stream=True, decode=True):
        if "error" in event:
            raise Unavailable(f"Pushing {image} to {repository} failed: {event['error']}. Run it again.")
        digest = event.get("aux", {}).get("Digest", digest)
        running.count(f"{event.get('status', '')} {event.get('progress', '')}")
    if not digest:
        raise Broken(f"The engine pushed {image} to {repository} but named no digest.")
    return digest


def _known(engine: docker.DockerClient, reference: str) -> bool:
    """Whether the engine finds the image by digest, so that a start need not pull."""
    try:
        engine.images.get(reference)
    except docker.errors.ImageNotFound:
        return False
    return True


def merge(before: list[dict[str, Any]], images: Mapping[str, str]) -> list[dict[str, Any]]:
    """The catalogue with our profiles at `images`. An admin's own profiles, and their changes to titles, limits and
    environment of ours, stay as they are.

    Raises:
        InvalidInput: an entry is malformed.
    """
    merged = []
    for entry in before:
        name = entry.get("name", "")
        merged.append({**entry, "image": images[name]} if name in images else entry)
    known = {entry.get("name") for entry in before}
    merged += [{"name": name, **TEXTS[name], "image": image} for name, image in images.items() if name not in known]
    order = {name: rank for rank, name in enumerate(TEXTS)}
    merged.sort(key=lambda entry: order.get(entry["name"], len(order)))
    return [Profile.model_dump(read_profile(entry), mode="json") for entry in merged]


def read_catalogue(layout: Layout) -> list[dict[str, Any]]:
    """The catalogue as it stands; empty before the first build.

    Raises:
        Broken: the file is not a list.
    """
    if not layout.profiles.is_file():
        return []
    try:
        entries = json.loads(layout.profiles.read_text())
    except ValueError as problem:
        raise Broken(f"{layout.profiles} is not JSON: {problem}. Correct it; nothing was changed.") from problem
    if not isinstance(entries, list):
        raise Broken(f"{layout.profiles} must hold a list of profiles. Correct it; nothing was changed.")
    return entries


def add_own(engine: docker.DockerClient, layout: Layout, registry: str, image: str, entry: dict[str, Any]) -> Profile:
    """Put an admin's image of this engine into the registry and its entry into the catalogue, in place of an older one.

    Args:
        entry: a profile without its image.

    Raises:
        NotFound: the engine has no such image.
        InvalidInput: the entry is malformed, or takes the name of a profile of ours.
    """
    name = check_profile_name(str(entry.get("name", "")))
    if name in TEXTS:
        raise InvalidInput("name", f"{name!r} is a profile of the platform; choose another name")
    try:
        found = engine.images.get(image)
    except docker.errors.ImageNotFound as problem:
        raise NotFound(f"The engine has no image {image!r}; build or pull it first. Nothing was changed.") from problem
    # A tag of its content: an image built anew under the same name is another version.
    version = f"hubernate/own-{name}:{str(found.id).removeprefix('sha256:')[:16]}"
    found.tag(version)
    reference = push(engine, version, registry, name, layout.folder("registry"))
    profile = read_profile({**entry, "image": reference})
    others = [each for each in read_catalogue(layout) if each.get("name") != name]
    write_json(layout.profiles, merge([*others, profile.model_dump(mode="json")], {}))
    return profile


def publish(engine: docker.DockerClient, layout: Layout, registry: str, tags: Mapping[str, str]) -> bool:
    """Push the profile images among `tags` and write the catalogue; whether it changed."""
    images = {
        name: push(engine, tags[name], registry, name, layout.folder("registry")) for name in TEXTS if name in tags
    }
    return write_json(layout.profiles, merge(read_catalogue(layout), images))
