"""What becomes of an operation, as Events about its pod: for people who look with kubectl. Nothing reads them back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from .. import names
from ..errors import shorten
from ..operation import Kind, Operation, Step
from .objects import JsonObject, make_object

_BEGUN = {Kind.SAVE: "Saving", Kind.STOP: "Stopping", Kind.DISCARD: "Discarding"}
_MESSAGE_MAX = 1000
"""The API server takes 1024 bytes."""


@dataclass(frozen=True)
class PodRef:
    """The pod that an Event is about."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class _Said:
    reason: str
    message: str
    when: datetime
    kind: str = "Normal"


def make_events(operation: Operation, pod: PodRef, labels: Mapping[str, str]) -> Iterator[JsonObject]:
    """Everything that can be said of `operation` by now, oldest first.

    An Event's name is made of the operation and of what it says, so that one that is made twice is a conflict and not
    a second one.
    """
    for said in _said(operation):
        shown: dict[str, str] = {names.SHOW_OPERATION: operation.id}
        if said.reason == "Saved" and operation.checkpoint_id is not None:
            shown[names.SHOW_CHECKPOINT] = operation.checkpoint_id
        name = f"{pod.name}.{operation.id}.{said.reason.lower()}"
        stamp = f"{said.when:%Y-%m-%dT%H:%M:%SZ}"
        yield make_object("v1", "Event", name, pod.namespace, labels, shown) | {
            "involvedObject": {"apiVersion": "v1", "kind": "Pod"} | vars(pod),
            "type": said.kind,
            "reason": said.reason,
            "message": shorten(said.message, _MESSAGE_MAX),
            "source": {"component": "hubernate"},
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }


def _said(operation: Operation) -> Iterator[_Said]:
    begun = _BEGUN[operation.kind]
    yield _Said(begun, f"{begun.lower()} ({operation.trigger}), operation {operation.id}", operation.requested_at)
    when = operation.finished_at or operation.updated_at
    if operation.checkpoint_id is not None:
        yield _Said("Saved", f"checkpoint {operation.checkpoint_id} recorded by operation {operation.id}", when)
    if operation.step is Step.FAILED:
        why = operation.reason or "no reason given"
        yield _Said("SaveFailed", f"operation {operation.id} failed, nothing was removed by it: {why}", when, "Warning")
