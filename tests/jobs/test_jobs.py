"""Jobs on the real engine, by the API: run, repeated, refused, ended, retried; what they leave."""

import pytest

from hubernate_core.errors import Unavailable
from hubernate_hub.jobs import files
from support.jobs import Site
from support.platform_service import eventually

pytestmark = pytest.mark.docker


def test_a_script_runs_with_its_arguments_and_leaves_log_and_output(place: Site) -> None:
    ada = place.member("ada")
    script = 'printf "%s|" "$@"; mkdir -p out/deep; echo result > out/deep/a.txt; cat data.txt'
    args = ["a b", "$(touch /tmp/x)", "é"]
    job = ada.submit(script, args=args, more={"data.txt": "from a file\n"}, outputs=["out"], name="first")
    done = ada.until(job)
    assert (done["state"], done["exit_code"], done["label"]) == ("succeeded", 0, "first")
    assert ada.log(job).decode() == "a b|$(touch /tmp/x)|é|from a file\n"
    assert done["outputs"] == [{"path": "out/deep/a.txt", "size": 7}]
    assert ada.get(f"{job}/output", params={"path": "out/deep/a.txt"}).content == b"result\n"
    place.is_empty()


def test_it_is_hardened_as_a_notebook_is_and_holds_no_token(place: Site) -> None:
    ada = place.member("ada")
    job = ada.submit("sleep 100")
    ada.until(job, "running")
    (container,) = place.containers()
    host, config = container.attrs["HostConfig"], container.attrs["Config"]
    assert (host["CapDrop"], host["SecurityOpt"], host["Privileged"]) == (["ALL"], ["no-new-privileges"], False)
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (64 * 1024**2, 64 * 1024**2, 500_000_000)
    assert host["PidsLimit"] == 1024
    assert config["User"] == "1000:1000"
    assert config["Image"].partition("@")[2].startswith("sha256:")
    (network,) = container.attrs["NetworkSettings"]["Networks"]
    assert network == f"{place.instance}-net-{container.labels['io.hubernate.tenant']}"
    assert not [each for each in config["Env"] if "TOKEN" in each or "JUPYTERHUB" in each]
    ada.cancel(job)
    ada.until(job)


def test_the_same_request_again_is_the_same_job(place: Site) -> None:
    ada, eve = place.member("ada"), place.member("eve")
    body = ada.body("echo once >> /job/seen; cat /job/seen", outputs=["seen"])
    answers = [ada.post(body) for _ in range(4)]
    assert [each.status_code for each in answers] == [202] * 4
    assert ada.until(body["id"])["outputs"] == [{"path": "seen", "size": 5}]
    assert ada.post(body).json()["state"] == "succeeded", "also when it is over"
    other = ada.post(body | {"name": "another"})
    assert other.status_code == 409
    assert "another job" in other.json()["detail"]
    assert eve.post(eve.body("echo mine", id=body["id"])).status_code == 409
    assert ada.get("").json()["total"] == 1


def test_what_cannot_run_is_refused_with_the_field_named(place: Site) -> None:
    ada = place.member("ada")
    good = ada.body("true")

    def refused(**changes: object) -> str:
        answer = ada.post(good | changes)
        assert answer.status_code in (404, 409, 422), answer.text
        return str(answer.json()["detail"])

    assert refused(id="NOT-AN-ID").startswith("id")
    assert "retries" in refused(retries=-1)
    assert "retries" in refused(retries=10**9)
    assert "timeout_s" in refused(timeout_s=0)
    assert "outputs" in refused(outputs=["../../etc/passwd"])
    assert "outputs" in refused(outputs=["/etc/passwd"])
    assert "outputs" in refused(outputs=[".hubernate/x"])
    assert "work.script" in refused(work={"kind": "script", "script": "../run.sh"})
    assert ".py or .sh" in refused(work={"kind": "script", "script": "run.exe"})
    assert "work.args" in refused(work={"kind": "script", "script": "run.sh", "args": ["x" * 200_000]})
    assert "kind" in refused(work={"kind": "shell", "script": "run.sh"})
    assert "env" in refused(env="somewhere")
    assert "no notebook does" in refused(env="current", profile="")
    assert "no such checkpoint" in refused(env="checkpoint:c123456789")
    assert "are not here" in refused(files="0" * 64)
    assert "files" in refused(files="")
    assert "offered: base" in refused(profile="gpu")
    assert ada.get("").json()["total"] == 0


