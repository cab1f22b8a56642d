"""The platform service on a cluster: a real one where KUBECONFIG points to it, otherwise the fake."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.kube_platform import Cluster, Platform, fake_cluster, on_cluster, the_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One for all tests; each has an installation of its own on it."""
    with the_cluster() as found:
        yield found


@pytest.fixture
def platform(tmp_path: Path, cluster: Cluster) -> Iterator[Platform]:
    """A service with its loops."""
    with on_cluster(tmp_path, cluster) as found:
        yield found


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[Platform]:
    """A service on a fake of its own, also where there is a real cluster: nobody breaks that one's API server."""
    with fake_cluster() as found, on_cluster(tmp_path, found) as platform:
        yield platform
