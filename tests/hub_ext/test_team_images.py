"""Team images: promoted after a plain word on what is in them, started like a profile, retired and nothing ends."""

import httpx
import pytest

from hubernate_hub.context import Work
from hubernate_hub.services import retention, team_images
from support.platform_service import Caller, Running, Started, digest


@pytest.fixture
def root(service: Running) -> Caller:
    return service.person("root", admin=True)


@pytest.fixture
def ada(service: Running, root: Caller) -> Caller:
    """The admin of physics."""
    assert root("PUT", "/tenants/physics/members/ada", json={"role": "admin"}).status_code == 200
    return service.person("ada", groups=("physics",))


def a_checkpoint(service: Running, server: Started, **fields: object) -> dict[str, str]:
    """A stop's, of `server`."""
    agent = service.agent()
    service.tell(server.ticket, "stop", {"generation": server.ticket.generation})
    agent.finish(agent.order(), **fields)
    items = service.person("root", admin=True)("GET", f"/servers/{server.id}/checkpoints").json()["items"]
    newest: dict[str, str] = items[0]
    return newest


def promote(
    caller: Caller, checkpoint: dict[str, str], name: str = "lab", *, confirm: str = "contents"
) -> httpx.Response:
    body = {"checkpoint": checkpoint["id"], "name": name, "title": "The lab's tools"}
    return caller("POST", f"/tenants/physics/images?confirm={confirm}", json=body)


def offered(service: Running, caller: Caller, checkpoint: dict[str, str], name: str = "lab") -> dict[str, str]:
    """An image that an agent has copied."""
    made: dict[str, str] = promote(caller, checkpoint, name).json()
    agent = service.agent()
    (copy,) = agent.poll().copies
    assert (copy.source, copy.repository) == (made["source"], made["repository"])
    agent.poll(copied=[{"reference": f"{made['repository']}@{made['digest']}"}])
    return made


def test_what_is_in_it_and_whose_it_was_is_said_before_it_is_offered(service: Running, ada: Caller) -> None:
    checkpoint = a_checkpoint(service, service.start("eve"), largest=[{"path": "/opt/env/torch", "size": 3_000_000}])
    asked = promote(ada, checkpoint, confirm="")
    assert asked.status_code == 409
    for words in ("eve changed", "/opt/env/torch (3 MB)", "passwords or keys", "home folder is not in it"):
        assert words in asked.json()["detail"]
    assert ada("GET", "/tenants/physics/images").json()["items"] == []
    assert promote(ada, checkpoint).status_code == 201
    assert promote(ada, checkpoint).status_code == 409, "the name is taken"
    (image,) = ada("GET", "/tenants/physics/images").json()["items"]
    assert (image["made_from"]["user"], image["offered_at"]) == ("eve", None)
    assert "image.promote" in ada("GET", "/tenants/physics/audit").text


def test_a_member_starts_from_it_and_their_own_checkpoints_build_on_top(service: Running, ada: Caller) -> None:
    checkpoint = a_checkpoint(service, service.start("eve"))
    early = promote(ada, checkpoint).json()
    refused = service.request_start("nina", team_image="lab")
    assert refused.status_code == 409
    assert "being prepared" in refused.json()["detail"]
    agent = service.agent()
    agent.poll(copied=[{"reference": f"{early['repository']}@{early['digest']}", "problem": "the disk is full"}])
    assert ada("GET", "/tenants/physics/images").json()["items"][0]["problem"] == "the disk is full"
    agent.poll(copied=[{"reference": f"{early['repository']}@{early['digest']}"}])
    options = service.spawner("POST", "/users/nina/start-options", json={"groups": ["physics"]}).json()
    cards = {(each["name"], each["team_image"]): each for each in options["tenants"][0]["profiles"]}
    assert "environment of eve" in cards[("base", "lab")]["description"]
    started = service.start("nina", team_image="lab", profile="")
    assert started.ticket.image == f"127.0.0.1:5000/{early['repository']}@{checkpoint['digest']}"
    assert early["repository"].startswith(f"t-{started.ticket.tenant_id}/"), "no other team's pods may run it"
    assert (started.ticket.checkpoint, started.ticket.profile.name) == (None, "base")
    service.tell(started.ticket, "stop", {"generation": 1})
    order = agent.order()
    stands_on = (order.base_repository, order.base_digest, order.parent_digest, order.parent_layers)
    assert stands_on == (early["repository"], checkpoint["digest"], checkpoint["digest"], ())
    assert order.repository != early["repository"]
    agent.finish(order)
    again = service.start("nina", start="continue", profile="base")
    assert again.ticket.checkpoint is not None
    service.tell(again.ticket, "stop", {"generation": 2})
    resumed = agent.order()
    assert (resumed.base_repository, resumed.base_digest) == (early["repository"], checkpoint["digest"])


def test_nobody_of_another_team_sees_or_starts_it(service: Running, ada: Caller, root: Caller) -> None:
    root("PUT", "/tenants/biology/members/bob", json={"role": "admin"})
    bob = service.person("bob")
    checkpoint = a_checkpoint(service, service.start("eve"))
    offered(service, ada, checkpoint)
    assert bob("GET", "/tenants/physics/images").status_code == 404
    assert bob("GET", "/tenants/biology/images").json()["items"] == []
    foreign = bob(
        "POST", "/tenants/biology/images?confirm=contents", json={"checkpoint": checkpoint["id"], "name": "x"}
    )
    assert foreign.status_code == 404
    assert service.request_start("bob", groups=(), team_image="lab").status_code == 404
    member = service.person("eve", groups=("physics",))
    assert promote(member, checkpoint, "other").status_code == 403


