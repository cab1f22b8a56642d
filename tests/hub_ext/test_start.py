"""Starts: tickets, generations, tenants, adoption; a refused start creates nothing."""

import pytest

from hubernate_core.operation import Step
from hubernate_core.server import Ticket
from support.platform_service import Running


def test_a_first_start_is_clean_and_a_second_continues(service: Running) -> None:
    first = service.start("ada")
    assert first.ticket.image.endswith("profiles/base@sha256:" + "b" * 64)
    assert first.ticket.generation == 1
    agent = service.agent()
    service.tell(first.ticket, "stop", {"generation": 1})
    agent.finish(agent.order(first.seen()), digest="sha256:" + "d" * 64)
    second = service.start("ada", profile="")
    assert second.ticket.generation == 2
    assert second.ticket.server_id == first.ticket.server_id
    assert second.ticket.image.endswith("@sha256:" + "d" * 64)
    assert second.ticket.relay_token != first.ticket.relay_token
    assert second.ticket.home_volume == first.ticket.home_volume


def test_a_clean_start_keeps_the_checkpoint(service: Running) -> None:
    started = service.start("ada")
    agent = service.agent()
    service.tell(started.ticket, "stop", {"generation": 1})
    agent.finish(agent.order())
    clean = service.start("ada", start="clean", profile="spark")
    assert clean.ticket.checkpoint is None
    assert "profiles/spark@" in clean.ticket.image
    ada = service.person("ada")
    assert len(ada("GET", f"/servers/{clean.id}/checkpoints").json()["items"]) == 1


@pytest.mark.parametrize(
    ("user", "fields", "status", "told"),
    [
        ("ada", {"groups": ("nobody",)}, 403, "no team"),
        ("ada", {"groups": ("physics", "biology")}, 422, "biology, physics"),
        ("ada", {"groups": ("biology",), "tenant": "physics"}, 403, "not a member"),
        ("ada", {"groups": ("biology",), "profile": "spark"}, 404, "offered: base"),
        ("ada", {"profile": "nothing"}, 404, "no profile"),
        ("ada", {"profile": ""}, 422, "base, spark"),
        ("ada", {"start": "checkpoint"}, 422, "checkpoint"),
        ("ada", {"start": "checkpoint", "checkpoint_id": "a123456789"}, 404, "no such checkpoint"),
        ("ada", {"start": "checkpoint", "checkpoint_id": "../../etc"}, 422, "not an id"),
        ("ada", {"profil": "base"}, 422, "did you mean"),
        ("..", {}, 422, "dot"),
        ("a/b", {}, 422, "slash"),
        ("ada\n", {}, 422, "invisible"),
        ("", {}, 422, "character"),
        ("a" * 256, {}, 422, "255"),
        ("ada", {"name": "Not-A-Name"}, 422, "server_name"),
        ("ada", {"name": "a--b"}, 422, "server_name"),
    ],
)
def test_a_refused_start_creates_nothing(
    service: Running, user: str, fields: dict[str, object], status: int, told: str
) -> None:
    answer = service.request_start(user, **{"profile": "base"} | fields)
    assert answer.status_code == status, answer.text
    assert told in answer.json()["detail"]
    assert service.person("root", admin=True)("GET", "/servers?everyone=true").json()["total"] == 0


def test_a_start_retried_after_a_timeout_leaves_one_generation_that_may_run(service: Running) -> None:
    lost = service.request_start("ada", profile="base").json()
    again = service.request_start("ada", profile="base").json()
    assert (lost["generation"], again["generation"]) == (1, 2)
    late = {"generation": 1, "node": "local", "container_id": "c" * 64, "gate_container_id": "d" * 64}
    refused = service.spawner("POST", f"/servers/{lost['server_id']}/started", json=late)
    assert refused.status_code == 409
    assert "not the newest" in refused.json()["detail"]


def test_a_running_container_is_adopted(service: Running) -> None:
    started = service.start("ada")
    again = service.request_start("ada", profile="base").json()
    assert again["adopt"] == started.container
    assert again["generation"] == started.ticket.generation
    assert again["relay_token"] not in ("", started.ticket.relay_token)
    assert service.ask("GET", "/api/v1/relay/me/server", started.ticket.relay_token).status_code == 401
    assert service.ask("GET", "/api/v1/relay/me/server", again["relay_token"]).json()["id"] == started.id


