"""Saved images made ready on this node, so that a resume starts at once: bounded, the least recently wanted go
first."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Lock

from hubernate_core.errors import HubernateError

from . import durable
from .capture.engine import Engine
from .image import our_bytes
from .registry import Registry

_log = logging.getLogger(__name__)


class ImageCache:
    """Local copies of saved images of one registry. Images that it did not pull itself are never touched.

    Args:
        registry_name: how images name the registry.
        limit: compressed bytes of saved layers to keep; 0 keeps none.
    """

    def __init__(self, engine: Engine, registry: Registry, registry_name: str, folder: Path, limit: int) -> None:
        self._engine = engine
        self._registry = registry
        self._name = registry_name
        self._file = folder / "cache.json"
        self._limit = limit
        self._lock = Lock()
        self._sizes: dict[str, int] = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._here: tuple[str, ...] = ()

    @property
    def ready(self) -> tuple[str, ...]:
        """``repository@digest`` of what is ready, as of the last look."""
        return self._here

    def prepare(self, wanted: Sequence[str], stop: Event) -> None:
        """Pull what is wanted and missing, most wanted first, and let go what no longer fits."""
        local = self._engine.local_images(self._name)
        for reference in wanted:
            if stop.is_set():
                return
            try:
                self._touch(reference, local)
            except HubernateError as problem:
                _log.warning("cannot make image ready", extra={"image": reference, "problem": problem.message})
        self._shrink(local)
        local = self._engine.local_images(self._name)
        with self._lock:
            self._sizes = {each: size for each, size in self._sizes.items() if each in local}
            durable.write_json(self._file, self._sizes)
            self._here = tuple(self._sizes)

    def _touch(self, reference: str, local: dict[str, str]) -> None:
        """Pull unless it is here, and make it the most recently wanted."""
        repository, _, digest = reference.partition("@")
        size = self._sizes.get(reference)
        if size is None:
            manifest = self._registry.manifest(repository, digest)
            size = our_bytes(manifest, lambda config: self._registry.blob(repository, config))
        if size > self._limit:
            return
        if reference not in local:
            self._engine.pull(self._name, repository, digest)
        with self._lock:
            self._sizes.pop(reference, None)
            self._sizes[reference] = size

    def _shrink(self, local: dict[str, str]) -> None:
        used = self._engine.used_images()
        total = sum(self._sizes.values())
        for reference in list(self._sizes):
            if total <= self._limit:
                return
            if local.get(reference) not in used:
                self._drop(reference)
                total -= self._sizes.pop(reference, 0)

    def forget(self, references: Sequence[str]) -> tuple[str, ...]:
        """Delete manifests in the registry and their local copies; those that are gone now."""
        done = []
        for reference in references:
            repository, _, digest = reference.partition("@")
            try:
                self._registry.delete_manifest(repository, digest)
            except HubernateError as problem:
                _log.warning("cannot delete image", extra={"image": reference, "problem": problem.message})
                continue
            if reference in self._sizes:
                self._drop(reference)
                self._sizes.pop(reference, None)
            done.append(reference)
        return tuple(done)

    def look_for(self, references: Sequence[str]) -> dict[str, bool]:
        """Whether the registry has each; those of which it does not say so are left out."""
        found: dict[str, bool] = {}
        for reference in references:
            repository, _, digest = reference.partition("@")
            try:
                found[reference] = self._registry.has_manifest(repository, digest)
            except HubernateError as problem:
                _log.warning("cannot look for image", extra={"image": reference, "problem": problem.message})
        return found

    def _drop(self, reference: str) -> None:
        try:
            self._engine.forget_image(self._name, reference)
        except HubernateError as problem:  # a container still uses it: it goes the next time
            _log.info("image stays for now", extra={"image": reference, "problem": problem.message})
