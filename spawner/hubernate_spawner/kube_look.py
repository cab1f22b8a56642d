"""What a pod's status means: for a start that waits, for `poll`, and in words for the person. Pure.

Sources: core/v1 PodStatus; reasons of k8s.io/kubernetes pkg/kubelet/images/types.go and
pkg/kubelet/container/sync_result.go; the scheduler's FailedScheduling messages.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hubernate_core.errors import shorten
from hubernate_core.gate_file import GATE_PORT
from hubernate_core.manifests.containers import GATE, NOTEBOOK

Json = Mapping[str, Any]
_IMAGE_TROUBLE = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ErrImageNeverPull"})
_HOPELESS = frozenset({"InvalidImageName", "SignatureValidationFailed"})
_OTHER_TROUBLE = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreStartHookError"})  # fmt: skip # noqa: E501
_NOT_THERE = ("not found", "manifest unknown", "notfound", "does not exist")
_INSUFFICIENT = re.compile(r"Insufficient ([A-Za-z0-9./-]+[A-Za-z0-9])")
_NO_ROOM = ("No space left on device", "Disk quota exceeded")
_TOLD_TO_END = 128 + 15
"""The code of what SIGTERM ended."""
_CLAIM_GONE = re.compile(r'persistentvolumeclaim "[^"]*" not found')


@dataclass(frozen=True)
class Look:
    """A pod that is starting, as it is now."""

    message: str
    """what it waits for, for the person"""
    percent: int
    node: str = ""
    url: str = ""
    """where the gate is reached, once it and the notebook run"""
    gated: bool = False
    """a queue holds it; such waiting is not counted"""
    claim_gone: bool = False
    trouble: str = ""
    """something that may pass by itself, but should not last"""
    failed: str = ""
    """why it will never answer"""
    image_missing: bool = False
    """with `failed`: the registry has not the notebook's image"""


def look(pod: Json) -> Look:
    """What a start that waits for `pod` should know."""
    status, node = pod.get("status") or {}, str((pod.get("spec") or {}).get("nodeName") or "")
    if ended := _why_ended(pod):
        return Look("", 0, node, failed=ended)
    gate, notebook = _state(status, GATE), _state(status, NOTEBOOK)
    for name, state in ((GATE, gate), (NOTEBOOK, notebook)):
        if (found := _trouble(name, state, node)) is not None:
            return found
    if not node:
        return _unscheduled(status)
    address = str(status.get("podIP") or "")
    if "running" in gate and "running" in notebook and address:
        return Look("Waiting for JupyterLab to answer", 75, node, url=_url(address))
    return Look("Preparing the node", 25, node)


def url_of(pod: Json) -> str:
    """Where the gate is reached; empty while the pod has no address."""
    address = str((pod.get("status") or {}).get("podIP") or "")
    return _url(address) if address else ""


def exit_code(pod: Json) -> int | None:
    """None while the notebook runs or is to run; its exit code, or 1 where there is none (evicted, refused by a node).

    A pod that is being deleted runs on as long as its notebook does: it is held until it is saved. A node that is not
    heard of ends nothing.
    """
    status = pod.get("status") or {}
    ended = _state(status, NOTEBOOK).get("terminated")
    if ended is not None:
        return int(ended.get("exitCode", 1))
    return 1 if status.get("phase") in ("Failed", "Succeeded") else None


def unschedulable(message: str) -> str:
    """The scheduler's "0/3 nodes are available: …" in a person's words."""
    lacking = list(dict.fromkeys(_INSUFFICIENT.findall(message)))
    devices = [each for each in lacking if "/" in each]
    if devices:
        return f"Waiting for a free node: no node offers {' and '.join(devices)}"
    if "unbound immediate PersistentVolumeClaims" in message or _CLAIM_GONE.search(message):
        return "Waiting for the home volume"
    if "volume node affinity conflict" in message or "available persistent volumes to bind" in message:
        return "Waiting for a node that can hold the home volume"
    if lacking:
        return f"Waiting for a free node: not enough {' and '.join(each.replace('-', ' ') for each in lacking)}"
    if "untolerated taint" in message or "didn't match" in message:
        return "Waiting for a free node: those there are for something else"
    return "Waiting for a free node"


