"""An overlay's files that name images: written by `hubernate images push`, read by kustomize."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubernate_core.errors import InvalidInput
from hubernate_core.image_ref import parse_image
from hubernate_core.manifests.admission import AdmissionSpec, make_admission
from hubernate_core.platform_file import Platform

from ..images.catalogue import TEXTS, merge, read_catalogue
from ..layout import Layout, read_platform, write, write_json

IN_PODS = ("agent", "hub", "service")
"""Images that a manifest names; the gate is named to the spawner, profiles stand in the catalogue."""
PLATFORM = (*IN_PODS, "gate")
_HEAD = "# Written by `hubernate images push`; changes are lost.\n"


@dataclass(frozen=True)
class Overlay:
    """A folder below ``overlays/``. Its JSON files are those of a state folder."""

    folder: Path

    def platform(self) -> Platform:
        """Its ``platform.json``.

        Raises:
            InvalidInput: the folder has none, so it is no overlay.
            Broken: it cannot be read.
        """
        found = read_platform(Layout(self.folder))
        if found is None:
            raise InvalidInput("overlay", f"{self.folder} holds no platform.json, so it is no overlay of this platform")
        return found

    def name_images(self, registry: str, images: Mapping[str, str]) -> bool:
        """Have the overlay use `images`; what an admin wrote beside them stays.

        Args:
            registry: as the nodes call it.
            images: name → registry/repository@digest, of `PLATFORM` and of profiles.

        Returns:
            whether anything changed.

        Raises:
            InvalidInput: no overlay, or a malformed reference.
        """
        before = self.platform()
        layout = Layout(self.folder)
        profiles = {name: image for name, image in images.items() if name in TEXTS}
        written = json.loads(layout.platform.read_text())
        written |= {"registry": registry, "images": {**written["images"], "gate": images["gate"]}}
        return any(
            [
                write_json(layout.platform, written),
                write_json(layout.profiles, merge(read_catalogue(layout), profiles)),
                write(self.folder / "images" / "kustomization.yaml", _kustomization(images)),
                write(self.folder / "images" / "admission.yaml", _admission(before, registry)),
            ]
        )


def _kustomization(images: Mapping[str, str]) -> str:
    entries = []
    for name in IN_PODS:
        found = parse_image(images[name], name, need_digest=True)
        entries.append(
            f"  - {{name: hubernate/{name}, newName: {found.registry}/{found.repository}, digest: '{found.digest}'}}\n"
        )
    head = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [admission.yaml]\nimages:\n"
    return _HEAD + head + "".join(entries)


def _admission(platform: Platform, registry: str) -> str:
    """The policy that keeps tenants to the platform's images and their own."""
    cluster = platform.kubernetes
    own = cluster.image_repositories if cluster else ()
    repositories = (f"{registry}/hubernate/gate", f"{registry}/profiles", *own)
    made: tuple[dict[str, Any], ...] = make_admission(AdmissionSpec(platform.instance, registry, repositories))
    return _HEAD + "---\n".join(json.dumps(each, indent=2) + "\n" for each in made)
