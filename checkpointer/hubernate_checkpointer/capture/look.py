"""What can be seen of a Kubernetes node's containerd: whether what runs here could be saved. Nothing is changed."""

import os
from pathlib import Path

from hubernate_core.errors import HubernateError

from . import overlay
from .containerd_api import snapshots_pb2
from .containerd_api.containers_pb2 import ListContainersRequest, ListContainersResponse
from .grpc_client import GrpcClient

_CONTAINERS = "/containerd.services.containers.v1.Containers/List"
_MOUNTS = "/containerd.services.snapshots.v1.Snapshots/Mounts"
_OF_PODS = 'labels."io.cri-containerd.kind"==container'


def snapshotters(socket: str, host_root: str) -> tuple[list[str], str]:
    """Snapshotters of this node's pods, and what keeps their changes from being read (empty: nothing).

    Raises:
        Unavailable: containerd does not answer.
    """
    client = GrpcClient(socket)
    try:
        found = client.ask(_CONTAINERS, ListContainersRequest(filters=[_OF_PODS]), ListContainersResponse).containers
        for record in found:  # the agent's own is among them; others may end while we look
            request = snapshots_pb2.SnapshotRequest(snapshotter=record.snapshotter, key=record.snapshot_key)
            try:
                mounts = client.ask(_MOUNTS, request, snapshots_pb2.MountsResponse).mounts
                upper, _ = overlay.directories(mounts[0].type, mounts[0].options)
            except (HubernateError, IndexError):
                continue
            return _names(found), "" if Path(f"{host_root}{upper}").is_dir() else _hidden(upper)
        return _names(found), "" if not found else "no container's changes are kept as an overlay"
    finally:
        client.close()


def cgroup_problem(root: Path) -> str:
    """Why the node's control groups cannot be written to; empty: they can."""
    folder = root / "freezer" if (root / "freezer").is_dir() else root
    if not (folder / "cgroup.procs").exists():
        return f"{folder} shows no control groups"
    return f"{folder} is read-only" if os.statvfs(folder).f_flag & os.ST_RDONLY else ""


def _names(found: object) -> list[str]:
    return sorted({str(each.snapshotter) for each in found})  # type: ignore[attr-defined]


def _hidden(upper: str) -> str:
    return f"containerd keeps changes in {upper}, which the agent's pod does not see at that path"
