"""Rules of culling at the real API: told first, per profile, dry runs without effect, bounded keep-awake, GPU use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubernate_core.names import ServerId
from hubernate_core.operation import Step
from hubernate_hub.services import culling
from support.platform_service import Caller, Running, Started, eventually, running

RULES = {"idle_after": "PT1H", "rules": [{"profiles": ["spark"], "idle_after": "PT20M", "warn_before": "PT5M"}]}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """With its loops, and rules of profiles."""
    tenants = [{"name": "physics", "culling": RULES}, {"name": "biology"}]
    with running(tmp_path, loops=True, hub_every_s=1000, state={"tenants": tenants}) as found:
        yield found


def tells(service: Running, server: Started, **fields: Any) -> None:
    """The gate's report."""
    body = {"generation": server.ticket.generation} | fields
    answer = service.ask("POST", "/api/v1/gate/activity", server.ticket.relay_token, json=body)
    assert answer.status_code == 204, answer.text


def relay(service: Running, server: Started, verb: str, what: str, **options: Any) -> dict[str, Any]:
    """What the notebook is told."""
    answer = service.ask(verb, f"/api/v1/relay/me/{what}", server.ticket.relay_token, **options)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def shown(service: Running, person: Caller, server: Started) -> dict[str, Any]:
    found: dict[str, Any] = person("GET", f"/servers/{server.id}").json()
    return found


def test_a_person_is_warned_and_only_then_the_server_sleeps_by_its_profiles_rule(service: Running) -> None:
    ada, server = service.person("ada"), service.start("ada", profile="spark")
    agent = service.agent()
    service.clock.move(minutes=10)
    tells(service, server)
    assert relay(service, server, "GET", "sleep")["warn_in_s"] > 0
    assert not shown(service, ada, server)["warned"]
    service.clock.move(minutes=60)  # nobody looked for an hour: it is due, and its person was never told
    tells(service, server)
    eventually("told", lambda: shown(service, ada, server)["warned"])
    told = relay(service, server, "GET", "sleep")
    assert told["warn_in_s"] == 0 and 0 < told["sleeps_in_s"] <= 300
    assert told["because"] == "after 20 minutes without activity"
    assert agent.poll(server.seen(), wait_s=0.6).orders == ()
    service.clock.move(minutes=5)
    tells(service, server)
    order = eventually("an order", lambda: agent.poll(server.seen()).orders)[0]
    assert str(order.trigger) == "idle"
    assert relay(service, server, "GET", "sleep")["sleeps_in_s"] is None, "it is being saved: nothing to warn of"


def test_what_a_person_does_takes_the_warning_back(service: Running) -> None:
    ada, server = service.person("ada"), service.start("ada", profile="spark")
    service.clock.move(minutes=19)
    tells(service, server)
    eventually("told", lambda: shown(service, ada, server)["warned"])
    tells(service, server, person_age_s=0)
    eventually("no longer", lambda: not shown(service, ada, server)["warned"])
    assert relay(service, server, "GET", "sleep")["warn_in_s"] > 600


def test_keep_awake_from_the_notebook_holds_for_its_bound(service: Running) -> None:
    ada, server = service.person("ada"), service.start("ada")
    root = service.person("root", admin=True)
    assert root("PATCH", "/tenants/physics", json={"culling": {"keep_awake": "PT2H"}}).status_code == 200
    assert relay(service, server, "GET", "sleep")["keep_awake_minutes"] == 120
    too_long = service.ask("POST", "/api/v1/relay/me/keep-awake", server.ticket.relay_token, json={"minutes": 121})
    assert too_long.status_code == 422 and "between 0 and 120" in too_long.json()["detail"]
    assert relay(service, server, "POST", "keep-awake", json={"minutes": 120})["sleeps_in_s"] > 7000
    service.clock.move(minutes=90)
    assert relay(service, server, "POST", "keep-awake", json={"minutes": 120})["sleeps_in_s"] < 2500, (
        "a program that asks for ever keeps it no longer than the bound after its person left"
    )
    assert ada("POST", f"/servers/{server.id}/keep-awake", json={"minutes": 120}).status_code == 200
    assert relay(service, server, "GET", "sleep")["sleeps_in_s"] > 7000, "its person asked: they are there"


