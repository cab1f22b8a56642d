"""The platform service on a cluster: a real one where KUBECONFIG points to it, otherwise the fake."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubernate_hub.kube.config import KubernetesBackend
from support.kube_platform import Admin, Platform, on_cluster, real_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[tuple[Admin, KubernetesBackend]]:
    """An administrator, and how the service reaches the cluster."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("no KUBECONFIG and the fake API server is not there yet")
    with real_cluster() as found:
        yield found


@pytest.fixture
def platform(tmp_path: Path, cluster: tuple[Admin, KubernetesBackend]) -> Iterator[Platform]:
    """A service with its loops."""
    with on_cluster(tmp_path, *cluster) as found:
        yield found
