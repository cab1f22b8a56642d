"""An overlay for a test's platform: a copy of config/kubernetes, what a test changes, and the images of this tree."""

import json
import os
import shutil
import socket
import sys
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker

from hubernate_core.names import profile_repository
from hubernate_machine import mirrors, proxy
from hubernate_machine.images.build import ensure_images
from hubernate_machine.images.catalogue import push_to
from hubernate_machine.kubernetes.overlay import PLATFORM, Overlay
from support import impatient
from support.cluster import REGISTRY
from support.installation import ROOT

_SERVICE = f"""\
{impatient.SERVICE}
c.KubernetesBackend.not_ready_after_s = 10
c.KubernetesBackend.tenants_every_s = 10
"""
_CA = "ca-bundle.crt"
_HUB = "c.Gate.activity_interval_s = 1\nc.JupyterHub.named_server_limit_per_user = 40\n"
_OVERLAY = {
    "resources": ["../../base"],
    "configMapGenerator": [
        {"name": "platform", "namespace": "hubernate", "files": ["platform.json", "service.py", "hub.py", _CA]},
        {
            "name": "catalogue",
            "namespace": "hubernate",
            "files": ["profiles.json", "tenants.json"],
            "options": {"disableNameSuffixHash": True},
        },
    ],
}
DEVICE = "example.com/gpu"
"""An extended resource that no node offers unless a test says so."""
_TENANT = {"quota": {"servers": 20, "devices": {DEVICE: 1}}}
# Small enough for many of them on a test's machine.
_SMALL = {"cpu_guarantee": "20m", "memory_guarantee": "128Mi", "disk_guarantee": "64Mi"}
_PROFILES: list[dict[str, Any]] = [
    {
        "name": name,
        "title": title,
        "image": f"{REGISTRY}/profiles/base@sha256:{'0' * 64}",
        "resources": {"cpu": "1", "memory": "1Gi"},
        "kubernetes": _SMALL | more,
    }
    for name, title, more in (("base", "Python", {}), ("device", "With a device", {"devices": {DEVICE: 1}}))
]


@dataclass(frozen=True)
class Beside:
    """What stands beside the cluster. `registry`: as nodes and this machine's engine call it; `certificate`: PEM."""

    registry: str
    registry_url: str
    certificate: str = ""
    components: tuple[str, ...] = ()


def this_machines_mirrors() -> mirrors.Found:
    """What pip, npm and apt of this machine use."""
    return mirrors.ask_machine(os.environ, [sys.executable, "-m", "pip"], proxy.npm())


def mirrors_of(found: mirrors.Found, bundle: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """``mirrors`` of platform.json, and the destinations that open a package index which is no public address."""
    env = mirrors.for_notebooks(found, "127.0.0.1,localhost").env
    made = {"env": env, "ca_bundle": f"/state/config/{_CA}" if bundle else None}
    if not found.pip_index:  # the public one: a public address, which needs no opening
        return made, []
    index = urlsplit(found.pip_index)
    port = index.port or (443 if index.scheme == "https" else 80)
    try:
        listed = {ip_address(each[4][0]) for each in socket.getaddrinfo(index.hostname, port, type=socket.SOCK_STREAM)}
    except OSError:
        listed = set()
    opened = [
        {"network": str(ip_network(each)), "ports": [port]} for each in sorted(listed, key=str) if not each.is_global
    ]
    return made, opened


def push_images(overlay: Path, found: mirrors.Found, registry: str) -> None:
    """Build what is missing, push it, and have `overlay` use it."""
    client = docker.from_env(timeout=600)
    tags, _ = ensure_images(client, (*PLATFORM, "base"), ROOT, found)
    images = {
        name: f"{registry}/{push_to(client, tags[name], registry, where)}"
        for name in (*PLATFORM, "base")
        for where in [profile_repository(name) if name == "base" else f"hubernate/{name}"]
    }
    Overlay(overlay).name_images(registry, images)
    catalogue = overlay / "profiles.json"
    profiles = json.loads(catalogue.read_text())
    catalogue.write_text(json.dumps([each | {"image": profiles[0]["image"]} for each in profiles]))


def write_overlay(
    folder: Path, instance: str, public_url: str, beside: Beside, found: mirrors.Found, changes: dict[str, Any]
) -> Path:
    """A copy of config/kubernetes with an overlay of this test's."""
    shutil.copytree(ROOT / "config" / "kubernetes", folder, dirs_exist_ok=True)
    overlay = folder / "overlays" / "test"
    (overlay / "images").mkdir(parents=True)
    bundle = (found.ca_bundle.read_text() if found.ca_bundle else "") + beside.certificate
    own_mirrors, destinations = mirrors_of(found, bundle)
    description = {
        "instance": instance,
        "node": "",
        "public_url": public_url,
        "registry": beside.registry,
        "registry_url": beside.registry_url,
        "images": {"gate": ""},
        "mirrors": own_mirrors,
        "kubernetes": {
            "namespace": instance,
            "save_grace_s": 120,
            "gate_cpu": "100m",
            "destinations": destinations,
        }
        | changes,
    }
    tenants = [{"name": name, "title": name.title()} | _TENANT for name in ("research", "analytics")]
    files = {
        "kustomization.yaml": json.dumps(_OVERLAY | {"components": [*beside.components, "images"]}),
        "platform.json": json.dumps(description),
        "tenants.json": json.dumps(tenants),
        "profiles.json": json.dumps(_PROFILES),
        "service.py": _SERVICE,
        "hub.py": _HUB,
        # There may be none: an empty file is not mounted anywhere.
        _CA: bundle,
    }
    for name, text in files.items():
        (overlay / name).write_text(text)
    return overlay
