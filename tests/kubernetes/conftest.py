"""Tests that use `platform` need a real cluster; without one they are skipped and the summary says so."""

from collections.abc import Iterator

import pytest

from support.cluster import NO_CLUSTER, Cluster, find_cluster
from support.cluster_platform import Platform, platform_on


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster that KUBECONFIG names."""
    found = find_cluster()
    if found is None:
        pytest.skip(NO_CLUSTER)
    return found


@pytest.fixture(scope="session")
def platform(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The whole platform on it, in namespaces of its own."""
    with platform_on(cluster, tmp_path_factory.mktemp("kubernetes")) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it where nobody overlooks it: a green run without a cluster has tried nothing on one."""
    if find_cluster() is None:
        terminalreporter.write_sep("!", "NOT TRIED ON A REAL CLUSTER", yellow=True, bold=True)
        terminalreporter.write_line(NO_CLUSTER)
