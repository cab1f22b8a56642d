"""Where a start goes on Kubernetes: the tenant's namespace, what its home is, and the node that has its image."""

from hubernate_core.errors import Broken
from hubernate_core.kubernetes import Placement
from hubernate_core.manifests.access import PULL_SECRET

from ..context import Work
from ..store import tenants
from ..store.servers import ServerRow


def place(work: Work, row: ServerRow) -> Placement:
    """The placement of a start of `row`.

    Raises:
        Broken: its tenant was never given a namespace.
    """
    tenant = tenants.with_ids(work.tx, [row.tenant_id])[row.tenant_id]
    namespace = tenants.namespace_of(work.tx, row.tenant_id)
    if not namespace:
        raise Broken(f"tenant {tenant.name!r} has no namespace; restart the platform service", tenant=tenant.id)
    kube, mine = work.context.kube, tenant.kubernetes
    has_secret = kube is not None and bool(kube.settings.pull_config_file)
    return Placement(
        namespace=namespace,
        storage_class=mine.storage_class,
        home_size=mine.home_size,
        access_mode=mine.access_mode,
        prefer_node=_node_with_image(work, row),
        pull_secret=PULL_SECRET if has_secret else "",
        priority_class=mine.priority_class,
        selinux_level=mine.selinux_level,
    )


def _node_with_image(work: Work, row: ServerRow) -> str:
    """A node that has the saved image ready: the last one rather than another. A profile's image is everywhere soon."""
    if row.checkpoint_id is None:
        return ""
    nodes = [name for name in work.context.fleet.nodes_with(row.image) if not _in_trouble(work, name)]
    return row.node if row.node in nodes else next(iter(nodes), "")


def _in_trouble(work: Work, node: str) -> bool:
    return work.context.kube is not None and bool(work.context.kube.nodes.trouble(node))
