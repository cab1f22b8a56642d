"""A team image on a cluster: an agent copies it, a member's pod runs it in the team's namespace and is saved on top."""

from hubernate_core.operation import Step
from support.kube_platform import Platform, wait_gone


def test_a_members_pod_stands_on_the_teams_image(platform: Platform) -> None:
    root = platform.service.person("root", admin=True)
    eve = platform.start("eve")
    agent = platform.agent(eve.node)
    platform.service.tell(eve.ticket, "stop", {"generation": 1})
    agent.finish(agent.order(eve.seen()))
    wait_gone(platform, eve)
    (checkpoint,) = root("GET", f"/servers/{eve.id}/checkpoints").json()["items"]
    body = {"checkpoint": checkpoint["id"], "name": "lab"}
    image = root("POST", "/tenants/physics/images?confirm=contents", json=body).json()
    (copy,) = agent.poll().copies
    assert copy.repository == image["repository"]
    agent.poll(copied=[{"reference": f"{image['repository']}@{image['digest']}"}])
    nina = platform.start("nina", team_image="lab", profile="")
    assert nina.ticket.image.endswith(f"/t-{nina.ticket.tenant_id}/i-{image['id']}@{checkpoint['digest']}")
    assert nina.ticket.tenant_id == eve.ticket.tenant_id
    assert root("DELETE", "/tenants/physics/images/lab").status_code == 204
    platform.service.tell(nina.ticket, "stop", {"generation": 1})
    keeper = platform.agent(nina.node)
    order = keeper.order(nina.seen())
    assert (order.base_repository, order.base_digest) == (image["repository"], checkpoint["digest"])
    keeper.verify(order)
    keeper.say(order, Step.RELEASED)
    assert platform.is_gone(nina)