def test_a_program_that_asks_for_ever_does_not_outlive_the_maximum_age(service: Running) -> None:
    ada, server = service.person("ada"), service.start("ada")
    rule = {"culling": {"max_age": "PT8H", "warn_before": "PT10M"}}
    assert service.person("root", admin=True)("PATCH", "/tenants/physics", json=rule).status_code == 200
    agent = service.agent()
    agent.poll(server.seen())
    service.clock.move(hours=9)
    tells(service, server, kernels_busy=1)
    eventually("told", lambda: shown(service, ada, server)["warned"])
    for _ in range(3):
        service.clock.move(minutes=4)
        tells(service, server, kernels_busy=1)
        relay(service, server, "POST", "keep-awake", json={"minutes": 30})
    order = eventually("an order", lambda: agent.poll(server.seen()).orders)[0]
    assert str(order.trigger) == "max-age"


def test_keeping_awake_what_idles_takes_its_warning_back(service: Running) -> None:
    ada, server = service.person("ada"), service.start("ada", profile="spark")
    service.clock.move(minutes=19)
    tells(service, server)
    eventually("told", lambda: shown(service, ada, server)["warned"])
    assert ada("POST", f"/servers/{server.id}/keep-awake", json={"minutes": 30}).status_code == 200
    eventually("no longer", lambda: not shown(service, ada, server)["warned"])
    assert relay(service, server, "GET", "sleep")["warn_in_s"] > 600


def test_the_maximum_age_holds_where_the_gate_is_silent(service: Running) -> None:
    """Nobody can say whether somebody is at work, and here that does not matter."""
    ada, server = service.person("ada"), service.start("ada")
    rule = {"culling": {"idle_after": "PT30M", "max_age": "PT8H", "warn_before": "PT10M"}}
    assert service.person("root", admin=True)("PATCH", "/tenants/physics", json=rule).status_code == 200
    agent = service.agent()
    agent.poll(server.seen())
    service.clock.move(hours=1)
    assert agent.poll(server.seen(), wait_s=0.6).orders == (), "idle, perhaps: that is unknown"
    assert not shown(service, ada, server)["warned"]
    service.clock.move(hours=8)
    eventually("told", lambda: shown(service, ada, server)["warned"])
    service.clock.move(minutes=11)
    order = eventually("an order", lambda: agent.poll(server.seen()).orders)[0]
    assert str(order.trigger) == "max-age"


def test_a_gpu_that_nobody_uses_is_given_back_though_a_kernel_is_busy(service: Running) -> None:
    root, server = service.person("root", admin=True), service.start("ada")
    rule = {"culling": {"gpu_idle_after": "PT30M", "warn_before": "PT0S"}}
    assert root("PATCH", "/tenants/physics", json=rule).status_code == 200
    agent = service.agent()
    tells(service, server, kernels_busy=1, gpu=0.0)
    service.clock.move(minutes=20)
    tells(service, server, kernels_busy=1, gpu=0.5)
    service.clock.move(minutes=25)
    tells(service, server, kernels_busy=1, gpu=0.0)
    assert agent.poll(server.seen(), wait_s=0.6).orders == (), "it was used 25 minutes ago"
    service.clock.move(minutes=15)
    tells(service, server, kernels_busy=1)
    assert agent.poll(server.seen(), wait_s=0.6).orders == (), "its use cannot be read any more"
    tells(service, server, kernels_busy=1, gpu=0.0)
    service.clock.move(minutes=40)
    tells(service, server, kernels_busy=1, gpu=0.02)
    order = eventually("an order", lambda: agent.poll(server.seen()).orders)[0]
    assert str(order.trigger) == "gpu-idle"
    service.clock.move(seconds=5)
    tells(service, server, kernels_busy=1, gpu=0.9)
    assert agent.verify(order) == "keep", "it is used again"
    assert agent.report(order, Step.RELEASED, kept=True).status_code in (200, 409)


def test_a_gpu_that_is_first_read_while_it_is_saved_is_not_used_by_that(service: Running) -> None:
    ada, server = service.person("ada"), service.start("ada")
    agent = service.agent()
    service.clock.move(hours=1)
    tells(service, server)
    eventually("told", lambda: shown(service, ada, server)["warned"])
    service.clock.move(minutes=15)
    tells(service, server)
    order = eventually("an order", lambda: agent.poll(server.seen()).orders)[0]
    assert str(order.trigger) == "idle"
    service.clock.move(seconds=5)
    tells(service, server, gpu=0.0)  # thawed, it answers in time for the first time
    tells(service, server)
    tells(service, server, gpu=0.0)
    assert agent.verify(order) == "release", "nobody came back"