def test_a_start_waits_for_an_open_save(service: Running) -> None:
    started = service.start("ada")
    operation = service.tell(started.ticket, "stop", {"generation": 1})
    assert service.request_start("ada", profile="base").json()["wait_for"] == operation["id"]


def test_a_start_that_never_became_ready_is_removed_unsaved(service: Running) -> None:
    ticket = service.request_start("ada", profile="base").json()
    body = {"generation": 1, "node": "local", "container_id": "c" * 64, "gate_container_id": "d" * 64}
    service.spawner("POST", f"/servers/{ticket['server_id']}/started", json=body)
    again = service.request_start("ada", profile="base").json()
    agent = service.agent()
    order = agent.order()
    assert (str(order.kind), order.operation_id) == ("discard", again["wait_for"])
    agent.say(order, Step.RELEASED)
    assert service.request_start("ada", profile="base").json()["generation"] == 2


def test_a_start_that_is_being_discarded_never_becomes_ready(service: Running) -> None:
    """Ready, it would hold a person's work, and the agent that is late with the discard would remove it."""
    ticket = Ticket.model_validate(service.request_start("ada", profile="base").json())
    service.tell(
        ticket, "started", {"generation": 1, "node": "local", "container_id": "c" * 64, "gate_container_id": "d" * 64}
    )
    service.tell(ticket, "stop", {"generation": 1})
    answer = service.spawner("POST", f"/servers/{ticket.server_id}/ready", json={"generation": 1})
    assert answer.status_code == 409
    assert "discarded" in answer.json()["detail"]


def test_an_abandoned_start_changes_no_checkpoint_and_marks_a_missing_image(service: Running) -> None:
    started = service.start("ada")
    agent = service.agent()
    service.tell(started.ticket, "stop", {"generation": 1})
    agent.finish(agent.order())
    ticket = service.request_start("ada").json()
    body = {"generation": 2, "image_missing": True, "reason": "the registry does not have it"}
    assert service.spawner("POST", f"/servers/{started.id}/abandoned", json=body).json()["state"] == "asleep"
    saved = service.person("ada")("GET", f"/servers/{started.id}/checkpoints").json()["items"]
    assert [each["usable"] for each in saved] == [False]
    refused = service.request_start("ada")
    assert refused.status_code == 409, "never a silent clean start"
    assert "missing" in refused.json()["detail"]
    assert service.request_start("ada", start="clean", profile="base").json()["generation"] == ticket["generation"] + 1


def test_a_server_running_in_another_team_is_saved_first(service: Running) -> None:
    started = service.start("ada", groups=("physics", "biology"), tenant="physics")
    both = {"groups": ("physics", "biology"), "tenant": "biology", "profile": "base"}
    waiting = service.request_start("ada", **both).json()
    agent = service.agent()
    order = agent.order(started.seen())
    assert (str(order.kind), order.server_id, order.operation_id) == ("stop", started.id, waiting["wait_for"])
    agent.finish(order)
    there = service.request_start("ada", **both).json()
    assert there["server_id"] != started.id
    assert there["home_volume"] != started.ticket.home_volume


def test_two_spellings_of_one_name_are_not_two_people(service: Running) -> None:
    service.start("ada")
    refused = service.request_start("ADA", profile="base")
    assert refused.status_code == 403
    assert "spelling" in refused.json()["detail"]


def test_a_checkpoint_of_another_server_is_not_found(service: Running) -> None:
    ada = service.start("ada")
    agent = service.agent()
    service.tell(ada.ticket, "stop", {"generation": 1})
    agent.finish(agent.order())
    foreign = service.person("ada")("GET", f"/servers/{ada.id}/checkpoints").json()["items"][0]["id"]
    service.start("eve", name="x")
    refused = service.request_start("eve", start="checkpoint", checkpoint_id=foreign)
    assert refused.status_code == 404


def test_the_start_form_gets_what_it_needs(service: Running) -> None:
    started = service.start("ada")
    agent = service.agent()
    service.tell(started.ticket, "stop", {"generation": 1})
    agent.finish(agent.order())
    groups = {"groups": ["physics", "biology", "elsewhere"]}
    options = service.spawner("POST", "/users/ada/start-options", json={"server_name": ""} | groups).json()
    assert [each["name"] for each in options["tenants"]] == ["biology", "physics"]
    assert [card["name"] for card in options["tenants"][0]["profiles"]] == ["base"]
    assert len(options["tenants"][1]["checkpoints"]) == 1
    assert options["default"]["tenant"] == "physics"
