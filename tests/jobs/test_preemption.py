"""A job of high priority takes the place of a low one, which goes on later with what it had."""

from functools import partial

import pytest

from support.jobs import Site
from support.platform_service import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
soon = partial(eventually, timeout_s=120)


def test_a_low_job_makes_room_and_goes_on_with_its_outputs(place: Site) -> None:
    ada, eve = place.member("ada"), place.member("eve")
    root = place.service.person("root", admin=True)
    assert root("PATCH", "/tenants/physics", json={"quota": {"jobs": 1}}).status_code == 200
    # Like a training that writes a checkpoint, and ends well when it is told to stop.
    script = "trap 'exit 0' TERM; echo $HUBERNATE_JOB_ATTEMPT >> seen; cat seen; [ $(wc -l < seen) = 2 ] && exit 0; "
    low = ada.submit(script + "while :; do sleep 0.1; done", outputs=["seen"], priority="low")
    ada.until(low, "running")
    soon("it has begun", lambda: ada.log(low) == b"1\n")
    high = eve.submit("sleep 300", priority="high")
    found = soon("it waits", lambda: (seen := eve.job(high))["position"] and seen)
    assert "uses 1 of 1 running jobs" in found["why"], "a team that did not ask for it has none stopped"
    later = ada.submit("true", priority="low")
    assert root("PATCH", "/tenants/physics", json={"preemption": True}).status_code == 200
    eve.until(high, "running")
    waits = ada.job(low)
    assert (waits["state"], waits["preempted"], waits["position"]) == ("queued", 1, 1), "in front of its own priority"
    assert "it made room for a job of higher priority" in waits["why"]
    assert ada.get(f"{low}/output", params={"path": "seen"}).content == b"1\n", "kept meanwhile"
    eve.cancel(high)
    eve.until(high)
    done = ada.until(low)
    assert (done["state"], done["attempt"]) == ("succeeded", 2), "no retry was needed"
    assert ada.log(low) == b"1\n2\n", "what it had written was there"
    assert [each["end"] for each in done["attempts"]] == ["preempted", "succeeded"]
    assert ada.until(later)["started_at"] > done["started_at"]
    entries = root("GET", "/audit").json()["items"]
    assert [each["after"] for each in entries if each["action"] == "job.preempt"] == [{"for": high}]
    place.is_empty()


def test_who_forbade_it_is_not_stopped(place: Site) -> None:
    ada = place.member("ada")
    root = place.service.person("root", admin=True)
    root("PATCH", "/tenants/physics", json={"quota": {"jobs": 2}, "preemption": True})
    stays = ada.submit("sleep 100", priority="low", preemptible=False)
    ada.until(stays, "running")
    same = ada.submit("sleep 100", priority="normal")
    ada.until(same, "running")
    normal = ada.submit("true", priority="normal")
    soon("it waits", lambda: ada.job(normal)["position"] == 1)
    high = ada.submit("true", priority="high")
    ada.until(high)
    assert ada.job(same)["preempted"] == 1
    assert (ada.job(stays)["state"], ada.job(stays)["preempted"]) == ("running", 0)
    for each in (stays, same, normal):
        ada.cancel(each)
        ada.until(each, "cancelled", "succeeded")


def test_one_that_waits_for_its_persons_own_limit_does_not_stand_before_others(place: Site) -> None:
    ada, bob, eve = (place.member(name) for name in ("ada", "bob", "eve"))
    rules = {"quota": {"jobs": 2, "per_user": {"jobs": 1}}, "preemption": True}
    assert place.service.person("root", admin=True)("PATCH", "/tenants/physics", json=rules).status_code == 200
    first, low = ada.submit("sleep 900", priority="high"), bob.submit("sleep 900", priority="low")
    ada.until(first, "running")
    bob.until(low, "running")
    second = ada.submit("true", priority="high")
    soon("it waits", lambda: ada.job(second)["position"] == 1)
    assert eve.until(eve.submit("true"))["state"] == "succeeded"
    assert bob.job(low)["preempted"] == 1, bob.job(low)["why"]
    assert ada.job(second)["state"] == "queued"
    for who, job in ((ada, second), (ada, first), (bob, low)):
        who.cancel(job)
        who.until(job, "cancelled")
