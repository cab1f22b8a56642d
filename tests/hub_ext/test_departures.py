"""A team is deleted in two steps: nothing goes before the second, then everything does, whenever the service dies."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from hubernate_hub.context import Work
from hubernate_hub.services import departures
from hubernate_hub.services.seeding import seed
from support.platform_service import Caller, Running, Started, running


@pytest.fixture
def root(service: Running) -> Caller:
    return service.person("root", admin=True)


@pytest.fixture
def asleep(service: Running, root: Caller) -> Started:
    """eve's server in chemistry, saved."""
    return a_team(service, root)


def a_team(service: Running, root: Caller) -> Started:
    root("POST", "/tenants", json={"name": "chemistry", "title": "Chemistry", "members": [{"user": "eve"}]})
    lake = {"name": "lake", "place": {"kind": "s3", "bucket": "team-lake", "endpoint": "http://192.0.2.1:9000"}}
    made = root("POST", "/tenants/chemistry/sources", json={"source": lake})
    assert made.status_code == 201, made.text
    server = service.start("eve", groups=())
    service.tell(server.ticket, "stop", {"generation": 1})
    agent = service.agent()
    agent.finish(agent.order())
    return server


def remove(service: Running) -> None:
    """One round of the loop."""
    context = service.inside
    for each in context.store.now(lambda tx: departures.under_way(Work(tx, context, context.clock()))):
        context.store.now(lambda tx, it=each.tenant_id: departures.let_go(Work(tx, context, context.clock()), it))


def test_nothing_goes_before_the_second_step(service: Running, root: Caller, asleep: Started) -> None:
    early = root("DELETE", "/tenants/chemistry?confirm=chemistry")
    assert early.status_code == 409
    assert "not marked" in early.json()["detail"]
    shown = root("GET", "/tenants/chemistry/deletion").json()
    assert (shown["marked"], shown["servers"], shown["checkpoints"], shown["homes"]) == (False, 1, 1, ["eve"])
    assert (shown["checkpoint_bytes"], shown["sources"]) == (212_000_000, ["lake"])
    first = root("POST", "/tenants/chemistry/deletion")
    assert first.json()["goes"]["marked"]
    exported = first.json()["export"]
    assert (exported["tenant"]["name"], exported["sources"][0]["name"]) == ("chemistry", "lake")
    assert service.request_start("eve", groups=(), profile="base").status_code == 403, "it is suspended"
    unsure = root("DELETE", "/tenants/chemistry")
    assert (unsure.status_code, unsure.json()["confirm"]) == (409, "chemistry")
    assert root("DELETE", "/tenants/chemistry?confirm=physics").status_code == 409
    remove(service)
    orders = service.agent().poll()
    assert (orders.forget, orders.leftovers) == ((), ())
    assert len(root("GET", f"/servers/{asleep.id}/checkpoints").json()["items"]) == 1
    root("PATCH", "/tenants/chemistry", json={"suspended": False})
    assert root("DELETE", "/tenants/chemistry?confirm=chemistry").status_code == 409, "unsuspending takes it back"
    assert service.start("eve", groups=(), profile="base", start="continue").ticket.checkpoint is not None


def test_it_is_refused_while_anything_is_unsaved_also_between_the_steps(service: Running, root: Caller) -> None:
    server = a_team(service, root)
    again = service.start("eve", groups=(), profile="base", start="continue")
    refused = root("POST", "/tenants/chemistry/deletion")
    assert refused.status_code == 409
    assert "eve's default environment" in refused.json()["detail"]
    assert root("GET", "/tenants/chemistry/deletion").json()["unsaved"] == ["eve's default environment"]
    service.tell(again.ticket, "stop", {"generation": 2})
    agent = service.agent()
    agent.finish(agent.order())
    tag = root("POST", "/tenants/chemistry/deletion").headers["etag"]
    agent.poll(server.seen(container_id="f" * 64))  # a container of the first start turns up
    late = root("DELETE", "/tenants/chemistry?confirm=chemistry", headers={"If-Match": tag})
    assert late.status_code == 409
    assert "container ffffffffffff of an older start" in late.json()["detail"]
    agent.poll()
    root("PUT", "/tenants/chemistry/members/zoe", json={})
    stale = root("DELETE", "/tenants/chemistry?confirm=chemistry", headers={"If-Match": tag})
    assert stale.status_code == 412, "somebody changed it since it was shown"


def test_nothing_is_deleted_while_it_is_not_known_what_runs(service: Running, root: Caller) -> None:
    root("POST", "/tenants", json={"name": "chemistry"})
    blind = root("POST", "/tenants/chemistry/deletion")
    assert blind.status_code == 409
    assert "whatever runs on node local, whose agent is silent" in blind.json()["detail"]
    service.agent().poll()
    assert root("POST", "/tenants/chemistry/deletion").status_code == 200
    service.inside.fleet._silent_after_s = -1.0  # it was heard, and is silent since
    assert root("DELETE", "/tenants/chemistry?confirm=chemistry").status_code == 409


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "of eve's default environment, which should be asleep, on node local"),
        ({"running": False}, "which should be asleep"),  # ended, and not removed: its changes are there
        ({"generation": 2}, "of a start that the platform does not know"),
        ({"server_id": "u123456789"}, "of a server that the platform does not know"),
    ],
)
def test_what_no_row_tells_of_keeps_the_team(
    service: Running, root: Caller, asleep: Started, changes: dict[str, Any], told: str
) -> None:
    agent = service.agent()
    agent.poll(asleep.seen(**changes))
    refused = root("POST", "/tenants/chemistry/deletion")
    assert refused.status_code == 409
    assert told in refused.json()["detail"]
    other = service.start("ada")
    service.tell(other.ticket, "stop", {"generation": 1})
    agent.finish(agent.order(other.seen()))
    agent.poll(other.seen())
    assert root("POST", "/tenants/chemistry/deletion").status_code == 200, "another team's is no reason"


