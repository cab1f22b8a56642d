"""A team image on the real registry: copied without a push, started, saved on top of; and the checkpoint may go."""

import httpx
import pytest

from hubernate_checkpointer.copies import carry_out
from hubernate_checkpointer.registry import Registry
from hubernate_core.names import OwnerId, TeamImageId, new_id, team_image_repository
from hubernate_core.operation import Kind
from hubernate_core.wire import Copied, Copy
from support.agent import Node, succeeded
from support.engine import pull, shell

pytestmark = pytest.mark.docker


def test_a_member_works_on_top_of_an_image_whose_checkpoint_is_gone(node: Node) -> None:
    node.start_agent()
    container = node.notebook()
    shell(container, "echo tool > /opt/tool; rm -f /opt/app/base0")
    checkpoint = node.saved(container, Kind.STOP)
    offered = team_image_repository(node.tenant, TeamImageId(new_id()))
    source, reference = f"{node.repository}@{checkpoint.digest}", f"{offered}@{checkpoint.digest}"
    node.service.copies = (Copy(source=source, repository=offered),)
    with node.service.changed:
        done = Copied(reference=reference)
        assert node.service.changed.wait_for(lambda: done in node.service.polls[-1].copied, timeout=20)
    node.service.copies = ()
    node.service.forget = (source,)
    with node.service.changed:
        assert node.service.changed.wait_for(lambda: source in node.service.polls[-1].forgotten, timeout=20)
    pull(node.client, f"{node.registry.name}/{offered}", checkpoint.digest)
    node.owner = OwnerId(new_id())  # somebody else of the team
    member = node.notebook(f"{node.registry.name}/{reference}")
    assert shell(member, "cat /opt/tool; ls /opt/app").split()[0] == "tool"
    assert "base0" not in shell(member, "ls /opt/app")
    shell(member, "echo mine > /opt/mine")
    base = {"base_repository": offered, "base_digest": checkpoint.digest, "parent_digest": checkpoint.digest}
    row = node.save(member, Kind.STOP, **base)
    succeeded(row.operation)
    (_, mine) = row.recorded[-1]
    assert mine.size < 10_000, "only what the member changed was pushed"
    assert shell(node.resume(mine), "cat /opt/tool /opt/mine").split() == ["tool", "mine"]


def test_what_cannot_be_copied_says_why_and_again_changes_nothing(node: Node) -> None:
    registry = Registry(f"http://{node.registry.name}", lambda: None)
    missing = Copy(source=f"nothing/there@sha256:{'0' * 64}", repository="t-x/i-x")
    (told,) = carry_out(registry, [missing])
    assert "404" in told.problem
    copy = Copy(source=f"{node.base.repository}@{node.base.digest}", repository="t-x/i-y")
    for _ in range(2):
        assert carry_out(registry, [copy]) == (Copied(reference=f"t-x/i-y@{node.base.digest}"),)
    tags = httpx.get(f"http://{node.registry.name}/v2/t-x/i-y/tags/list").json()["tags"]
    assert tags == ["offered"], "some registries collect what has no tag"