def _why_ended(pod: Json) -> str:
    """Why a starting pod will never be ready; empty while it may."""
    status = pod.get("status") or {}
    if (pod.get("metadata") or {}).get("deletionTimestamp"):  # first: that is why its containers end, too
        return "its pod was deleted before it was ready, by an admin, a drain or the cluster itself. Start it again"
    ended = _state(status, NOTEBOOK).get("terminated")
    if ended is not None:
        code = ended.get("exitCode")
        why = "ran out of memory" if ended.get("reason") == "OOMKilled" else f"ended with code {code}"
        told = " Something told it to end, as when its pod is deleted." if code == _TOLD_TO_END else ""
        return f"the notebook {why} before it answered.{told} {_last_lines(ended)}"
    if status.get("phase") in ("Failed", "Succeeded"):
        said = shorten(str(status.get("message") or status.get("reason") or "no reason given"), 300)
        return f"the node gave its pod up before it was ready: {said}. Start it again"
    return ""


def _trouble(name: str, state: Json, node: str) -> Look | None:
    waiting = state.get("waiting") or {}
    reason, said = str(waiting.get("reason") or ""), shorten(str(waiting.get("message") or ""), 300)
    if reason == "CrashLoopBackOff":
        ended = (state.get("before") or {}).get("terminated") or {}
        return Look("", 0, node, failed=f"the {name} ended with code {ended.get('exitCode')}. {_last_lines(ended)}")
    if reason in _HOPELESS or (reason in _IMAGE_TROUBLE and any(word in said.lower() for word in _NOT_THERE)):
        missing = name == NOTEBOOK and reason not in _HOPELESS
        return Look("", 0, node, failed=f"the {name}'s image cannot be had: {reason}: {said}", image_missing=missing)
    if reason in _IMAGE_TROUBLE:
        told = "Pulling the image failed; trying again"
        return Look(told, 30, node, trouble=f"the {name}'s image could not be pulled: {said or reason}")
    if reason in _OTHER_TROUBLE:
        return Look("Preparing the node", 25, node, trouble=f"the {name} could not be started: {said or reason}")
    return None


def _unscheduled(status: Json) -> Look:
    conditions: list[Json] = [each for each in status.get("conditions") or () if each.get("type") == "PodScheduled"]
    condition: Json = conditions[0] if conditions else {}
    message = str(condition.get("message") or "")
    if condition.get("reason") == "SchedulingGated":
        return Look("Waiting in the cluster's queue; this has no time limit", 12, gated=True)
    if condition.get("reason") == "Unschedulable":
        return Look(unschedulable(message), 15, claim_gone=_CLAIM_GONE.search(message) is not None)
    return Look("Looking for a node", 12)


def _state(status: Json, container: str) -> dict[str, Any]:
    """A container's state, with its last one under ``before``; empty while there is none."""
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if each.get("name") == container:
            return {**(each.get("state") or {}), "before": each.get("lastState") or {}}
    return {}


def _last_lines(ended: Json) -> str:
    lines = " / ".join(shorten(line, 200) for line in str(ended.get("message") or "").splitlines()[-5:])
    advice = "Nothing saved was touched. A safe start, an earlier checkpoint or a clean start may help."
    if any(word in lines for word in _NO_ROOM):
        advice = (
            "Its disk or your home is full. Nothing saved was touched. A safe start needs no room at home: delete files"
            " there, or ask your team's admin for larger homes."
        )
    return f"{advice} Its last lines: {lines or '(none)'}"


def _url(address: str) -> str:
    host = f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    return f"http://{host}:{GATE_PORT}"
