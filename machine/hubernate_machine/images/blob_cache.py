"""Compressed profile images kept beside the registry's own copy (hard links), for the next installation here.

Docker compresses a gigabyte again for every registry it pushes to, about a minute; uploading what was compressed once
takes seconds. A cache: everything works without it, and it may be deleted at any time.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from hubernate_core.errors import Unavailable

from ..registry import ACCEPT

_CHUNK = 4 * 1024**2


def default_folder(env: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_CACHE_HOME/hubernate/profiles``."""
    base = env.get("XDG_CACHE_HOME") or Path(env.get("HOME") or "/root") / ".cache"
    return Path(base) / "hubernate" / "profiles"


def _blobs(manifest: bytes) -> list[str]:
    """Digests of a manifest's blobs, its configuration first (OCI image-spec, manifest.md)."""
    read = json.loads(manifest)
    return [read["config"]["digest"], *dict.fromkeys(layer["digest"] for layer in read["layers"])]


def keep(folder: Path, storage: Path, address: str, repository: str, tag: str) -> bool:
    """Link an image's blobs from the registry's own storage into the cache; older ones of this repository go.

    Returns:
        False where links are not possible (another filesystem, a registry that is not ours to read).
    """
    answer = httpx.get(
        f"http://{address}/v2/{repository}/manifests/{tag}", headers={"Accept": ACCEPT}, timeout=30, trust_env=False
    )
    if answer.status_code != httpx.codes.OK:
        return False
    shelf = folder / repository.replace("/", "_")
    target, fresh = shelf / tag, shelf / f".{tag}.{os.getpid()}"
    if target.is_dir():
        return True
    fresh.mkdir(parents=True, exist_ok=True)
    try:
        for digest in _blobs(answer.content):
            hexadecimal = digest.removeprefix("sha256:")
            blob = storage / "docker/registry/v2/blobs/sha256" / hexadecimal[:2] / hexadecimal / "data"
            os.link(blob, fresh / hexadecimal)
        (fresh / "manifest.json").write_bytes(answer.content)
        (fresh / "media-type").write_text(answer.headers["Content-Type"])
        for older in shelf.iterdir():
            if not older.name.startswith("."):
                shutil.rmtree(older)
        fresh.rename(target)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        return target.is_dir()
    return True


def seed(folder: Path, address: str, repository: str, tag: str) -> str | None:
    """Upload an image from the cache; where only an older one of this repository is there, that one's blobs, so that
    the engine need not compress again what did not change.

    Returns:
        its manifest's digest, or None when it is not in the cache.

    Raises:
        Unavailable: the registry refused it.
    """
    shelf = folder / repository.replace("/", "_")
    complete = [each for each in sorted(shelf.glob("[!.]*")) if (each / "media-type").is_file()]
    chosen = next((each for each in complete if each.name == tag), None)
    base = f"http://{address}/v2/{repository}"
    try:
        with httpx.Client(timeout=120, trust_env=False) as client:
            for each in [chosen] if chosen else complete:
                for digest in _blobs((each / "manifest.json").read_bytes()):
                    _upload(client, base, digest, each / digest.removeprefix("sha256:"))
            if chosen is None:
                return None
            done = client.put(
                f"{base}/manifests/{tag}",
                content=(chosen / "manifest.json").read_bytes(),
                headers={"Content-Type": (chosen / "media-type").read_text()},
            )
            done.raise_for_status()
            return str(done.headers["Docker-Content-Digest"])
    except httpx.HTTPError as problem:
        raise Unavailable(f"The registry at {address} did not take profile image {tag}: {problem}") from problem


def _upload(client: httpx.Client, base: str, digest: str, path: Path) -> None:
    """One blob in one request (distribution-spec, "single post"), unless it is there."""
    if client.head(f"{base}/blobs/{digest}").status_code == httpx.codes.OK:
        return
    opened = client.post(f"{base}/blobs/uploads/")
    opened.raise_for_status()
    location = urljoin(f"{base}/", opened.headers["Location"])
    joint = "&" if urlsplit(location).query else "?"
    with path.open("rb") as file:
        client.put(
            f"{location}{joint}digest={digest}",
            content=iter(lambda: file.read(_CHUNK), b""),
            headers={"Content-Length": str(path.stat().st_size), "Content-Type": "application/octet-stream"},
        ).raise_for_status()
