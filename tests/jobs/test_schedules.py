"""Schedules: real jobs by the clock, once each, whatever happens; paused, passed over, kept, deleted."""

import hashlib
import os
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from hubernate_core.names import ScheduleId, new_id
from hubernate_hub.context import Work
from hubernate_hub.services import retention, schedule_times
from hubernate_hub.store import schedules
from support.engine import BaseImage
from support.fake_hub import FakeHub
from support.job_process import process
from support.jobs import Client, Site, clean, profiles, tar_of
from support.platform_service import Running, eventually, running

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
soon = partial(eventually, timeout_s=120)
FAR = datetime.now(UTC) + timedelta(days=182)
YEARLY = f"0 0 {min(FAR.day, 28)} {FAR.month} *"
"""A time that no test comes to by itself."""


@pytest.fixture
def place(place: Site) -> Site:
    """A service whose clock shows noon: no time of these tests comes by itself."""
    now = place.service.clock()
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
    place.service.clock.move(seconds=(noon - now).total_seconds())
    return place


def body(who: Client, script: str = "true", *, cron: str = YEARLY, **values: Any) -> dict[str, Any]:
    names = ("zone", "overlap", "missed", "notify", "follow")
    timing = {name: values.pop(name) for name in names if name in values}
    key = new_id()
    return {"id": key, "cron": cron, "job": who.body(script, **values) | {"id": key}} | timing


def ask(who: Client, method: str, path: str = "", **options: Any) -> httpx.Response:
    return who.ask(method, f"/tenants/{who.tenant}/schedules{path}", **options)


def make(who: Client, *args: Any, **values: Any) -> str:
    answer = ask(who, "POST", json=body(who, *args, **values))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def look(who: Client, schedule: str) -> dict[str, Any]:
    found: dict[str, Any] = ask(who, "GET", f"/{schedule}").json()
    return found


def come(place: Site, who: Client, schedule: str) -> str:
    """Let the next time come; that time."""
    time = str(look(who, schedule)["next"][0])
    now = place.service.clock()
    place.service.clock.move(seconds=(datetime.fromisoformat(time) - now).total_seconds() + 1)
    return time


def ran(who: Client, schedule: str, time: str) -> str:
    """The job that runs for a time, once there is one."""

    def job() -> str | None:
        found = look(who, schedule)
        return str(found["job_id"]) if found["ran_for"] == time else None

    return str(soon(f"it runs for {time}", job))


def decided(who: Client, schedule: str, time: str) -> dict[str, Any]:
    """The schedule, once it waits for another time than this one."""
    return dict(
        soon(
            "that time is decided",
            lambda: (found := look(who, schedule))["next"][:1] != [time] and found,
            timeout_s=120,
        )
    )


def test_it_runs_at_its_time_with_its_variables_and_each_time_once(place: Site) -> None:
    ada = place.member("ada")
    args = ["{date}", "{yesterday:%Y%m%d}", "{datetime}"]
    key = make(ada, 'echo "$@"', args=args, cron="0 7 * * *", zone="Asia/Kathmandu", name="report")
    first = come(place, ada, key)
    assert first.endswith("T07:00:00+05:45"), "told in its own zone"
    job = ran(ada, key, first)
    done = ada.until(job)
    day = datetime.fromisoformat(first)
    before = (day - timedelta(days=1)).strftime("%Y%m%d")
    assert ada.log(job).decode() == f"{day.date()} {before} {first}\n"
    assert (done["state"], done["label"]) == ("succeeded", "report")
    place.service.inside.bell.ring("schedules")
    assert ada.get("").json()["total"] == 1
    second = come(place, ada, key)
    assert ran(ada, key, second) != job
    assert datetime.fromisoformat(second) - day == timedelta(days=1)
    ada.until(look(ada, key)["job_id"])
    assert ada.get("").json()["total"] == 2
    entries = place.service.person("root", admin=True)("GET", "/audit").json()["items"]
    assert [each["origin"] for each in entries if each["action"] == "job.submit"] == [f"schedule {key}"] * 2


