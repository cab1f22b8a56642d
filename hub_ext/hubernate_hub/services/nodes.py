"""What people should know of the node that their server is on, and whether it is taken for lost."""

from ..context import Work
from ..store.servers import ServerRow


def trouble(work: Work, row: ServerRow) -> str:
    """What is wrong with the node of `row`'s container, such as "node a has a silent agent"; empty: nothing known."""
    if not row.has_container or not row.node:
        return ""
    kube = work.context.kube
    of_node = "" if kube is None else kube.nodes.trouble(row.node)
    if of_node:
        return of_node
    return f"node {row.node} has a silent agent" if work.context.fleet.silent(row.node) else ""


def lost(work: Work, row: ServerRow) -> bool:
    """Whether nothing can be saved on the node of `row` for now: the cluster and its agent have both lost sight of it.

    One of them alone is not enough: a kubelet restarts while notebooks run, and so does an agent.
    """
    kube = work.context.kube
    return kube is not None and bool(kube.nodes.trouble(row.node)) and work.context.fleet.silent(row.node)
