"""What must hold on a whole platform whatever was done to it: I1, I2, I7, I9 in its database, registry and engine."""

import hashlib
import sqlite3
from collections import Counter
from typing import Any

import httpx

from hubernate_core.names import GENERATION_LABEL, SERVER_LABEL

from .installation import Installation, wait_until

_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
_read_back: set[tuple[str, str]] = set()
"""Installation and blob that had the right bytes once; later only its being there is asked."""


def hold(platform: Installation) -> None:
    """Fail when a promise is broken. Waits until no operation is open: meanwhile a container may stand still."""
    wait_until("every operation is finished", lambda: not _open_operations(platform), timeout_s=180)
    _engine_is_sound(platform)
    _operations_told_the_truth(platform)
    with httpx.Client(timeout=120) as client:
        for checkpoint in _rows(platform, "SELECT * FROM checkpoints WHERE usable AND deleted_at IS NULL"):
            _is_in_the_registry(client, platform, checkpoint["repository"], checkpoint["digest"])


def _rows(platform: Installation, query: str) -> list[dict[str, Any]]:
    database = sqlite3.connect(f"file:{platform.state}/service/hubernate.sqlite?mode=ro", uri=True, timeout=20)
    database.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in database.execute(query)]
    finally:
        database.close()


def _open_operations(platform: Installation) -> bool:
    rows = _rows(platform, "SELECT server_id FROM operations WHERE finished_at IS NULL")
    assert len({row["server_id"] for row in rows}) == len(rows), f"I2: two open operations of one server: {rows}"
    return bool(rows)


def _engine_is_sound(platform: Installation) -> None:
    containers = platform.containers("notebook")
    running = Counter(each.labels[SERVER_LABEL] for each in containers if each.status == "running")
    assert all(count == 1 for count in running.values()), f"I2: two notebooks of one server: {running}"
    for role in ("notebook", "gate", "agent"):
        paused = [each.name for each in platform.containers(role) if each.status == "paused"]
        assert not paused, f"I7: containers stand still: {paused}"
    awake = {
        (row["id"], str(row["generation"])) for row in _rows(platform, "SELECT * FROM servers WHERE state != 'asleep'")
    }
    for each in containers:
        known = (each.labels[SERVER_LABEL], each.labels[GENERATION_LABEL]) in awake
        assert known or each.status != "running", f"a notebook runs that the service takes for asleep: {each.name}"


def _operations_told_the_truth(platform: Installation) -> None:
    """I9: whoever was told "saved" or "stopped" has a checkpoint of that very operation; a save for a job may have
    found that an earlier one of the same run still holds all."""
    told = _rows(
        platform,
        "SELECT o.id, o.kind, o.step, o.outcome, c.id AS checkpoint FROM operations o"
        " LEFT JOIN checkpoints c ON c.id = o.checkpoint_id AND (c.operation_id = o.id OR (o.trigger = 'job'"
        " AND o.kind = 'save' AND c.server_id = o.server_id AND c.generation = o.generation))"
        " WHERE o.outcome IN ('saved', 'stopped', 'kept')"
        " OR (o.step IN ('recorded', 'released') AND o.kind != 'discard')",
    )
    liars = [row for row in told if row["checkpoint"] is None]
    assert not liars, f"I9: told as saved without a checkpoint: {liars}"


def _is_in_the_registry(client: httpx.Client, platform: Installation, repository: str, digest: str) -> None:
    """I1: manifest, config and every layer are there and are what their digests say."""
    registry = f"http://{platform.settings['registry']}/v2/{repository}"
    manifest = client.get(f"{registry}/manifests/{digest}", headers={"Accept": _MANIFESTS})
    assert manifest.status_code == 200, f"I1: {repository}@{digest} is usable and not in the registry"
    assert _digest(manifest.content) == digest
    parts = manifest.json()
    for each in (parts["config"], *parts["layers"]):
        address, key = f"{registry}/blobs/{each['digest']}", (platform.instance, each["digest"])
        there = client.head(address)
        assert there.status_code == 200, f"I1: {repository}@{digest} lacks blob {each['digest']}"
        assert int(there.headers["Content-Length"]) == each["size"]
        if key not in _read_back and each["size"] < 200_000_000:
            assert _digest(client.get(address).content) == each["digest"]
            _read_back.add(key)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
