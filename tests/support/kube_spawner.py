"""The spawner's side of Kubernetes on a fake cluster: its connections with the hub's token, and a start."""

from pathlib import Path

from kubernetes_asyncio.client import ApiClient, Configuration, CoreV1Api
from kubernetes_asyncio.config import load_kube_config

from hubernate_core import names
from hubernate_core.server import StartChoice
from hubernate_core.wire import StartRequest
from hubernate_spawner.client import GateProbe, ServiceClient
from hubernate_spawner.kube_api import KubeApi
from hubernate_spawner.kube_plan import KubeFacts
from hubernate_spawner.kube_start import KubeBackend, KubePorts, PodRunning
from hubernate_spawner.kube_watch import EventWatch, Watch
from hubernate_spawner.progress import Log
from hubernate_spawner.start import Start
from support.kube_tenant import GATE_IMAGE, Tenancy
from support.tickets import hub_env

REQUEST = StartRequest(user="ada", server_name="", groups=("research",), choice=StartChoice())


class connected:
    """The spawner's connections, as the hub has them."""

    def __init__(self, tenancy: Tenancy, folder: Path) -> None:
        self.tenancy, self.folder = tenancy, folder

    async def __aenter__(self) -> KubePorts:
        configuration = Configuration()
        kubeconfig = self.tenancy.kube.kubeconfig(self.folder / "kubeconfig", self.tenancy.token)
        await load_kube_config(str(kubeconfig), client_configuration=configuration)
        self.client = ApiClient(configuration)
        core, instance = CoreV1Api(self.client), self.tenancy.service.instance
        token_file = self.folder / "spawner-token"
        token_file.write_text(self.tenancy.service.token)
        ours = names.label_selector({names.KUBE_INSTANCE: instance, names.KUBE_ROLE: "notebook"})
        self.ports = KubePorts(
            service=ServiceClient(self.tenancy.service.url, str(token_file)),
            api=KubeApi(core, 5),
            pods=Watch(core, "list_pod_for_all_namespaces", lambda pod: True, label_selector=ours),
            events=EventWatch(core, f"{instance}-t-"),
            probe=GateProbe(),
            facts=KubeFacts(instance, GATE_IMAGE),
            patience_s=60,
        )
        return self.ports

    async def __aexit__(self, *_: object) -> None:
        await self.ports.pods.close()
        await self.ports.events.close()
        await self.client.close()


async def begin(ports: KubePorts, told: Log | None = None, **env: str) -> PodRunning:
    told = told or Log()
    backend = KubeBackend(ports, hub_env("ada", "/user/ada/", **env), told)
    return await Start(ports.service, backend, REQUEST, told).run()