def test_one_that_could_never_start_is_refused_with_the_quota(place: Site) -> None:
    place.service.person("root", admin=True)("PATCH", "/tenants/physics", json={"quota": {"memory": "32Mi"}})
    ada = place.member("ada")
    answer = ada.post(ada.body("true"))
    assert answer.status_code == 409
    assert "memory" in answer.json()["detail"]
    assert answer.json()["shortfalls"][0]["limit"] == 32 * 1024**2


def test_a_failure_is_tried_again_and_told(place: Site) -> None:
    ada = place.member("ada")
    job = ada.submit('echo "attempt $HUBERNATE_JOB_ATTEMPT"; echo kept > kept; exit 3', retries=1, outputs=["kept"])
    done = ada.until(job)
    assert (done["state"], done["attempt"], done["exit_code"]) == ("failed", 2, 3)
    assert "exit code 3" in done["why"]
    assert ada.log(job) == b"attempt 2\n"
    assert done["outputs"] == [{"path": "kept", "size": 5}], "kept also when it fails"
    fine = ada.submit('[ "$HUBERNATE_JOB_ATTEMPT" = 2 ]', retries=3)
    assert ada.until(fine)["attempt"] == 2


def test_its_time_and_its_memory_are_limited(place: Site) -> None:
    ada = place.member("ada")
    slow = ada.submit("echo begun; sleep 100", timeout_s=1)
    greedy = ada.submit("head -c 300000000 /dev/zero | sort")
    done = ada.until(slow)
    assert (done["state"], ada.log(slow)) == ("failed", b"begun\n")
    assert "after 1 s, its timeout" in done["why"]
    assert "out of memory (its limit is 64Mi)" in ada.until(greedy)["why"]


def test_it_is_ended_in_every_state(place: Site) -> None:
    ada = place.member("ada")
    place.service.person("root", admin=True)("PATCH", "/tenants/physics", json={"quota": {"jobs": 1}})
    first = ada.submit("echo begun; trap '' TERM; echo part > part; sleep 100 & wait; sleep 100", outputs=["part"])
    ada.until(first, "running")
    waiting = ada.submit("echo never")
    found = ada.until(waiting, "queued")
    assert ada.cancel(waiting)["state"] == "cancelled", "one that waits is over at once"
    assert found["state"] == "queued"
    asked = ada.cancel(first)
    assert (asked["state"], asked["cancelling"]) == ("running", True), "not said before it is true"
    done = ada.until(first)
    assert (done["state"], done["why"]) == ("cancelled", "cancelled by ada")
    assert done["outputs"] == [{"path": "part", "size": 5}]
    place.is_empty()
    starting = ada.submit("sleep 100")
    ada.cancel(starting)
    assert ada.until(starting)["state"] == "cancelled"
    assert ada.cancel(starting)["state"] == "cancelled", "again, nothing happens"
    good = ada.submit("true")
    ada.until(good)
    assert ada.cancel(good)["state"] == "succeeded", "a result is final"