def test_two_that_look_at_once_and_one_that_breaks_off_run_it_once(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, context = place.member("ada"), place.service.inside
    assert context.jobs is not None
    parts, keys = context.jobs, [ScheduleId(make(ada)) for _ in range(3)]
    # Read before: once one of them ran, its next time is another one.
    times = {each: datetime.fromisoformat(look(ada, each)["next"][0]) + timedelta(seconds=1) for each in keys}

    class Broke(Exception):
        pass

    save = schedules.save

    def breaks(*_: Any) -> None:
        raise Broke

    def look_at(key: ScheduleId) -> None:
        now = times[key].astimezone(UTC)
        context.store.now(lambda tx: schedule_times.look(Work(tx, context, now), parts, key))

    monkeypatch.setattr(schedules, "save", breaks)
    with pytest.raises(Broke):
        look_at(keys[0])
    assert ada.get("").json()["total"] == 0, "the job and its schedule are written together"
    monkeypatch.setattr(schedules, "save", save)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(look_at, keys * 4))
    made = {each["id"]: each["job_id"] for each in ask(ada, "GET").json()["items"]}
    soon("all are through", lambda: all(each["finished_at"] for each in ada.get("").json()["items"]))
    assert ada.get("").json()["total"] == len(keys)
    assert len(set(made.values())) == len(keys)


def test_a_service_that_is_killed_neither_loses_nor_doubles_a_time(tmp_path: Path, image: BaseImage) -> None:
    instance, number = f"sch{new_id()[:6]}", 6
    with uvicorn.Config(lambda: None, port=0).bind_socket() as listener:
        port = listener.getsockname()[1]
    service = Running(f"http://127.0.0.1:{port}", tmp_path, FakeHub())
    arguments = (tmp_path, port, instance, image.registry)
    database = tmp_path / "service" / "hubernate.sqlite"
    content = tar_of({"run.sh": "true"})
    digest = hashlib.sha256(content).hexdigest()
    with clean(instance):
        state = {"profiles": profiles(image)}
        with running(tmp_path, state=state, instance=instance, registry=image.registry) as before:
            token = before.start("ada").ticket.relay_token
            sent = before.ask("PUT", f"/api/v1/relay/jobs/files/{digest}", token, content=content)
            assert sent.status_code == 204
            keys = [new_id() for _ in range(number)]
            for key in keys:
                job = {"id": key, "env": "profile", "profile": "base", "files": digest}
                job["work"] = {"kind": "script", "script": "run.sh"}
                asked = {"id": key, "cron": YEARLY, "job": job}
                assert before.ask("POST", "/api/v1/relay/schedules", token, json=asked).status_code == 201
        past = datetime.now(UTC) - timedelta(days=2)
        with sqlite3.connect(database) as changed:  # their time came while the service was away
            changed.execute("UPDATE schedules SET planned_at = ?", (past.strftime("%Y-%m-%d %H:%M:%S.000000"),))
        changed.close()
        with process(*arguments) as killed:

            def jobs() -> int:
                with sqlite3.connect(database) as seen:
                    found: int = seen.execute("SELECT count(*) FROM jobs").fetchone()[0]
                seen.close()
                return found

            soon("some have begun", lambda: jobs() >= 2)
            killed.send_signal(signal.SIGKILL)
            killed.wait(10)
        with process(*arguments):

            def states() -> list[str]:
                items = service.ask("GET", "/api/v1/relay/jobs", token).json()["items"]
                return [each["state"] for each in items]

            soon("each ran", lambda: states() == ["succeeded"] * number, timeout_s=400)
            told = service.ask("GET", "/api/v1/relay/schedules", token).json()["items"]
            assert len({each["job_id"] for each in told}) == number
            assert {datetime.fromisoformat(each["ran_for"]) for each in told} == {past.replace(microsecond=0)}


def test_a_time_that_comes_while_the_run_before_goes_on(place: Site) -> None:
    ada = place.member("ada")
    keys = {how: make(ada, "sleep 100", cron="0 7 * * *", overlap=how) for how in ("skip", "wait", "replace")}
    first = come(place, ada, keys["skip"])
    jobs = {how: ran(ada, key, first) for how, key in keys.items()}
    for job in jobs.values():
        ada.until(job, "running")
    second = come(place, ada, keys["skip"])
    skipped = decided(ada, keys["skip"], second)
    assert skipped["job_id"] == jobs["skip"]
    assert skipped["problem"].endswith("07:00 UTC did not run: the run before was still going")
    assert decided(ada, keys["wait"], second)["waiting"] == second
    assert ran(ada, keys["replace"], second) != jobs["replace"]
    assert ada.until(jobs["replace"])["why"] == "cancelled by ada"
    assert look(ada, keys["wait"])["job_id"] == jobs["wait"], "it waits until that one is over"
    ada.cancel(jobs["wait"])
    assert ran(ada, keys["wait"], second) != jobs["wait"]
    for key in keys.values():
        ask(ada, "DELETE", f"/{key}")
    for each in ada.get("").json()["items"]:
        ada.cancel(each["id"])
        ada.until(each["id"])


