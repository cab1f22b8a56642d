"""What a deleted team left on the real engine goes; whatever is not that team's, or is in use, stays."""

from collections.abc import Iterator

import docker
import pytest

from hubernate_checkpointer.capture.docker import DockerEngine
from hubernate_core.errors import Broken, Unavailable
from hubernate_core.names import INSTANCE_LABEL, ROLE_LABEL, TENANT_LABEL, OwnerId, TenantId, new_id
from hubernate_core.wire import Leftover
from support.agent import Node
from support.engine import engine

pytestmark = pytest.mark.docker


@pytest.fixture
def home() -> Iterator[tuple[docker.models.volumes.Volume, Leftover]]:
    client, name, tenant = engine(), f"t-home-{new_id()}", TenantId(new_id())
    labels = {INSTANCE_LABEL: "test", TENANT_LABEL: tenant, ROLE_LABEL: "home"}
    volume = client.volumes.create(name, labels=labels)
    yield volume, Leftover(kind="home", name=name, tenant_id=tenant, owner_id=OwnerId(new_id()))
    for each in client.volumes.list(filters={"name": name}):
        each.remove(force=True)
    client.close()


def told(node: Node) -> set[Leftover]:
    """All that the agent ever said was removed."""
    return {each for poll in node.service.polls for each in poll.removed}


def test_a_home_and_a_network_go_and_again_nothing_happens(
    node: Node, home: tuple[docker.models.volumes.Volume, Leftover]
) -> None:
    volume, leftover = home
    labels = {INSTANCE_LABEL: "test", TENANT_LABEL: leftover.tenant_id}
    network = node.client.networks.create(f"t-net-{new_id()}", labels=labels)
    bridge = Leftover(kind="network", name=network.name, tenant_id=leftover.tenant_id)
    node.start_agent()
    node.service.leftovers = (leftover, bridge)
    with node.service.changed:
        both = {leftover, bridge}
        assert node.service.changed.wait_for(lambda: both <= told(node), timeout=30)
    assert node.client.volumes.list(filters={"name": volume.name}) == []
    assert node.client.networks.list(names=[network.name]) == []
    DockerEngine("unix:///var/run/docker.sock").remove(leftover)


def test_another_teams_volume_is_not_touched(home: tuple[docker.models.volumes.Volume, Leftover]) -> None:
    volume, leftover = home
    reader = DockerEngine("unix:///var/run/docker.sock")
    with pytest.raises(Broken, match="was not touched"):
        reader.remove(leftover.model_copy(update={"tenant_id": TenantId(new_id())}))
    volume.reload()


def test_a_home_in_use_stays(node: Node, home: tuple[docker.models.volumes.Volume, Leftover]) -> None:
    volume, leftover = home
    reader = DockerEngine("unix:///var/run/docker.sock")
    user = node.notebook(volumes={volume.name: {"bind": "/home", "mode": "rw"}})
    with pytest.raises(Unavailable, match="in use"):
        reader.remove(leftover)
    user.remove(force=True)
    reader.remove(leftover)
