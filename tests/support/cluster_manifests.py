"""The rendered overlay, changed so that it can stand beside another installation on the same cluster. Pure."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from support.cluster import NodePlaces

Json = dict[str, Any]
_OURS = "hubernate"
_OF_THE_CLUSTER = (
    "ClusterRole",
    "ClusterRoleBinding",
    "PriorityClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)


def renamed(documents: Iterable[Json], namespace: str) -> list[Json]:
    """`documents` in `namespace`, with every name of the whole cluster beginning with it instead of ``hubernate``."""
    documents = list(documents)
    names = {each["metadata"]["name"] for each in documents if each["kind"] in _OF_THE_CLUSTER}
    new = {name: namespace + name.removeprefix(_OURS) for name in names if name.startswith(_OURS)}
    changed: list[Json] = [_replace(each, new, namespace) for each in documents]
    for each in changed:
        if each["kind"] == "Namespace":
            each["metadata"]["name"] = namespace
    return changed


def _replace(value: Any, new: dict[str, str], namespace: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _replace(each, new, namespace, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_replace(each, new, namespace) for each in value]
    if isinstance(value, str):
        if key == "namespace" and value == _OURS:
            return namespace
        return new.get(value, value).replace(f"system:serviceaccount:{_OURS}:", f"system:serviceaccount:{namespace}:")
    return value


def agent_per_node(documents: Iterable[Json], nodes: Sequence[NodePlaces], state: str) -> list[Json]:
    """`documents` with a DaemonSet of the agent for each node, at that node's own paths; its state below `state`.

    Several kubelets on one machine share its file system, so their agents must not share folders.
    """
    result: list[Json] = []
    for each in documents:
        if each["kind"] != "DaemonSet":
            result.append(each)
            continue
        for node in nodes:
            result.append(_agent_on(copy.deepcopy(each), node, f"{state}/{node.name}"))
    return result


def _agent_on(agent: Json, node: NodePlaces, state: str) -> Json:
    name = f"agent-{node.name}"
    agent["metadata"]["name"] = name
    label = {"agent-of": node.name}
    agent["spec"]["selector"]["matchLabels"] |= label
    agent["spec"]["template"]["metadata"]["labels"] |= label
    pod = agent["spec"]["template"]["spec"]
    pod["nodeSelector"] = {"kubernetes.io/hostname": node.name}
    container = pod["containers"][0]
    socket_folder = node.socket.rpartition("/")[0]
    container["args"] += [
        f"--CheckpointAgent.containerd_socket={node.socket}",
        f"--CheckpointAgent.kubelet_dir={node.kubelet}",
    ]
    places = {
        "containerd-run": socket_folder,
        "containerd": node.containerd,
        "pods": f"{node.kubelet}/pods",
        "state": state,
    }
    for volume in pod["volumes"]:
        if volume["name"] in places:
            volume["hostPath"]["path"] = places[volume["name"]]
    for mount in container["volumeMounts"]:
        if mount["name"] in places and mount["name"] != "state":
            mount["mountPath"] = places[mount["name"]]
    return agent
