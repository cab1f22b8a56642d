"""The cluster's side of the benchmarks on the fake API server: gates that answer, and configuration files for hubs."""

import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from kube_hub import Ours, Stock
from support.fake_kube.server import FakeKube
from support.kube_platform import Cluster, Platform, fake_cluster, on_cluster
from support.kube_tenant import GATE_IMAGE, IMAGE, STORAGE_CLASS, Gates
from support.platform_service import SPAWNER_TOKEN, eventually

HUB = "system:serviceaccount:{}:hub"
"""Who our hub is for the API server. The stock hub is the administrator: it has to make namespaces."""
STOCK_HUB = "kubernetes-admin"


class AnyGates(Gates):
    """Answers for the stock spawner's servers too, which have no gate."""

    def fingerprint(self, namespace: str, name: str) -> str:
        """As `Gates`; a server without a gate answers as soon as it runs."""
        return super().fingerprint(namespace, name) or ("none" if name.startswith("jupyter-") else "")


def stock_hub(kube: FakeKube, folder: Path) -> Stock:
    """A hub with KubeSpawner."""
    return Stock(str(kube.kubeconfig(folder / "stock.yaml")), IMAGE)


@contextmanager
def platform(tenants: int, **settings: Any) -> Iterator[tuple[Platform, FakeKube, Ours, Stock]]:
    """The real platform service with `tenants` teams (``team-0``…), its cluster, our hub and a stock one.

    Args:
        settings: values of `HubernateService`.
    """
    logging.disable(logging.ERROR)
    teams: list[dict[str, Any]] = [
        {"name": f"team-{number}", "title": "A team", "profiles": ["base"], "quota": {"servers": 2000, "homes": 2000}}
        for number in range(tenants)
    ]
    with tempfile.TemporaryDirectory() as name, fake_cluster() as cluster:
        folder, kube = Path(name), _fake_of(cluster)
        gates = AnyGates(kube)
        kube.create(STORAGE_CLASS)
        try:
            with on_cluster(folder / "state", cluster, state={"tenants": teams}, **settings) as running:
                eventually("every team has its namespace", lambda: spaces(kube, running) == tenants, timeout_s=300)
                token_file = folder / "spawner-token"
                token_file.write_text(SPAWNER_TOKEN)
                token = kube.tokens.service_account(running.instance, "hub")
                config = str(kube.kubeconfig(folder / "ours.yaml", token))
                url = f"{running.service.url}/services/hubernate"
                ours = Ours(config, running.instance, url, str(token_file), GATE_IMAGE)
                yield running, kube, ours, stock_hub(kube, folder)
        finally:
            gates.close()


def spaces(kube: FakeKube, running: Platform) -> int:
    """Number of teams whose namespace has all that belongs into it; the hub's binding is made last."""
    prefix = f"{running.instance}-t-"
    return sum(
        each["metadata"]["namespace"].startswith(prefix)
        for each in kube.list("rolebindings", group="rbac.authorization.k8s.io")
    )


def _fake_of(cluster: Cluster) -> FakeKube:
    assert cluster.fake is not None
    return cluster.fake
