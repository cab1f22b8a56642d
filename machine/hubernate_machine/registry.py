"""The local registry: its configuration, what it holds, and the tidying that is only safe while it is down."""

import shutil
import subprocess
from pathlib import Path

import httpx

from hubernate_core.errors import Unavailable

from .layout import Layout, write

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
TIDY_S = 60
CONFIG = """\
# Written by `hubernate up`.
version: 0.1
log:
  accesslog:
    disabled: true
  level: warn
storage:
  filesystem:
    rootdirectory: {folder}
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: true
      age: 24h
      interval: 6h
      dryrun: false
http:
  addr: 127.0.0.1:{port}
  secret: {secret}
"""


def config_file(layout: Layout) -> Path:
    """Where the registry's configuration lies."""
    return layout.folder("run") / "registry.yml"


def write_config(layout: Layout, port: int) -> None:
    """Write the configuration; 0600, for the upload-signing secret in it."""
    secret = layout.secret("registry-upload").read_text().strip()
    text = CONFIG.format(folder=layout.folder("registry"), port=port, secret=secret)
    write(config_file(layout), text, 0o600)


def manifest_digest(address: str, repository: str, tag: str) -> str | None:
    """The digest behind a tag, or None where there is none.

    Raises:
        Unavailable: the registry does not answer.
    """
    try:
        answer = httpx.head(
            f"http://{address}/v2/{repository}/manifests/{tag}", headers={"Accept": ACCEPT}, timeout=10, trust_env=False
        )
    except httpx.HTTPError as problem:
        raise Unavailable(f"The registry at {address} does not answer: {problem}. Nothing was lost.") from problem
    return answer.headers.get("Docker-Content-Digest") if answer.status_code == httpx.codes.OK else None


def repositories(address: str) -> list[str]:
    """Every repository (distribution-spec, ``_catalog``).

    Raises:
        Unavailable: the registry does not answer as one.
    """
    found: list[str] = []
    url = "_catalog?n=500"
    while url:
        answer = _ask(address, url)
        found += answer.json().get("repositories") or []
        url = answer.links.get("next", {}).get("url", "").partition("/v2/")[2]
    return found


def tags_of(address: str, repository: str) -> list[str]:
    """A repository's tags; none when every manifest of it is deleted. Raises as `repositories`."""
    answer = _ask(address, f"{repository}/tags/list", missing=True)
    return list(answer.json().get("tags") or []) if answer.status_code == httpx.codes.OK else []


def image_labels(address: str, repository: str, tag: str) -> dict[str, str]:
    """The labels of an image's configuration; none when it was deleted meanwhile. Raises as `repositories`."""
    manifest = _ask(address, f"{repository}/manifests/{tag}", missing=True)
    if manifest.status_code != httpx.codes.OK:
        return {}
    config = _ask(address, f"{repository}/blobs/{manifest.json()['config']['digest']}", missing=True)
    found = config.json().get("config", {}).get("Labels") if config.status_code == httpx.codes.OK else None
    return dict(found or {})


def _ask(address: str, path: str, *, missing: bool = False) -> httpx.Response:
    """`missing`: whether 404 is an answer."""
    try:
        answer = httpx.get(
            f"http://{address}/v2/{path}",
            headers={"Accept": ACCEPT},
            timeout=10,
            trust_env=False,
            follow_redirects=True,
        )
    except httpx.HTTPError as problem:
        raise Unavailable(f"The registry at {address} does not answer: {problem}. Nothing was lost.") from problem
    if answer.status_code != httpx.codes.OK and not (missing and answer.status_code == httpx.codes.NOT_FOUND):
        raise Unavailable(f"The registry at {address} answered {answer.status_code} to {path}. Nothing was lost.")
    return answer


def answers(address: str) -> bool:
    """Whether a registry listens at `address`."""
    try:
        return httpx.get(f"http://{address}/v2/", timeout=3, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def tidy(layout: Layout) -> str:
    """Drop blobs that no manifest names. Only while neither the registry nor an agent runs: a blob that is being
    pushed is named by no manifest yet. Manifests are never dropped, tagged or not.

    Returns:
        what was done, one line.
    """
    if not (layout.folder("registry") / "docker/registry/v2/repositories").is_dir():
        return "empty"
    command = [shutil.which("docker-registry") or "docker-registry", "garbage-collect", str(config_file(layout))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIDY_S, check=False)
    except subprocess.TimeoutExpired:
        return f"tidying stopped after {TIDY_S} s; it goes on at the next start"
    if done.returncode:
        return f"tidying failed, nothing was lost: {done.stderr.strip().splitlines()[-1:]}"
    dropped = done.stdout.count("blob eligible for deletion")
    return f"{dropped} unused blobs dropped" if dropped else "nothing to tidy"
