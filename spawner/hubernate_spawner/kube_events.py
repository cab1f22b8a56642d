"""Events about a starting pod in a person's words. Pure; what is only of interest to an admin is left out.

Source of reasons: k8s.io/kubernetes/pkg/kubelet/events/event.go, the scheduler, the attach-detach controller and the
cluster autoscaler.
"""

import re
from collections.abc import Mapping
from typing import Any

from hubernate_core.manifests.containers import GATE_VOLUME
from hubernate_core.quantity import show_bytes

from .kube_look import unschedulable

_SIZE = re.compile(r"Image size: (\d+) bytes")


def tell(event: Mapping[str, Any], image: str, saved_bytes: int | None = None) -> tuple[str, int] | None:
    """A sentence and the percent of the start that it stands for; None for what need not be told.

    Args:
        event: as the API has it.
        image: the notebook's; pulling the gate's is not worth a word.
        saved_bytes: compressed size of what a checkpoint holds over its base image; None for a clean start.
    """
    reason, message = str(event.get("reason") or ""), str(event.get("message") or "")
    if reason in ("Pulling", "Pulled"):
        return _pull(reason, message, saved_bytes) if image in message else None
    if reason == "FailedScheduling":
        return unschedulable(message), 15
    if reason == "Scheduled":
        return "A node was found", 20
    if reason == "TriggeredScaleUp":
        return "The cluster is getting another node; this takes minutes", 15
    if reason in ("FailedAttachVolume", "FailedMount"):
        return _volume(message)
    if reason == "VolumeResizeFailed":
        return "Your home volume could not be enlarged; it stays as large as it is", 25
    if reason == "SuccessfulAttachVolume":
        return "The home volume is attached", 28
    return None


def _pull(reason: str, message: str, saved_bytes: int | None) -> tuple[str, int]:
    if reason == "Pulling":
        # How much of the base image the node has already, only the node knows.
        what = (
            "the image" if saved_bytes is None else f"your environment: {show_bytes(saved_bytes)} over its base image"
        )
        return f"Pulling {what}", 30
    if "already present" in message:
        return "The image is on the node already", 60
    size = _SIZE.search(message)
    return (f"Pulled the image: {show_bytes(int(size[1]))}" if size else "Pulled the image"), 60


def _volume(message: str) -> tuple[str, int] | None:
    if f'"{GATE_VOLUME}"' in message:
        return None  # the Secret is made right after the pod; the kubelet asks again
    if "Multi-Attach" in message:
        return "Waiting for the home volume: another node still holds it", 25
    return "Waiting for the home volume", 25