def test_a_save_that_fails_does_not_make_an_unused_gpu_used(service: Running) -> None:
    root, server = service.person("root", admin=True), service.start("ada")
    rule = {"culling": {"gpu_idle_after": "PT30M", "warn_before": "PT0S"}}
    assert root("PATCH", "/tenants/physics", json=rule).status_code == 200
    agent = service.agent()
    tells(service, server, kernels_busy=1, gpu=0.0)
    service.clock.move(minutes=40)
    tells(service, server, kernels_busy=1, gpu=0.0)
    order = eventually("an order", lambda: agent.poll(server.seen()).orders)[0]
    tells(service, server, kernels_busy=1)  # frozen, it does not say in time what its GPU does
    agent.say(order, Step.FAILED, reason="the registry is down")
    tells(service, server, kernels_busy=1, gpu=0.0)
    service.clock.move(minutes=20)
    tells(service, server, kernels_busy=1, gpu=0.0)
    order = eventually("another try", lambda: agent.poll(server.seen()).orders)[0]
    assert str(order.trigger) == "gpu-idle"


def test_one_server_that_cannot_be_judged_keeps_no_other_awake(
    service: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    odd, server = service.start("eve"), service.start("ada", profile="spark")
    judge = culling.outlooks

    def judged(activity: Any, rule: Any, which: str, now: Any) -> Any:
        if which == odd.id:
            raise OverflowError("date value out of range")
        return judge(activity, rule, ServerId(which), now)

    monkeypatch.setattr(culling, "outlooks", judged)
    agent = service.agent()
    service.clock.move(minutes=60)
    tells(service, server)
    eventually("told", lambda: shown(service, service.person("ada"), server)["warned"])
    service.clock.move(minutes=6)
    tells(service, server)
    (order,) = eventually("an order", lambda: agent.poll(server.seen(), odd.seen()).orders)
    assert order.server_id == server.id
    assert [each for each in caplog.records if each.exc_info and each.__dict__.get("server") == odd.id]
    assert service.inside.metrics.loop_failures.labels("culling")._value.get() > 0, "and it shows"


def test_a_dry_run_says_who_would_sleep_and_changes_nothing(service: Running) -> None:
    root = service.person("root", admin=True)
    servers = {name: service.start(name, profile=profile) for name, profile in (("ada", "base"), ("eve", "spark"))}
    service.clock.move(minutes=25)
    for server in servers.values():
        tells(service, server)
        service.agent().poll(*(each.seen() for each in servers.values()))
    found = root("POST", "/tenants/physics/culling/preview", json={}).json()
    by_user = {each["user"]: each for each in found["items"]}
    assert (by_user["ada"]["rule"], by_user["ada"]["state"]) == ("culling", "later")
    assert by_user["eve"]["rule"] == "culling.rules.0"
    assert by_user["eve"]["because"] == "after 20 minutes without activity"
    tried = {"culling": {"idle_after": "PT5M", "warn_before": "PT0S", "rules": None}}
    found = root("POST", "/tenants/physics/culling/preview", json=tried).json()
    assert {each["state"] for each in found["items"]} == {"now"} and found["asleep_now"] == 2
    assert root("GET", "/tenants/physics").json()["culling"]["idle_after"] == "PT1H"
    assert {root("GET", f"/servers/{each.id}").json()["operation"] for each in servers.values()} == {None}


def test_a_dry_run_refuses_what_a_change_would_refuse(service: Running) -> None:
    root = service.person("root", admin=True)
    root("PUT", "/tenants/physics/members/ada", json={"role": "admin"})
    root("PATCH", "/tenants/physics", json={"bounds": {"idle_after_max": "PT2H"}})
    ada = service.person("ada", groups=("physics",))
    refused = ada("POST", "/tenants/physics/culling/preview", json={"culling": {"idle_after": "PT3H"}})
    assert refused.status_code == 422 and refused.json()["field"] == "culling.idle_after"
    wrong = ada("POST", "/tenants/physics/culling/preview", json={"culling": {"working_hours": "9 to 5"}})
    assert wrong.status_code == 422 and wrong.json()["field"] == "culling.working_hours"
    assert ada("POST", "/tenants/biology/culling/preview", json={}).status_code == 404


def test_no_node_saves_more_at_once_than_it_may(tmp_path: Path) -> None:
    tenants = [{"name": "physics", "culling": {"max_age": "PT1H", "warn_before": "PT0S"}}]
    with running(
        tmp_path,
        loops=True,
        hub_every_s=1000,
        cull_at_once_per_node=1,
        state={"tenants": tenants, "nodes": ("n1", "n2")},
    ) as service:
        for number in range(4):
            service.start(f"user{number}", node=f"n{number % 2 + 1}")
        agents = [service.agent(node) for node in ("n1", "n2")]
        service.clock.move(hours=2)
        for agent in agents:
            eventually("an order", lambda agent=agent: len(agent.poll().orders) == 1)
        agents[0].finish(agents[0].poll().orders[0])
        eventually("the next of that node", lambda: len(agents[0].poll().orders) == 1)
        assert len(agents[1].poll().orders) == 1
