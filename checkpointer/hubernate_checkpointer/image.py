"""The image of a checkpoint, written from the *base* image's config: nothing of the container's own config gets in.
Pure.

Equal input gives equal bytes, so that saving the same state twice gives the same digest.
"""

import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hubernate_core.checkpoint import Layer
from hubernate_core.errors import Broken
from hubernate_core.names import LABEL_PREFIX

from .registry import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Manifest, digest_of

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_PLAIN = "application/vnd.docker.image.rootfs.diff.tar"
OCI_PLAIN = "application/vnd.oci.image.layer.v1.tar"
DOCKER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
HISTORY = "hubernate: saved environment"
"""What the history says of each of our layers; a fixed text, since a command line may hold a secret."""
_EPOCH = "1970-01-01T00:00:00Z"
_KEPT_CONFIG = ("User", "Env", "Entrypoint", "Cmd", "WorkingDir", "StopSignal", "Shell", "ExposedPorts", "Labels")
_TO_OCI = {DOCKER_GZIP: OCI_GZIP, DOCKER_PLAIN: OCI_PLAIN}


def is_list(manifest: Manifest) -> bool:
    """Whether the manifest only points to others, one for each platform."""
    return manifest.media_type in (DOCKER_LIST, OCI_INDEX)


def choose_platform(manifest: Manifest, architecture: str) -> str:
    """The digest for linux and `architecture` in a list of manifests.

    Raises:
        Broken: there is none.
    """
    for each in json.loads(manifest.body).get("manifests", ()):
        platform = each.get("platform", {})
        if platform.get("os") == "linux" and platform.get("architecture") == architecture:
            return str(each["digest"])
    raise Broken(f"the base image has nothing for linux/{architecture}")


class Base:
    """A profile's image as the registry has it."""

    def __init__(self, manifest: Manifest, config: bytes) -> None:
        self._manifest = json.loads(manifest.body)
        self._config = json.loads(config)
        self.is_docker = manifest.media_type == DOCKER_MANIFEST
        self.layers: tuple[dict[str, Any], ...] = tuple(self._manifest["layers"])
        self.diff_ids: tuple[str, ...] = tuple(self._config["rootfs"]["diff_ids"])
        if len(self.layers) != len(self.diff_ids):
            raise Broken("the base image's manifest and config name different numbers of layers")

    @staticmethod
    def config_digest(manifest: Manifest) -> str:
        """Where the config of the image with this manifest is."""
        return str(json.loads(manifest.body)["config"]["digest"])

    def media_type(self, compression: str) -> str:
        """Media type of a new layer above this base."""
        if compression == "zstd":
            return OCI_ZSTD
        if compression == "plain":
            return DOCKER_PLAIN if self.is_docker else OCI_PLAIN
        return DOCKER_GZIP if self.is_docker else OCI_GZIP

    def config(self, layers: Sequence[Layer], labels: Mapping[str, str]) -> bytes:
        """The image config: the base's, our layers, and `labels`.

        Raises:
            Broken: a label outside our prefix, or a base config that would steer the engine (see `_sanitise`).
        """
        for name in labels:
            if not name.startswith(f"{LABEL_PREFIX}."):
                raise Broken(f"label {name!r} is outside {LABEL_PREFIX}; the order contradicts the protocol")
        config = _sanitise(self._config.get("config") or {})
        config["Labels"] = dict(sorted(({**(config.get("Labels") or {}), **labels}).items()))
        history = [_plain_history(each) for each in self._config.get("history") or ()]
        history += [{"created": _EPOCH, "created_by": HISTORY} for _ in layers]
        whole = {
            "architecture": self._config["architecture"],
            "os": self._config["os"],
            "created": _EPOCH,
            "config": config,
            "history": history,
            "rootfs": {"type": "layers", "diff_ids": [*self.diff_ids, *(layer.diff_id for layer in layers)]},
        }
        if variant := self._config.get("variant"):
            whole["variant"] = variant
        return _dump(whole)

    def manifest(self, layers: Sequence[Layer], config: bytes) -> Manifest:
        """The manifest over `config`; Docker's own form where base and layers allow it, since every engine reads
        that."""
        as_oci = not self.is_docker or any(layer.media_type not in _TO_OCI for layer in layers)
        ours = [{"mediaType": each.media_type, "size": each.size, "digest": each.digest} for each in layers]
        below = [{key: each[key] for key in ("mediaType", "size", "digest")} for each in self.layers]
        every = [*below, *ours]
        if as_oci:
            every = [{**each, "mediaType": _TO_OCI.get(each["mediaType"], each["mediaType"])} for each in every]
        media_type = OCI_MANIFEST if as_oci else DOCKER_MANIFEST
        whole = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": OCI_CONFIG if as_oci else DOCKER_CONFIG,
                "size": len(config),
                "digest": digest_of(config),
            },
            "layers": every,
        }
        return Manifest(_dump(whole), media_type)


def _sanitise(config: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a base config that a checkpoint takes over.

    Volumes, health checks, ONBUILD and anything unknown are left out; loader and GPU variables too, since hooks of the
    runtime inherit them on the host (CVE-2025-23266); a working directory must be absolute and plain (CVE-2024-21626).
    """
    kept = {key: config[key] for key in _KEPT_CONFIG if config.get(key)}
    kept["Env"] = [each for each in kept.get("Env", ()) if not each.startswith(("LD_", "NVIDIA_"))]
    kept["Labels"] = {
        name: value for name, value in (kept.get("Labels") or {}).items() if name.startswith(f"{LABEL_PREFIX}.")
    }
    folder = kept.get("WorkingDir", "/")
    if (
        not folder.startswith("/")
        or posixpath.normpath(folder) != folder
        or folder.startswith(("/proc", "/sys", "/dev"))
    ):
        raise Broken(
            f"the base image's working directory {folder!r} is not a plain absolute path; fix the profile's image"
        )
    return kept


def _plain_history(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("created", "created_by", "empty_layer") if key in entry}


def _dump(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def our_bytes(manifest: Manifest, fetch: Callable[[str], bytes]) -> int:
    """Compressed bytes of the layers that a checkpoint added to its base; `fetch` gives a blob by digest."""
    history = json.loads(fetch(Base.config_digest(manifest))).get("history") or ()
    count = sum(1 for each in history if each.get("created_by") == HISTORY)
    layers = json.loads(manifest.body)["layers"]
    return sum(int(each["size"]) for each in layers[len(layers) - count :])
