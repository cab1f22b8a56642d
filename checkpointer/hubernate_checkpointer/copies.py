"""Images made to appear in another repository of the same registry: blobs are mounted, nothing is pushed again."""

import json
import logging
from collections.abc import Sequence

from hubernate_core.errors import HubernateError, Unavailable
from hubernate_core.wire import Copied, Copy

from .registry import Registry

_TAG = "offered"
"""Some registries collect manifests without a tag."""
_log = logging.getLogger(__name__)


def carry_out(registry: Registry, copies: Sequence[Copy]) -> tuple[Copied, ...]:
    """Every copy with what became of it; doing one again changes nothing."""
    return tuple(_carry_out(registry, each) for each in copies)


def _carry_out(registry: Registry, copy: Copy) -> Copied:
    source, _, digest = copy.source.partition("@")
    reference = f"{copy.repository}@{digest}"
    try:
        _copy(registry, source, digest, copy.repository)
    except HubernateError as problem:
        _log.warning("cannot copy image", extra={"image": copy.source, "to": reference, "problem": problem.message})
        return Copied(reference=reference, problem=problem.message[:500])
    return Copied(reference=reference)


def _copy(registry: Registry, source: str, digest: str, target: str) -> None:
    """Raises as `Registry`, and Unavailable when the registry would not mount a blob."""
    manifest = registry.manifest(source, digest)
    found = json.loads(manifest.body)
    for blob in (found["config"], *found["layers"]):
        if registry.blob_size(target, blob["digest"]) is None and not registry.mount(target, blob["digest"], source):
            raise Unavailable(f"the registry does not mount blobs of {source} in {target}; give its login both")
    registry.put_manifest(target, digest, manifest)
    registry.put_manifest(target, _TAG, manifest)
    if registry.manifest(target, digest).body != manifest.body:
        raise Unavailable(f"the registry took the manifest of {target} and does not have it")
