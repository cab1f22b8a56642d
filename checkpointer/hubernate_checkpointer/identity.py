"""Whether an order really means the container that it names. Pure."""

from collections.abc import Iterable

from hubernate_core.errors import NotAllowed, shorten
from hubernate_core.names import (
    GENERATION_LABEL,
    INSTANCE_LABEL,
    OWNER_LABEL,
    ROLE_LABEL,
    SERVER_LABEL,
    TENANT_LABEL,
    repository,
)
from hubernate_core.wire import Order

from .capture.engine import Container


def check_meant(order: Order, container: Container, instance: str, identity: Iterable[str]) -> None:
    """Only what carries exactly the labels of the order is ever touched, whatever ids the order names.

    Args:
        identity: the labels that must be as the order says.

    Raises:
        NotAllowed: it belongs to another installation, tenant, owner, server or start, or would be pushed to a
            repository that is not its owner's.
    """
    expected = {
        INSTANCE_LABEL: instance,
        TENANT_LABEL: order.tenant_id,
        OWNER_LABEL: order.owner_id,
        SERVER_LABEL: order.server_id,
        GENERATION_LABEL: str(order.generation),
    }
    wrong = [name for name in identity if container.labels.get(name) != expected[name]]
    if container.labels.get(ROLE_LABEL) not in ("notebook", "gate"):
        wrong.append(ROLE_LABEL)
    if wrong:
        raise NotAllowed(f"container {container.id[:12]} is not of this server's start (label {', '.join(wrong)})")
    # A registry that is shared with others has a prefix of the installation's before ours.
    if not f"/{order.repository}".endswith(f"/{repository(order.tenant_id, order.owner_id)}"):
        raise NotAllowed(f"the order names {shorten(order.repository, 80)!r}, which is not its owner's repository")