def test_a_retired_image_is_offered_no_more_and_goes_when_nothing_stands_on_it(service: Running, ada: Caller) -> None:
    checkpoint = a_checkpoint(service, service.start("eve"))
    image = offered(service, ada, checkpoint)
    started = service.start("nina", team_image="lab", profile="")
    assert ada("DELETE", "/tenants/physics/images/lab").status_code == 204
    assert ada("DELETE", "/tenants/physics/images/lab").status_code == 404
    assert service.request_start("zoe", team_image="lab").status_code == 404
    reference = f"{image['repository']}@{image['digest']}"
    agent = service.agent()
    sweep(service)
    assert reference not in agent.poll(started.seen()).forget, "it runs"
    saved = a_checkpoint(service, started)
    sweep(service)
    assert reference not in agent.poll().forget, "something is saved on top of it"
    nina = service.person("nina", groups=("physics",))
    assert nina("DELETE", f"/checkpoints/{saved['id']}?confirm=last").status_code == 204
    sweep(service)
    assert reference in agent.poll().forget


def test_only_an_image_that_is_in_the_registry_is_stood_on(service: Running, ada: Caller) -> None:
    checkpoint = a_checkpoint(service, service.start("eve"))
    stuck = promote(ada, checkpoint, "stuck").json()
    ready = promote(ada, checkpoint, "ready").json()
    agent = service.agent()
    agent.poll(copied=[{"reference": f"{ready['repository']}@{ready['digest']}"}])
    a_checkpoint(service, service.start("nina", team_image="ready", profile=""))
    resumed = service.start("nina", start="continue", profile="base")
    service.tell(resumed.ticket, "stop", {"generation": 2})
    order = agent.order()
    assert order.base_repository == ready["repository"], "the other has the digest too, and no blob"
    agent.finish(order)
    ada("DELETE", "/tenants/physics/images/stuck")
    ada("DELETE", "/tenants/physics/images/ready")
    sweep(service)
    assert agent.poll().forget == (f"{stuck['repository']}@{stuck['digest']}",), "nina's checkpoints stand on the other"


def test_the_checkpoint_may_go_while_the_image_is_offered_but_not_before_it_is_copied(
    service: Running, ada: Caller, root: Caller
) -> None:
    server = service.start("eve")
    first = a_checkpoint(service, server)
    made = promote(ada, first).json()
    a_checkpoint(service, service.start("eve"))
    assert ada("DELETE", f"/checkpoints/{first['id']}").status_code == 409
    root("PATCH", "/tenants/physics", json={"retention": {"keep_count": 1, "notice": "PT0S"}})
    settle(service)
    everything = ada("GET", f"/servers/{server.id}/checkpoints").json()["items"]
    assert first["id"] in {each["id"] for each in everything}
    agent = service.agent()
    agent.poll(copied=[{"reference": f"{made['repository']}@{made['digest']}"}])
    settle(service)
    assert first["id"] not in ada("GET", f"/servers/{server.id}/checkpoints").text
    assert agent.poll().forget == (made["source"],)
    assert service.start("zoe", team_image="lab", profile="").ticket.image.endswith(made["digest"])


def test_an_image_counts_towards_what_the_team_may_save(service: Running, ada: Caller, root: Caller) -> None:
    checkpoint = a_checkpoint(service, service.start("eve"), size=300)
    root("PATCH", "/tenants/physics", json={"quota": {"checkpoint_bytes": "500"}})
    refused = promote(ada, checkpoint)
    assert refused.status_code == 409
    assert "300 B of 500 B" in refused.json()["detail"]
    own = {"checkpoint_bytes": "299"}
    root("PATCH", "/tenants/physics", json={"quota": {"checkpoint_bytes": "600", "per_user": own}})
    assert promote(ada, checkpoint).status_code == 201
    use = ada("GET", "/tenants/physics/use").json()
    assert {each["user"]: each["amounts"].get("checkpoint_bytes") for each in use["people"]} == {
        "eve": 300,
        "(team images)": 300,
    }


def test_an_image_that_was_copied_too_late_is_deleted_again(service: Running) -> None:
    late = f"t-a123456789/i-b123456789@{digest()}"
    agent = service.agent()
    agent.poll(copied=[{"reference": late}])
    assert agent.poll().forget == (late,)
    agent.poll(copied=[{"reference": f"profiles/base@{digest()}"}], forgotten=[late])
    assert agent.poll().forget == (), "nothing else is deleted on an agent's word"


def sweep(service: Running) -> None:
    context = service.inside
    context.store.now(lambda tx: team_images.sweep(Work(tx, context, context.clock())))


def settle(service: Running) -> None:
    context = service.inside
    for tenant in context.store.now(lambda tx: retention.unsettled(Work(tx, context, context.clock()))):
        context.store.now(lambda tx, each=tenant: retention.settle(Work(tx, context, context.clock()), each))
