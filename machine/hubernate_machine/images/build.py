"""Builds what is missing on the engine. An image whose content is there already costs one look."""

import io
import re
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any

import docker

from hubernate_core.errors import Unavailable, shorten

from ..console import Task, out, task
from ..mirrors import Found, build_files
from .recipe import CONTENT_LABEL, ROOT, ROOT_TAG, Entry, Recipe, content_hash, context, in_order, tag
from .root import ensure_root
from .torch import Wheel, find_wheel

_STEP = re.compile(r"Step (\d+/\d+) : (.*)")


def ensure_images(
    engine: docker.DockerClient, wanted: tuple[str, ...], project: Path, found: Found
) -> tuple[dict[str, str], dict[str, str]]:
    """Make the images `wanted` and what they stand on exist.

    Returns:
        tags by name, and the reasons of those left out by name.

    Raises:
        Unavailable: a build failed; its last lines are in the message. Images built before stay.
    """
    tags, contents, left_out = {ROOT: ROOT_TAG}, {ROOT: ROOT_TAG}, {}
    for recipe in in_order(wanted):
        files = context(recipe, project)
        content = content_hash(files, contents[recipe.parent])
        contents[recipe.name] = content
        tags[recipe.name] = tag(recipe.name, content)
        if _is_there(engine, tags[recipe.name]):
            continue
        wheel: Wheel | None = None
        if recipe.needs_torch:
            wheel, reason = find_wheel(files["requirements/env-torch.txt"].data.decode())
            if wheel is None:
                left_out[recipe.name] = reason
                del tags[recipe.name]
                out.print(f"[yellow]–[/] image {recipe.name} left out: {reason}", soft_wrap=True)
                continue
        with task(f"image {recipe.name}") as running:
            if recipe.parent == ROOT:
                ensure_root(engine, found, running)
            labels = {CONTENT_LABEL: content}
            with _archive(files, found, wheel) as stream:
                _build(engine, stream, recipe, tags, labels, running)
    del tags[ROOT]
    return tags, left_out


def _is_there(engine: docker.DockerClient, name: str) -> bool:
    try:
        engine.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def _archive(files: dict[str, Entry], found: Found, wheel: Wheel | None) -> IO[bytes]:
    """The build context as a tar, spooled to disk where it is large."""
    spool: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=64 * 1024**2)  # noqa: SIM115 - the caller closes it
    with tarfile.open(fileobj=spool, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, entry in files.items():
            _add(archive, name, io.BytesIO(entry.data), len(entry.data), executable=entry.executable)
        for name, data in build_files(found).items():
            _add(archive, f"mirrors/{name}", io.BytesIO(data), len(data))
        if wheel is not None:
            with wheel.path.open("rb") as stream:
                _add(archive, f"wheels/{wheel.path.name}", stream, wheel.path.stat().st_size)
    spool.seek(0)
    return spool


def _add(archive: tarfile.TarFile, name: str, stream: IO[bytes], size: int, *, executable: bool = False) -> None:
    """Add a file of root's with a fixed time, so that equal contexts are equal bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o755 if executable else 0o644, 0
    archive.addfile(info, stream)


def _build(
    engine: docker.DockerClient,
    stream: IO[bytes],
    recipe: Recipe,
    tags: dict[str, str],
    labels: dict[str, str],
    running: Task,
) -> None:
    lines: list[str] = []
    events: Any = engine.api.build(
        fileobj=stream,
        custom_context=True,
        tag=tags[recipe.name],
        buildargs={"PARENT": tags[recipe.parent]},
        labels=labels,
        rm=True,
        forcerm=True,
        decode=True,
        timeout=1800,
    )
    for event in events:
        if "error" in event:
            raise Unavailable(
                f"Building the image {recipe.name} failed: {shorten(str(event['error']), 300)}. Its last lines: "
                + shorten(" / ".join(lines[-6:]), 900)
                + ". What was built before stays; run the command again once it is repaired."
            )
        for line in str(event.get("stream", "")).splitlines():
            if not line.strip():
                continue
            lines = [*lines[-20:], line.strip()]
            step = _STEP.match(line)
            if step:
                running.say(f"{step[1]} {shorten(step[2], 100)}")
            else:
                running.count(shorten(line, 100))
