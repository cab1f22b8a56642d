"""Chains on the real engine: in order, also when the service is another one meanwhile; ended where one before fails."""

from pathlib import Path

import pytest

from hubernate_core.names import JOB_LABEL, new_id
from support.engine import BaseImage
from support.jobs import Client, Site, clean, profiles
from support.platform_service import Running, eventually, running

pytestmark = pytest.mark.docker


_WAITS = "until [ -e go ]; do sleep 0.2; done"


def go(place: Site, job: str) -> None:
    """Let a job go on that waits to be told."""
    (container,) = [each for each in place.containers() if each.labels[JOB_LABEL] == job]
    assert container.exec_run(["touch", "/job/go"]).exit_code == 0


def test_they_run_one_after_the_other_though_the_service_is_started_anew(tmp_path: Path, image: BaseImage) -> None:
    instance = f"chain{new_id()[:5]}"
    settings = {"instance": instance, "registry": image.registry, "state": {"profiles": profiles(image)}}

    def ada(service: Running) -> Client:
        return Client(service.person("ada", groups=("physics",)))

    with clean(instance):
        with running(tmp_path, loops=True, **settings) as service:
            first = ada(service).submit(_WAITS)
            other = ada(service).submit("true", name="other")
            second = ada(service).submit("true", after=[first, other])
            third = ada(service).submit("true", after=[second])
            ada(service).until(first, "running")
            ada(service).until(other)
            eventually(
                "it says so",
                lambda: ada(service).job(second)["why"] == f"It waits for run.sh ({first}) to succeed.",
            )
        with running(tmp_path, loops=True, **settings) as service:
            assert ada(service).job(second)["state"] == "queued"
            go(Site(service, instance, tmp_path), first)
            found = [ada(service).until(each) for each in (first, second, third)]
    assert [each["state"] for each in found] == ["succeeded"] * 3
    assert found[0]["finished_at"] <= found[1]["started_at"]
    assert found[1]["finished_at"] <= found[2]["started_at"]
    assert [each["attempt"] for each in found] == [1, 1, 1]


def test_where_one_does_not_succeed_those_after_it_never_start(place: Site) -> None:
    ada, eve = place.member("ada"), place.member("eve")
    bad = ada.submit(f'[ "$HUBERNATE_JOB_ATTEMPT" = 1 ] || {{ {_WAITS}; }}; exit 3', name="prepare", retries=1)
    after = ada.submit("true", after=[bad])
    last = ada.submit("true", after=[after])
    slow = ada.submit("sleep 100")
    waits = ada.submit("true", after=[slow])
    assert ada.post(ada.body("true", after=["j123456789"])).status_code == 404
    foreign = eve.post(eve.body("true", after=[slow]))
    assert (foreign.status_code, "no such job" in foreign.json()["detail"]) == (404, True), "somebody else's is none"
    eventually("it is tried again", lambda: ada.job(bad)["attempt"] == 2 and ada.job(bad)["state"] == "running")
    assert ada.job(after)["state"] == "queued", "a retry is waited for"
    go(place, bad)
    ended = ada.until(after)
    assert (ended["state"], ended["attempt"]) == ("failed", 0)
    assert ended["why"] == f"it was to run after prepare ({bad}), which failed; it was not started"
    assert f"run.sh ({after}), which failed" in ada.until(last)["why"]
    ada.cancel(slow)
    assert f"({slow}), which was cancelled" in ada.until(waits)["why"]
    refused = ada.post(ada.body("true", after=[bad]))
    assert (refused.status_code, "which failed; nothing was submitted" in refused.json()["detail"]) == (409, True)
    again = ada.ask("POST", f"/tenants/physics/jobs/{after}/rerun", json={"id": "j234567890"})
    assert again.status_code == 202, again.text
    assert ada.until("j234567890")["state"] == "succeeded", "who runs it again means it"
    place.is_empty()


def test_what_a_job_still_waits_for_is_not_forgotten(place: Site) -> None:
    ada, inside = place.member("ada"), place.service.inside.jobs
    assert inside is not None
    inside.settings.keep_days = 10
    first, gone = ada.submit("true"), ada.submit("true", name="gone")
    slow = ada.submit(_WAITS, timeout_s=30 * 24 * 3600)
    last = ada.submit("true", after=[first, slow])
    for job, state in ((first, "succeeded"), (gone, "succeeded"), (slow, "running")):
        ada.until(job, state)
    place.service.clock.move(days=11)
    inside.swept_at = float("-inf")  # not only once a minute, unless one is under way just now
    eventually("the other one is", lambda: ada.get(gone).status_code == 404, timeout_s=120)
    go(place, slow)
    assert ada.until(last)["state"] == "succeeded"
    inside.swept_at = float("-inf")
    eventually("nobody waits for it any more", lambda: ada.get(first).status_code == 404, timeout_s=120)
