"""`TenantKubeSpawner`: notebooks on Kubernetes. Connection settings are KubeSpawner's; what it does with pods is not.

KubeSpawner's `start`, `stop` and `poll` delete pods (a taken name, a stop with one second of grace, a pod that ended);
its state brings an old namespace back. All of these are replaced here and in `TenantSpawner`. Version: 7.1.
"""

import logging
from functools import cache
from typing import Any

from kubespawner import KubeSpawner
from kubespawner.clients import shared_client

from hubernate_core import names
from hubernate_core.errors import NotFound
from hubernate_core.manifests.network import NOTEBOOK_ROLE

from .kube_api import KubeApi
from .kube_config import KubernetesSettings
from .kube_look import exit_code, url_of
from .kube_start import KubeBackend, KubePorts, PodRunning, find
from .kube_watch import EventWatch, Watch
from .spawner import TenantSpawner

log = logging.getLogger(__name__)

_CLOSED = {
    "delete_stopped_pods": False,
    "delete_pvc": False,
    "delete_grace_period": 600,
    "enable_user_namespaces": True,
    "services_enabled": False,
    "storage_pvc_ensure": False,
    "modify_pod_hook": None,
    "after_pod_created_hook": None,
}
"""Options of KubeSpawner that would destroy something or reach past the platform's checks, and what they are always."""


class TenantKubeSpawner(KubernetesSettings, TenantSpawner, KubeSpawner):  # type: ignore[misc]
    """Starts a notebook behind its gate in its team's namespace; stops it only once its newest state is saved."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, always in _CLOSED.items():
            if getattr(self, name) != always and self._is_set(name):
                _say_once(name)
            setattr(self, name, always)

    @property
    def ports(self) -> KubePorts:
        """The connections, shared by all spawners of one hub: two watches in total, whatever the number of teams."""
        ports: KubePorts = self.shared(
            ("kubernetes", self.instance, self.service_url, self.service_token_file), self._connect
        )
        return ports

    def make_backend(self) -> KubeBackend:
        """One start on the cluster."""
        return KubeBackend(self.ports, self.get_env(), self.told)

    async def url_of(self, running: PodRunning) -> str:
        """The gate's address: the pod's."""
        return url_of(await find(self.ports, running))

    async def exit_code(self, running: PodRunning) -> int | None:
        """The notebook's code, 1 for a pod that was evicted or is gone; a silent node or API ends nothing."""
        try:
            return exit_code(await find(self.ports, running))
        except NotFound:
            return 1

    def running_from(self, state: dict[str, Any]) -> PodRunning | None:
        """The pod that the hub's state names. Its namespace counts for this pod only, never for a start."""
        return PodRunning.from_state(state)

    def _connect(self) -> KubePorts:
        core = shared_client("CoreV1Api")
        ours = names.label_selector({names.KUBE_INSTANCE: self.instance, names.KUBE_ROLE: NOTEBOOK_ROLE})
        pods = Watch(core, "list_pod_for_all_namespaces", lambda pod: True, label_selector=ours)
        return KubePorts(
            service=self.service,
            api=KubeApi(core, self.api_timeout_s),
            pods=pods,
            events=EventWatch(core, f"{self.instance}-t-"),
            probe=self.probe,
            facts=self.facts(self.config.get("Gate", {})),
            patience_s=self.patience_s,
            turns=self.turns,
        )

    def _is_set(self, option: str) -> bool:
        return any(option in self.config.get(each.__name__, {}) for each in type(self).__mro__)


@cache
def _say_once(option: str) -> None:
    log.warning("this option of KubeSpawner would lose people's work; it has no effect here", extra={"option": option})
