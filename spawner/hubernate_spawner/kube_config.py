"""Settings of `TenantKubeSpawner`: ``c.TenantKubeSpawner.…``. Where a pod goes is the tenant's and the profile's."""

from collections.abc import Mapping
from typing import Any

from traitlets import Bool, Float, Integer

from hubernate_core.kubernetes import Cluster

from .config import PlatformSettings
from .kube_plan import KubeFacts


class KubernetesSettings(PlatformSettings):
    """What every pod of this installation gets on Kubernetes."""

    gate_cpu_millis = Integer(
        500,
        min=50,
        help="CPU limit of a gate, thousandths of a core. Default 500; a tenth of it is reserved. A gate at rest needs"
        " next to nothing.",
    ).tag(config=True)
    save_grace_s = Integer(
        600,
        min=30,
        max=86_400,
        help="Seconds a save may take when somebody deletes, drains or evicts the pod. Default 600. After them the"
        " kubelet kills the notebook, saved or not.",
    ).tag(config=True)
    user_namespaces = Bool(
        False,
        help="Run pods in user namespaces, so that root in a container is nobody on the node. Default False: it needs"
        " Linux 6.3, containerd 2.0 and runc 1.2 or newer on every node.",
    ).tag(config=True)
    ca_bundle = Bool(
        False,
        help="Mount the CA bundle that the platform service puts into every tenant's namespace. Default False: the"
        " image's own.",
    ).tag(config=True)
    patience_s = Float(
        900,
        min=1,
        help="Seconds a start may take before it is given up. Default 900: a node may have to be added and an image"
        " pulled. Time in the cluster's queue (scheduling gates, such as Kueue's) is not counted.",
    ).tag(config=True)
    api_timeout_s = Float(
        15, min=0.1, help="Seconds after which one call of the Kubernetes API is given up and tried again. Default 15."
    ).tag(config=True)

    def facts(self, gate_settings: Mapping[str, Any]) -> KubeFacts:
        """The settings that shape pods; `gate_settings` is `c.Gate`, which travels in the gate's file."""
        cluster = Cluster().model_copy(
            update={
                "gate_cpu": self.gate_cpu_millis,
                "gate_memory": self.gate_memory_mb * 1024**2,
                "save_grace_s": self.save_grace_s,
                "user_namespaces": self.user_namespaces,
            }
        )
        return KubeFacts(
            instance=self.instance,
            gate_image=self.gate_image,
            cluster=cluster,
            mirrors=dict(self.mirrors_env),
            ca_bundle=self.ca_bundle,
            gate_settings=dict(gate_settings),
        )
