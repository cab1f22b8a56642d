"""Finding our notebooks among a node's containers, by the labels that the kubelet and CRI give them.

A pod's own labels are on its sandbox alone, where no image can add to them; a container is known by its pod's UID and
its name. Source: containerd, internal/cri/labels and internal/cri/util (BuildLabels).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hubernate_core.errors import Broken
from hubernate_core.names import KUBE_INSTANCE, KUBE_PREFIX, LABEL_PREFIX

from .containerd_api.containers_pb2 import ListContainersRequest, ListContainersResponse
from .grpc_client import GrpcClient

_KIND = "io.cri-containerd.kind"
_UID = "io.kubernetes.pod.uid"
_NAME = "io.kubernetes.container.name"
_NOTEBOOK = "notebook"
_UID_FORM = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Notebook:
    """The notebook container of one pod. `runtime_id` is containerd's id of it; `labels` are the pod's, as ours."""

    uid: str
    runtime_id: str
    labels: Mapping[str, str]
    record: Any
    """containerd's own record of it (containers.proto)."""


def is_uid(text: str) -> bool:
    """Whether `text` is a pod's UID; nothing else enters a filter or a path."""
    return bool(_UID_FORM.fullmatch(text))


def find_notebook(client: GrpcClient, uid: str) -> Notebook | None:
    """The notebook of the pod with `uid`, None when there is none.

    Raises:
        Broken: the pod ran more than one, so that nobody can say which holds the user's changes.
    """
    if not is_uid(uid):
        return None
    records = _list(client, {_UID: uid})
    sandboxes = [each for each in records if each.labels.get(_KIND) == "sandbox"]
    notebooks = [each for each in records if _is_notebook(each)]
    if not sandboxes or not notebooks:
        return None
    if len(notebooks) > 1:
        raise Broken(
            f"pod {uid} ran its notebook {len(notebooks)} times, so it is not certain which one holds the changes; "
            "nothing was touched. Its restartPolicy must be Never"
        )
    return _make(notebooks[0], sandboxes[-1].labels)


def find_notebooks(client: GrpcClient, instance: str) -> list[Notebook]:
    """The notebook of every pod of our installation; of a pod that ran more than one, any."""
    labels = {each.labels.get(_UID): each.labels for each in _list(client, {_KIND: "sandbox", KUBE_INSTANCE: instance})}
    records = _list(client, {_KIND: "container", _NAME: _NOTEBOOK}) if labels else ()
    found = {each.labels[_UID]: each for each in records if each.labels.get(_UID) in labels}
    return [_make(each, labels[uid]) for uid, each in found.items() if is_uid(uid)]


def _is_notebook(record: Any) -> bool:
    return bool(record.labels.get(_KIND) == "container" and record.labels.get(_NAME) == _NOTEBOOK)


def _make(record: Any, pod_labels: Mapping[str, str]) -> Notebook:
    prefix = f"{KUBE_PREFIX}/"
    ours = {
        f"{LABEL_PREFIX}.{name.removeprefix(prefix)}": value
        for name, value in pod_labels.items()
        if name.startswith(prefix)
    }
    return Notebook(record.labels[_UID], record.id, ours, record)


def _list(client: GrpcClient, labels: Mapping[str, str]) -> Iterable[Any]:
    wanted = ",".join(f'labels."{name}"=="{value}"' for name, value in labels.items())
    request = ListContainersRequest(filters=[wanted])
    method = "/containerd.services.containers.v1.Containers/List"
    return client.ask(method, request, ListContainersResponse).containers  # type: ignore[no-any-return]
