"""Tenants' namespaces, on Kubernetes: made when a tenant comes, put right every few minutes."""

from collections.abc import Callable, Sequence

from hubernate_core.errors import Unavailable
from hubernate_core.kubernetes import Cluster
from hubernate_core.manifests.tenant import TenantSpec, make_tenant
from hubernate_core.tenant import Tenant

from ..config import HubernateService
from ..context import Context
from ..kube.config import KubernetesBackend
from ..kube.parts import KubeParts
from ..kube.resources import Object
from ..store import tenants


async def provision(context: Context, kube: KubeParts) -> None:
    """One round over all tenants that may start something.

    A tenant that an admin took out of the file keeps its namespace as it is: its homes are there.

    Raises:
        Unavailable: not all of them are ready; `Spaces` has told why.
    """
    await context.store.write(tenants.give_namespaces, context.settings.instance)
    active = await context.store.read(tenants.all_tenants, active_only=True)
    before = kube.spaces.drift.copy()
    await kube.spaces.provision(active.values())
    for kind, count in (kube.spaces.drift - before).items():
        context.metrics.put_right.labels(kind).inc(count)
    waiting = [each.name for each in active.values() if not kube.spaces.space(each.id).ready]
    if waiting:
        raise Unavailable(f"the spaces of these tenants are not ready: {', '.join(waiting[:10])}")


def builder(
    settings: HubernateService, backend: KubernetesBackend, cluster: Cluster
) -> Callable[[Tenant], Sequence[Object]]:
    """What makes a tenant's objects. Files are read each time, since their content may be replaced."""

    def build(tenant: Tenant) -> Sequence[Object]:
        return make_tenant(
            TenantSpec(
                instance=settings.instance,
                tenant_id=tenant.id,
                tenant_name=tenant.title or tenant.name,
                cluster=cluster,
                quota=tenant.quota,
                settings=tenant.kubernetes,
                pull_credentials=_content(backend, "pull_config_file"),
                ca_bundle=_content(backend, "notebook_ca_file"),
            )
        )

    return build


def _content(backend: KubernetesBackend, setting: str) -> str:
    path = backend.path(setting)
    return "" if path is None else path.read_text()