def test_a_team_that_the_file_names_is_taken_out_of_it_first(service: Running, root: Caller) -> None:
    service.agent().poll()
    refused = root("POST", "/tenants/biology/deletion")
    assert refused.status_code == 409
    assert "tenants file" in refused.json()["detail"]
    (service.folder / "tenants.json").write_text(json.dumps([{"name": "physics"}]))
    context = service.inside
    context.catalogue.refresh(strict=True)
    context.store.now(lambda tx: seed(Work(tx, context, context.clock()), context.catalogue.tenants))
    assert root("POST", "/tenants/biology/deletion").status_code == 200


def test_after_the_second_step_everything_goes(service: Running, root: Caller, asleep: Started) -> None:
    (checkpoint,) = root("GET", f"/servers/{asleep.id}/checkpoints").json()["items"]
    body = {"checkpoint": checkpoint["id"], "name": "lab"}
    image = root("POST", "/tenants/chemistry/images?confirm=contents", json=body).json()
    tag = root("POST", "/tenants/chemistry/deletion").headers["etag"]
    gone = root("DELETE", "/tenants/chemistry?confirm=chemistry", headers={"If-Match": tag})
    assert gone.status_code == 204
    assert root("GET", "/tenants/chemistry").status_code == 404
    assert root("POST", "/tenants", json={"name": "chemistry"}).status_code == 201, "the name is free"
    for _ in range(2):  # a crash may repeat it
        remove(service)
    agent = service.agent()
    orders = agent.poll()
    references = {f"{checkpoint['repository']}@{checkpoint['digest']}", f"{image['repository']}@{image['digest']}"}
    assert set(orders.forget) == references
    assert orders.copies == ()
    (home,) = orders.leftovers
    assert (home.kind, home.name) == ("home", asleep.ticket.home_volume)
    assert root("GET", "/departures").json()["items"][0]["homes"] == 1
    agent.poll(removed=[home.model_dump()])
    assert agent.poll().leftovers == ()
    assert root("GET", "/departures").json()["items"][0]["images"] == 2, "it is not over while an image is there"
    agent.poll(forgotten=list(references))
    (network,) = agent.poll().leftovers
    assert (network.kind, network.tenant_id) == ("network", asleep.ticket.tenant_id)
    agent.poll(removed=[network.model_dump()])
    assert root("GET", "/departures").json()["items"] == []
    assert agent.poll() == orders.model_copy(update={"forget": (), "leftovers": ()})
    deeds = [each["action"] for each in root("GET", "/audit").json()["items"]]
    assert deeds[:1] == ["tenant.removed"]
    assert {"tenant.mark", "tenant.delete"} <= set(deeds)
    assert root("GET", "/audit/check").json()["whole"]
    with create_engine(service.inside.settings.database).connect() as rows:
        for table in ("servers", "owners", "checkpoints", "operations", "sources", "team_images", "forgets"):
            assert rows.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0, table


def test_an_agents_word_ends_no_home_of_a_team_that_is_there(service: Running, root: Caller, asleep: Started) -> None:
    ticket = asleep.ticket
    lie: dict[str, Any] = {"kind": "home", "name": ticket.home_volume, "tenant_id": ticket.tenant_id}
    agent = service.agent()
    agent.poll(removed=[lie | {"owner_id": ticket.owner_id}, lie | {"kind": "network", "owner_id": None}])
    assert root("GET", "/tenants/chemistry/deletion").json()["homes"] == ["eve"]


def test_a_service_that_dies_goes_on_where_it_was(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        root = service.person("root", admin=True)
        a_team(service, root)
        root("POST", "/tenants/chemistry/deletion")
        assert root("DELETE", "/tenants/chemistry?confirm=chemistry").status_code == 204
    with running(tmp_path) as service:  # before anything of it was given up
        remove(service)
        (home,) = service.agent().poll().leftovers
    with running(tmp_path) as service:  # the agent removed it, and nobody heard of it
        agent = service.agent()
        assert agent.poll().leftovers == (home,)
        agent.poll(removed=[home.model_dump()])
    with running(tmp_path, loops=True) as service:
        agent = service.agent()
        agent.poll(forgotten=list(agent.poll().forget))
        agent.poll(removed=[each.model_dump() for each in agent.poll().leftovers])
        assert service.person("root", admin=True)("GET", "/departures").json()["items"] == []
        assert service.inside.metrics.loop_failures.labels("departures")._value.get() == 0
