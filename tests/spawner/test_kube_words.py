"""What a cluster says of a starting pod, in a person's words."""

from typing import Any

import pytest

from hubernate_core.errors import NotFound
from hubernate_spawner.kube_events import tell
from hubernate_spawner.kube_look import look
from hubernate_spawner.kube_wait import Wait
from hubernate_spawner.progress import Log
from support.tickets import ticket

IMAGE = "registry.test/t-taaaaaaaa1/u-oaaaaaaaa1@sha256:" + "a" * 64


def event(reason: str, message: str) -> dict[str, Any]:
    return {"reason": reason, "message": message}


@pytest.mark.parametrize(
    ("reason", "message", "saved", "told"),
    [
        ("Pulling", f'Pulling image "{IMAGE}"', None, "Pulling the image"),
        ("Pulling", f'Pulling image "{IMAGE}"', 212_000_000, "Pulling your environment: 212 MB over its base image"),
        (
            "Pulled",
            f'Successfully pulled image "{IMAGE}" in 3.1s. Image size: 212000000 bytes.',
            None,
            "Pulled the image: 212 MB",
        ),
        ("Pulled", f'Container image "{IMAGE}" already present on machine', 1, "The image is on the node already"),
        ("FailedScheduling", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", None,
         "Waiting for a free node: no node offers nvidia.com/gpu"),
        ("FailedAttachVolume", "Multi-Attach error for volume", None,
         "Waiting for the home volume: another node still holds it"),
        ("VolumeResizeFailed", "resize volume failed: rpc error", None,
         "Your home volume could not be enlarged; it stays as large as it is"),
    ],
)  # fmt: skip
def test_events(reason: str, message: str, saved: int | None, told: str) -> None:
    found = tell(event(reason, message), IMAGE, saved)
    assert found is not None and found[0] == told


@pytest.mark.parametrize(
    ("reason", "message"), [("Pulling", 'Pulling image "registry.test/platform/gate"'), ("Saved", "checkpoint c1")]
)
def test_what_is_not_for_a_person(reason: str, message: str) -> None:
    assert tell(event(reason, message), IMAGE) is None


def ended(last: str, code: int = 1, **metadata: str) -> dict[str, Any]:
    """A pod whose notebook ended before it answered."""
    state = {"terminated": {"exitCode": code, "reason": "Error", "message": last}}
    return {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": {
        "phase": "Failed", "containerStatuses": [{"name": "notebook", "state": state}],
    }}  # fmt: skip


@pytest.mark.parametrize("words", ["OSError: [Errno 28] No space left on device", "[Errno 122] Disk quota exceeded"])
def test_a_full_home_is_told_with_a_way_out(words: str) -> None:
    said = look(ended(f"Traceback\n{words}: '/home/jovyan/.local'")).failed
    assert "home is full" in said and "safe start needs no room" in said and words in said
    assert "home is full" not in look(ended("ImportError: no module named x")).failed


DELETED = {"deletionTimestamp": "2026-11-25T12:00:00Z"}


def test_a_pod_that_was_deleted_is_told_as_deleted_also_when_its_notebook_ended_by_that() -> None:
    assert "its pod was deleted" in look(ended("", 143, **DELETED)).failed
    assert "its pod was deleted" in look(ended("", 137, **DELETED)).failed
    assert "as when its pod is deleted" in look(ended("", 143)).failed, "a node that tells it to end marks nothing"
    assert "deleted" not in look(ended("ImportError: no module named x")).failed


class OnePod:
    """A watch and an API that may tell different things of the same pod."""

    def __init__(self, watched: dict[str, Any], stored: dict[str, Any] | None) -> None:
        self.items = {watched["metadata"]["uid"]: watched}
        self._stored = stored

    def about(self, uid: str) -> list[dict[str, Any]]:
        return []

    async def read_pod(self, namespace: str, name: str) -> dict[str, Any]:
        if self._stored is None:
            raise NotFound("gone")
        return self._stored


@pytest.mark.parametrize(
    ("mark", "told"), [(DELETED, "its pod was deleted"), (None, "somebody deleted it"), ({}, "ended with code 1 ")]
)
async def test_an_end_that_is_seen_before_the_deletion_that_led_to_it_is_told_as_the_deletion(
    mark: dict[str, str] | None, told: str
) -> None:
    name = {"uid": "u1", "namespace": "n", "name": "p"}
    watched = ended("", **name)
    both = OnePod(watched, None if mark is None else ended("", **name, **mark))
    wait = Wait(both, both, both, ticket(), Log(), 60)  # type: ignore[arg-type]
    assert told in (await wait.look(watched)).failed