def test_after_downtime_it_runs_once_or_not_at_all(place: Site) -> None:
    ada = place.member("ada")
    once, never = (make(ada, cron="0 * * * *", missed=how) for how in ("once", "skip"))
    place.service.clock.move(days=3, minutes=30)  # an hour's run is found half an hour late
    missed = soon("it is decided", lambda: (found := look(ada, never))["problem"] and found)
    assert "did not run: the platform was away, and missed times are skipped" in missed["problem"]
    job = soon("it runs", lambda: look(ada, once)["job_id"])
    ada.until(job)
    late = place.service.clock() - datetime.fromisoformat(look(ada, once)["ran_for"])
    assert late < timedelta(hours=1), "the newest of all that were missed"
    assert ada.get("").json()["total"] == 1


def test_it_does_not_run_while_paused_suspended_or_without_its_person_and_says_so(place: Site) -> None:
    ada, root = place.member("ada"), place.service.person("root", admin=True)
    key = make(ada, cron="0 7 * * *")
    assert ask(ada, "POST", f"/{key}/pause").json()["next"] == []
    place.service.clock.move(days=1)
    assert ask(ada, "POST", f"/{key}/resume").json()["enabled"] is True
    time = come(place, ada, key)
    job = ran(ada, key, time)
    ada.until(job)
    assert ada.get("").json()["total"] == 1, "what came while it was paused is not made up for"
    assert root("PATCH", "/tenants/physics", json={"suspended": True}).status_code == 200
    time = come(place, ada, key)
    assert "did not run: the team is suspended" in decided(ada, key, time)["problem"]
    assert ask(ada, "POST", json=body(ada)).status_code == 403
    root("PATCH", "/tenants/physics", json={"suspended": False})
    row = place.service.inside.store.now(schedules.get, ScheduleId(key))
    assert row is not None
    place.service.hub.groups["ada"] = ["chemistry"]
    place.service.clock.move(seconds=(row.planned_at - place.service.clock()).total_seconds() + 1)

    def problem() -> str:
        found = place.service.inside.store.now(schedules.get, ScheduleId(key))
        return "" if found is None else found.problem

    soon("it is passed over", lambda: "its person is no longer in the team" in problem())
    place.service.hub.groups["ada"] = ["physics"]
    assert ada.get("").json()["total"] == 1
    time = come(place, ada, key)
    ada.until(ran(ada, key, time))
    assert look(ada, key)["problem"] == "", "all is well again"


