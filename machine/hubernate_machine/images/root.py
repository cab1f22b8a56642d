"""The small Debian root that everything stands on: pulled where a registry answers, otherwise made by debootstrap."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import docker
import requests

from hubernate_core.errors import Unavailable, shorten

from ..console import Task
from ..mirrors import SUITE, Found, first_apt_mirror, sources_list, without_credentials
from .recipe import ROOT_TAG

PUBLIC_BASE = "debian:bookworm-20250520-slim"
PULL_SILENCE_S = 20
"""Seconds without a line from the engine after which a pull is given up."""
BOOTSTRAP_S = 900
_LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/cache", "var/lib/apt/lists",
             "var/log", "dev", "proc", "sys")  # fmt: skip


def ensure_root(engine: docker.DockerClient, found: Found, task: Task) -> None:
    """Make `ROOT_TAG` exist on the engine. `HUBERNATE_BASE_IMAGE` names another public image to take.

    Raises:
        Unavailable: neither way worked; the message says what to do.
    """
    if any(ROOT_TAG in image.tags for image in engine.images.list(name=ROOT_TAG.partition(":")[0])):
        return
    wanted = os.environ.get("HUBERNATE_BASE_IMAGE") or PUBLIC_BASE
    problem = _pull(wanted, task)
    if problem is None:
        engine.images.get(wanted).tag(ROOT_TAG)
        return
    task.say(f"{wanted} cannot be pulled ({shorten(problem, 120)}); making a Debian root with debootstrap instead")
    with tempfile.TemporaryDirectory(prefix="hubernate-root-") as folder:
        root = Path(folder) / "root"
        _bootstrap(root, found, task)
        task.say("importing the root")
        with _as_tar(root) as stream:
            repository, _, version = ROOT_TAG.partition(":")
            engine.api.import_image_from_data(stream, repository, version, changes=["CMD /bin/bash"])
        subprocess.run([*_as_root(), "rm", "-rf", "--one-file-system", str(root)], check=True)


def _pull(image: str, task: Task) -> str | None:
    """Pull `image`; None when it is there, otherwise why not."""
    api = docker.APIClient(timeout=PULL_SILENCE_S)
    try:
        for line in api.pull(image, stream=True, decode=True):
            if "error" in line:
                return str(line["error"])
            task.count(f"{image} {line.get('status', '')} {line.get('progress', '')}")
    except docker.errors.APIError as problem:
        return str(problem.explanation)
    except (requests.exceptions.Timeout, requests.exceptions.ConnectionError) as problem:
        return f"no answer for {PULL_SILENCE_S} s: {problem}"
    return None


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def _bootstrap(root: Path, found: Found, task: Task) -> None:
    mirror = [found.apt_mirror] if found.apt_mirror else []
    command = [*_as_root(), "debootstrap", "--variant=minbase", SUITE, str(root), *mirror]
    env = dict(os.environ) | {name.lower(): value for name, value in found.proxies}
    last: list[str] = []
    try:
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            for line in process.stdout or ():
                last = [*last[-4:], line.strip()]
                task.count(line.strip())
            code = process.wait(BOOTSTRAP_S)
    except FileNotFoundError as problem:
        raise Unavailable(
            "No base image: the public one cannot be pulled and debootstrap is not installed. Nothing was changed. "
            "Install debootstrap, or name an image that can be pulled in HUBERNATE_BASE_IMAGE."
        ) from problem
    if code:
        raise Unavailable(
            f"debootstrap ended with {code}: {shorten(' / '.join(last), 400)}. Nothing was changed. It needs root and "
            "a Debian mirror (HUBERNATE_APT_MIRROR)."
        )
    used = first_apt_mirror((root / "etc/apt/sources.list").read_text())
    text = sources_list(without_credentials(used))
    subprocess.run(
        [*_as_root(), "tee", str(root / "etc/apt/sources.list")], input=text, text=True, check=True, capture_output=True
    )


@contextmanager
def _as_tar(root: Path) -> Iterator[IO[bytes]]:
    """The root as a tar stream, as root sees it, without manuals, caches and devices."""
    left_out = [f"--exclude=./{path}/*" for path in _LEFT_OUT]
    command = [*_as_root(), "tar", "--create", "--numeric-owner", *left_out, "--directory", str(root), "."]
    with tempfile.TemporaryFile() as spool:
        subprocess.run(command, stdout=spool, check=True)
        spool.seek(0)
        yield spool
