"""A job in the notebook's own environment: saved first where it changed, and not where it did not."""

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from hubernate_core.names import new_id
from hubernate_core.operation import Step
from hubernate_hub.store import jobs
from support.engine import BaseImage
from support.jobs import Site, site, tar_of
from support.platform_service import STOPPING, Started, eventually, saved

pytestmark = pytest.mark.docker
_FILES = tar_of({"run.sh": "echo hello"})


@pytest.fixture
def started(place: Site) -> Started:
    """Ada's notebook, as the spawner and the agent report it."""
    return place.service.start("ada")


def notebook(place: Site, token: str, method: str, path: str, **options: Any) -> httpx.Response:
    """What ada's notebook sends through its gate's relay."""
    return place.service.ask(method, f"/api/v1/relay/jobs{path}", token, **options)


def submit(place: Site, token: str) -> dict[str, Any]:
    digest = hashlib.sha256(_FILES).hexdigest()
    assert notebook(place, token, "PUT", f"/files/{digest}", content=_FILES).status_code == 204
    body = {"id": new_id(), "work": {"kind": "script", "script": "run.sh"}, "files": digest}
    answer = notebook(place, token, "POST", "", json=body)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_it_waits_for_the_save_and_runs_in_it_by_digest(place: Site, started: Started, image: BaseImage) -> None:
    token, agent = started.ticket.relay_token, place.service.agent()
    first = submit(place, token)
    assert (first["state"], first["image"]) == ("queued", "")
    assert "is being saved; the notebook goes on" in first["why"]
    order = agent.order(started.seen())
    assert (str(order.kind), str(order.trigger), order.unless_still) == ("save", "job", "")
    second = submit(place, token)
    assert second["operation_id"] == first["operation_id"], "the second waits for the same save"
    made = saved()
    for step in STOPPING:
        agent.say(order, step)
    assert agent.say(order, Step.VERIFIED, saved=made) == "keep"
    (checkpoint,) = place.service.person("ada", groups=("physics",))(
        "GET", f"/servers/{started.id}/checkpoints"
    ).json()["items"]
    ada = place.member("ada")
    found = ada.until(first["id"], "queued", "starting", "failed")
    assert found["operation_id"] == first["operation_id"]
    (again,) = eventually("it looks again", lambda: agent.poll(started.seen(), wait_s=5).orders)
    assert ada.job(second["id"])["state"] == "queued", "that save may have looked before it was submitted"
    assert again.unless_still == made["digest"], "nothing is saved if the newest checkpoint still holds all"
    assert agent.say(again, Step.VERIFIED, still=made["digest"]) == "keep"
    done = ada.until(second["id"])
    assert done["image"].endswith(f"@{made['digest']}")
    assert done["checkpoint_id"] == checkpoint["id"]
    listed = place.service.person("ada", groups=("physics",))("GET", f"/servers/{started.id}/checkpoints").json()
    assert listed["total"] == 1, "no second checkpoint"
    assert "the registry does not have" in done["why"], "here nobody pushed it"


def test_a_save_that_fails_fails_the_job_and_says_why(place: Site, started: Started) -> None:
    job = submit(place, started.ticket.relay_token)
    agent = place.service.agent()
    order = agent.order(started.seen())
    agent.say(order, Step.FAILED, reason="the registry was away. The server runs on, nothing was lost")
    done = place.member("ada").until(job["id"])
    assert done["state"] == "failed"
    assert "could not be saved: the registry was away" in done["why"]


def test_a_checkpoint_that_a_job_waits_for_is_not_deleted(place: Site, started: Started) -> None:
    root = place.service.person("root", admin=True)
    ada, agent = place.member("ada"), place.service.agent()
    ada.ask("POST", f"/servers/{started.id}/operations", json={"kind": "save"})
    agent.finish(agent.order(started.seen()))
    ada.ask("POST", f"/servers/{started.id}/operations", json={"kind": "save"})
    agent.finish(agent.order(started.seen()))
    _, older = ada.ask("GET", f"/servers/{started.id}/checkpoints").json()["items"]
    root("PATCH", "/tenants/physics", json={"quota": {"jobs": 0}})
    refused = ada.post(ada.body("true", env=f"checkpoint:{older['id']}", profile=""))
    assert refused.status_code == 409, "no job could ever start"
    root("PATCH", "/tenants/physics", json={"quota": {"jobs": 1}})
    blocker = ada.submit("sleep 100")
    ada.until(blocker, "running")
    job = ada.submit("true", env=f"checkpoint:{older['id']}", profile="")
    kept = ada.ask("DELETE", f"/checkpoints/{older['id']}")
    assert kept.status_code == 409
    assert "a job or a schedule stands on this checkpoint" in kept.json()["detail"]
    ada.cancel(job)
    assert ada.ask("DELETE", f"/checkpoints/{older['id']}").status_code == 204
    ada.cancel(blocker)
    ada.until(blocker)


def test_a_job_of_somebody_who_left_the_team_is_not_started(place: Site, started: Started) -> None:
    job, agent, ada = submit(place, started.ticket.relay_token), place.service.agent(), place.member("ada")
    place.service.hub.groups["ada"] = ["chemistry"]
    agent.finish(agent.order(started.seen()))
    found = place.service.inside
    eventually("it is ended", lambda: (row := found.store.now(jobs.get, job["id"])) and row.course.state.over)
    place.service.hub.groups["ada"] = ["physics"]
    told = ada.job(job["id"])
    assert (told["state"], told["why"]) == ("failed", "ada is no longer in the team; it was not started")
    assert not place.containers()


def test_on_kubernetes_it_says_that_jobs_are_not_there_yet(tmp_path: Path, image: BaseImage) -> None:
    with site(tmp_path, image) as place:
        place.service.inside.jobs = None  # as `build_context` leaves it there
        answer = place.member("ada").get("")
    assert answer.status_code == 409
    assert "on the Docker backend only so far" in answer.json()["detail"]