def test_what_could_not_run_is_refused_and_asking_twice_is_asking_once(place: Site) -> None:
    ada, eve = place.member("ada"), place.member("eve")
    good = body(ada, args=["hidden"], notify={"webhook": "https://chat.example.org/hidden"})
    assert [ask(ada, "POST", json=good).status_code for _ in range(3)] == [201] * 3
    assert ask(ada, "GET").json()["total"] == 1
    assert ask(ada, "POST", json=good | {"cron": "1 1 1 1 *"}).status_code == 409
    assert ask(eve, "POST", json=body(eve) | {"id": good["id"], "job": good["job"]}).status_code == 409

    def refused(**changes: Any) -> str:
        answer = ask(ada, "POST", json=body(ada) | changes)
        assert answer.status_code in (404, 409, 422), answer.text
        return str(answer.json()["detail"])

    assert "cron" in refused(cron="every day")
    assert "zone" in refused(zone="Mars")
    assert "sends no mail" in refused(notify={"mail": ["ada@example.org"]})
    assert "job.id" in refused(id=new_id())
    asked = body(ada)
    assert "no notebook does" in refused(id=asked["id"], job=asked["job"] | {"env": "current", "profile": ""})
    assert "are not here" in refused(id=asked["id"], job=asked["job"] | {"files": "0" * 64})
    assert ask(eve, "GET").json()["total"] == 0
    for path in ("", "/secret"):
        assert ask(eve, "GET", f"/{good['id']}{path}").status_code == 404
    assert ask(eve, "DELETE", f"/{good['id']}").status_code == 404
    boss = place.member("boss")
    place.service.person("root", admin=True)("PUT", "/tenants/physics/members/boss", json={"role": "admin"})
    assert ask(boss, "GET", "?everyone=true").json()["total"] == 1
    assert ask(boss, "GET", f"/{good['id']}/secret").status_code == 403
    assert ask(boss, "POST", f"/{good['id']}/pause").status_code == 200
    page = place.service.ask("GET", "/schedules", ada.ask.token, headers={"accept": "text/html"})
    assert good["id"] in page.text
    assert "paused" in page.text
    assert ask(ada, "DELETE", f"/{good['id']}").status_code == 204
    assert ask(ada, "GET", f"/{good['id']}").status_code == 404
    log = place.service.person("root", admin=True)("GET", "/audit")
    assert "schedule.delete" in log.text
    assert "hidden" not in log.text, "a webhook's address and arguments may be credentials"


def test_its_environment_and_its_files_stay_until_it_goes(place: Site) -> None:
    service, ada = place.service, place.member("ada")
    started, agent = service.start("ada"), service.agent()
    content = tar_of({"run.sh": "true"})
    digest = hashlib.sha256(content).hexdigest()
    assert ada.send(content).status_code == 204
    keys = {}
    for follow in (False, True):
        key = keys[follow] = new_id()
        job = {"id": key, "work": {"kind": "script", "script": "run.sh"}, "files": digest}
        asked = {"id": key, "cron": "0 7 * * *", "job": job, "follow": follow}
        answer = service.ask("POST", "/api/v1/relay/schedules", started.ticket.relay_token, json=asked)
        assert answer.status_code == 201, answer.text
        assert "is being saved; the notebook goes on" in answer.json()["problem"]
    agent.finish(agent.order(started.seen()))
    for order in soon("it looks again", lambda: agent.poll(started.seen(), wait_s=5).orders):
        agent.finish(order)
    pinned = str(soon("it has its environment", lambda: look(ada, keys[False])["checkpoint_id"]))
    for _ in range(3):
        ada.ask("POST", f"/servers/{started.id}/operations", json={"kind": "save"})
        agent.finish(agent.order(started.seen()))

    def kept() -> list[str]:
        context = service.inside
        for tenant in context.store.now(lambda tx: retention.unsettled(Work(tx, context, context.clock()))):
            context.store.now(lambda tx, each=tenant: retention.settle(Work(tx, context, context.clock()), each))
        items = ada.ask("GET", f"/servers/{started.id}/checkpoints").json()["items"]
        return [each["id"] for each in items]

    rule = {"retention": {"keep_count": 1, "notice": "PT0S"}}
    assert service.person("root", admin=True)("PATCH", "/tenants/physics", json=rule).status_code == 200
    newest = kept()[0]
    assert sorted(kept()) == sorted({newest, pinned}), "only what the rule keeps, and what the schedule needs (P1)"
    refused = ada.ask("DELETE", f"/checkpoints/{pinned}")
    assert (refused.status_code, "a schedule stands on this" in refused.json()["detail"]) == (409, True)
    assert service.inside.jobs is not None
    row = service.inside.store.now(schedules.get, ScheduleId(keys[False]))
    assert row is not None
    file = service.inside.jobs.files.path(row.tenant_id, "ada", digest)
    os.utime(file, (0, 0))  # sent long ago
    service.clock.move(days=40)  # far behind what is kept of jobs that are over
    service.inside.jobs.swept_at = float("-inf")
    chosen: dict[bool, Any] = {}
    for follow, key in keys.items():
        job = soon("it runs", lambda key=key: look(ada, key)["job_id"])
        chosen[follow] = ada.until(job)["checkpoint_id"]
    assert chosen == {False: pinned, True: newest}
    assert file.exists()
    ask(ada, "DELETE", f"/{keys[False]}")
    assert kept() == [newest]
