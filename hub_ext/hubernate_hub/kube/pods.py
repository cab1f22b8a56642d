"""Our pods, always meant by UID: reading them, and deleting them for good."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hubernate_core.errors import Conflict, InvalidInput, NotFound, Unavailable
from hubernate_core.names import (
    KUBE_GENERATION,
    KUBE_INSTANCE,
    KUBE_ROLE,
    KUBE_SERVER,
    KUBE_TENANT,
    ServerId,
    TenantId,
    label_selector,
    server_pod,
    tenant_namespace,
)
from hubernate_core.wire import Seen

from ..bell import Bell, wait
from .client import KubeApi
from .config import KubernetesBackend
from .resources import PODS, Object

NOTEBOOK = "notebook"
_ENDED = ("Succeeded", "Failed")
_LOOK_AGAIN_S = 1.0
_UNSAVED_GRACE_S = 2
"""The hold of a notebook would keep the pod for a save that nobody wants."""


@dataclass(frozen=True)
class PodName:
    """One pod and no other: a name may be used again, a UID never."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Pod:
    """One notebook's pod. `began`: its notebook container ran at least for a moment, so it may hold a person's work."""

    at: PodName
    server_id: ServerId
    generation: int
    node: str
    deleting: bool
    began: bool
    running: bool
    exit_code: int | None = None
    oom_killed: bool = False

    def seen(self) -> Seen:
        """As an agent would tell of its container."""
        return Seen(
            server_id=self.server_id,
            generation=self.generation,
            container_id=self.at.uid,
            running=self.running,
            exit_code=self.exit_code,
            oom_killed=self.oom_killed,
        )


def our_pods(instance: str) -> str:
    """The selector of every notebook pod of this installation."""
    return label_selector({KUBE_INSTANCE: instance, KUBE_ROLE: NOTEBOOK})


def read_pod(thing: Object, instance: str) -> Pod | None:
    """A pod from its object; None for one that only looks like ours: names are made of the ids in its labels."""
    metadata, status = thing.get("metadata") or {}, thing.get("status") or {}
    labels: Mapping[str, str] = metadata.get("labels") or {}
    at = PodName(str(metadata.get("namespace")), str(metadata.get("name")), str(metadata.get("uid")))
    try:
        server, generation = ServerId(labels[KUBE_SERVER]), int(labels[KUBE_GENERATION])
        wanted = tenant_namespace(instance, TenantId(labels[KUBE_TENANT])), server_pod(instance, server, generation)
    except (KeyError, ValueError, InvalidInput):
        return None
    if wanted != (at.namespace, at.name):
        return None
    state = _notebook_state(status)
    ended = state.get("terminated") or {}
    running = "running" in state and status.get("phase") not in _ENDED
    return Pod(
        at=at,
        server_id=server,
        generation=generation,
        node=str((thing.get("spec") or {}).get("nodeName") or ""),
        deleting=bool(metadata.get("deletionTimestamp")),
        began=bool(ended) or "running" in state or status.get("phase") in _ENDED,
        running=running,
        exit_code=ended.get("exitCode"),
        oom_killed=ended.get("reason") == "OOMKilled",
    )


def _notebook_state(status: Mapping[str, Any]) -> Mapping[str, Any]:
    for each in status.get("containerStatuses") or ():
        if each.get("name") == NOTEBOOK:
            state: Mapping[str, Any] = each.get("state") or {}
            return state
    return {}


def _may_hold_work(status: Mapping[str, Any]) -> bool:
    began = _notebook_state(status).keys() & {"running", "terminated"}
    return bool(began) or status.get("phase", "Pending") != "Pending"


class Pods:
    """Deleting, and knowing that it is done."""

    def __init__(self, api: KubeApi, settings: KubernetesBackend, bell: Bell) -> None:
        self._api, self._settings, self._bell = api, settings, bell

    async def is_there(self, pod: PodName) -> bool:
        """Whether the API server still has the very pod."""
        try:
            found = await self._api.get(PODS, pod.namespace, pod.name)
        except NotFound:
            return False
        return bool((found.get("metadata") or {}).get("uid") == pod.uid)

    async def begun_in(self, namespace: str) -> list[str]:
        """Names of all pods of a namespace in which anything ever ran, whoever made them and whatever their labels are.

        Raises:
            Unavailable: the API server does not answer.
        """
        found, _ = await self._api.list(PODS, namespace=namespace)
        return sorted(str(each["metadata"]["name"]) for each in found if _may_hold_work(each.get("status") or {}))

    async def remove(self, pod: PodName, *, unsaved: bool = False, lost: bool = False) -> None:
        """Delete `pod` and wait until it is gone. One that is gone already, or whose name has another pod, is fine.

        Args:
            unsaved: nothing in it is to be kept, so that nothing in it is waited for either.
            lost: its node is, so that only the object can go. The kubelet kills what is left when it is back.
        Raises:
            Unavailable: it is not gone after `delete_wait_s`, or the API server does not answer; ask again.
        """
        deadline = time.monotonic() + self._settings.delete_wait_s
        grace = 0 if lost else _UNSAVED_GRACE_S if unsaved else int(self._settings.delete_grace_s)
        with self._bell.listen(f"pod:{pod.uid}") as rung:
            with suppress(NotFound, Conflict):  # gone, or its name is another's: looked at below all the same
                await self._api.delete(PODS, pod.namespace, pod.name, uid=pod.uid, grace_s=grace)
            while await self.is_there(pod):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Unavailable(
                        f"pod {pod.namespace}/{pod.name} is being deleted and not gone yet; ask again", retry_after_s=2
                    )
                await wait(rung, min(left, _LOOK_AGAIN_S))