def test_an_attempt_that_cannot_be_brought_to_its_end_is_given_up(place: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = place.member("ada")

    async def fails(*_: object) -> None:
        raise Unavailable("could not keep the job's outputs")

    async def broken(*_: object) -> None:
        raise ValueError("no job is like this")

    engine = place.service.inside.jobs.engine  # type: ignore[union-attr]
    monkeypatch.setattr(engine, "copy", fails)
    job = ada.submit("echo x > out", outputs=["out"])
    done = ada.until(job)
    assert (done["state"], done["exit_code"], done["outputs"]) == ("succeeded", 0, [])
    assert done["left_out"] == ["nothing of the outputs could be kept: could not keep the job's outputs"]
    monkeypatch.setattr(engine, "put", broken)
    stuck = ada.submit("true")
    eventually("it was made", lambda: ada.job(stuck)["state"] == "starting" and place.containers())
    ada.cancel(stuck)
    assert ada.until(stuck)["state"] == "cancelled"
    place.is_empty()


def test_outputs_of_earlier_attempts_are_not_kept_and_none_on_a_full_disk(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = place.member("ada")
    job = ada.submit('echo "$HUBERNATE_JOB_ATTEMPT" > out; exit 1', outputs=["out"], retries=1)
    assert ada.until(job)["outputs"] == [{"path": "out", "size": 2}]
    assert ada.get(f"{job}/output", params={"path": "out"}).content == b"2\n"
    folder = place.service.folder / "service" / "jobs" / job
    assert [each.name for each in folder.glob("outputs-*")] == ["outputs-2"]
    body = ada.body("echo x > out", outputs=["out"])
    monkeypatch.setattr(files, "FREE_MIN", 1.1)
    assert ada.post(body).status_code == 202
    assert "disk is nearly full" in ada.until(body["id"])["left_out"][0]
    refused = ada.send(b"anything")
    assert (refused.status_code, "disk is nearly full" in refused.json()["detail"]) == (503, True)


def test_it_says_why_it_waits_and_higher_priorities_go_first(place: Site) -> None:
    ada, eve = place.member("ada"), place.member("eve")
    place.service.person("root", admin=True)("PATCH", "/tenants/physics", json={"quota": {"jobs": 1}})
    first = ada.submit("while [ ! -e /job/go ]; do sleep 0.1; done")
    ada.until(first, "running")
    low = ada.submit("true", priority="low")
    normal = eve.submit("true")
    high = ada.submit("true", priority="high")

    def places() -> list[int]:
        return [each.job(job)["position"] for each, job in ((ada, high), (eve, normal), (ada, low))]

    eventually("all have a place", lambda: places() == [1, 2, 3])
    assert "uses 1 of 1 running jobs (ada 1)" in ada.job(low)["why"]
    ada.cancel(first)
    started = [each.until(job)["started_at"] for each, job in ((ada, high), (eve, normal), (ada, low))]
    assert started == sorted(started)


def test_nobody_fills_the_line_of_their_team(place: Site) -> None:
    ada, eve = place.member("ada"), place.member("eve")
    place.service.inside.jobs.settings.waiting_of_person_max = 2  # type: ignore[union-attr]
    place.service.person("root", admin=True)("PATCH", "/tenants/physics", json={"quota": {"jobs": 1}})
    first = ada.submit("sleep 100")
    ada.until(first, "running")
    waiting = [ada.submit("true") for _ in range(2)]
    refused = ada.post(ada.body("true"))
    assert (refused.status_code, "2 jobs of yours wait already" in refused.json()["detail"]) == (409, True)
    eve.submit("true")
    ada.cancel(waiting[0])
    ada.submit("true")
    ada.cancel(first)


def test_another_team_sees_nothing_of_it(place: Site) -> None:
    ada, boss = place.member("ada"), place.member("boss")
    bob = place.member("bob", "biology")
    root = place.service.person("root", admin=True)
    root("PUT", "/tenants/physics/members/boss", json={"role": "admin"})
    job = ada.submit("echo secret; echo secret > out", outputs=["out"])
    ada.until(job)
    eve = place.member("eve")
    for other in (bob, eve):
        nothing = other.get("j123456789")
        for path in (job, f"{job}/log", f"{job}/output?path=out"):
            found = other.get(path)
            assert (found.status_code, found.json()["detail"]) == (404, nothing.json()["detail"])
        assert other.ask("POST", f"/tenants/{other.tenant}/jobs/{job}/cancel").status_code == 404
        again = other.ask("POST", f"/tenants/{other.tenant}/jobs/{job}/rerun", json={"id": "j987654321"})
        assert again.status_code == 404
        assert other.get("").json()["items"] == []
    assert bob.ask("GET", f"/tenants/physics/jobs/{job}").status_code == 404
    assert eve.get("?everyone=true").status_code == 403
    digest = ada.job(job)["request"]["files"]
    assert eve.post(eve.body("true") | {"files": digest}).status_code == 404, "nor its files, by their digest"
    assert boss.log(job) == b"secret\n", "an admin of the team does"
    assert boss.get("?everyone=true").json()["total"] == 1


def test_it_runs_again_as_it_was(place: Site) -> None:
    ada = place.member("ada")
    first = ada.submit("cat data; exit 1", more={"data": "same"}, args=["x"])
    ada.until(first)
    again = ada.ask("POST", f"/tenants/physics/jobs/{first}/rerun", json={"id": "j234567890"})
    assert again.status_code == 202, again.text
    assert ada.until("j234567890")["request"]["work"]["args"] == ["x"]
    assert ada.log("j234567890") == b"same"


def test_a_job_is_forgotten_after_its_time_and_a_team_with_jobs_is_not_deleted(place: Site) -> None:
    ada, root = place.member("ada"), place.service.person("root", admin=True)
    place.service.inside.jobs.settings.keep_days = 10  # type: ignore[union-attr]
    job = ada.submit("sleep 100; echo x > out", outputs=["out"])
    refused = root("POST", "/tenants/physics/deletion")
    assert refused.status_code == 409
    assert "ada's job run.sh" in refused.json()["detail"]
    ada.until(job, "running")
    ada.cancel(job)
    ada.until(job)
    folder = place.service.folder / "service" / "jobs" / job
    assert folder.is_dir()
    place.service.clock.move(days=11)
    place.service.inside.jobs.swept_at = float("-inf")  # type: ignore[union-attr]  # not only once a minute
    eventually("it is forgotten", lambda: ada.get(job).status_code == 404 and not folder.exists())
