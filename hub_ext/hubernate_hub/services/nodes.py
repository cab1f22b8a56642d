"""What people should know of the node that their server is on."""

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
