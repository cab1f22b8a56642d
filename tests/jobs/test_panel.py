"""What the Jobs panel asks: by the notebook's server and the gate's relay, of a real platform whose jobs really run."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from hubernate_core.names import new_id
from hubernate_hub.services import job_lists
from hubernate_server.jobs import DEEDS, LOOKS, OUTPUTS
from support.jobs import OVER, Site
from support.jupyter_notebook import jupyter_notebook
from support.platform_service import PREFIX, eventually
from support.relay import relay

pytestmark = pytest.mark.docker

_API = "hubernate/api"


@dataclass(frozen=True)
class Notebook:
    """ada's notebook, and the folder that JupyterLab shows there."""

    client: httpx.Client
    home: Path

    def get(self, path: str) -> Any:
        answer = self.client.get(f"{_API}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.client.post(f"{_API}/{path}", json=body)

    def submit(self, path: str, **options: Any) -> httpx.Response:
        """As the form does."""
        work = {"kind": "script", "script": path.rpartition("/")[2], "args": options.pop("args", [])}
        request = {"id": new_id(), "env": "profile", "profile": "base", "work": work}
        return self.post("jobs", {"path": path, "files": options.pop("files", None), "request": request | options})

    def over(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = eventually(
            f"{job} is over", lambda: (each := self.get(f"jobs/{job}"))["state"] in OVER and each, timeout_s=120
        )
        return found


@pytest.fixture
def notebook(place: Site, tmp_path: Path) -> Iterator[Notebook]:
    token = place.service.start("ada").ticket.relay_token
    with (
        relay(f"{place.service.url}{PREFIX}", token) as url,
        jupyter_notebook(tmp_path, HUBERNATE_RELAY=url) as client,
    ):
        yield Notebook(client, tmp_path / "home")


def test_from_the_form_to_an_output_that_is_opened(notebook: Notebook) -> None:
    folder = notebook.home / "work"
    folder.mkdir()
    (folder / "run.sh").write_text("cat conf/* $1; mkdir out; echo kept > out/a.txt")
    (folder / "helper.py").write_text("x = 1")
    (folder / "conf").mkdir()
    (folder / "conf/é.txt").write_text("configured\n")
    planned = notebook.post("job-files", {"path": "work/run.sh", "files": None}).json()
    assert [each["path"] for each in planned["files"]] == ["helper.py", "run.sh"]
    planned = notebook.post("job-files", {"path": "work/run.sh", "files": ["conf"]}).json()
    assert {each["path"]: each["size"] for each in planned["files"]} == {
        "conf/é.txt": 11,
        "run.sh": (folder / "run.sh").stat().st_size,
    }
    assert planned["bytes"] == sum(each["size"] for each in planned["files"])

    options = {"id": new_id(), "files": ["conf"], "args": ["run.sh"], "outputs": ["out"]}
    first = notebook.submit("work/run.sh", **options)
    again = notebook.submit("work/run.sh", **options)
    assert (first.status_code, first.json()["id"]) == (200, again.json()["id"]), "asking twice is asking once"
    job = first.json()["id"]
    assert notebook.over(job)["outputs"] == [{"path": "out/a.txt", "size": 5}]
    log = notebook.client.get(f"{_API}/jobs/{job}/log?offset=4")
    written = f"configured\n{(folder / 'run.sh').read_text()}".encode()
    assert log.content == written[4:]
    told = (log.headers["Log-Next"], log.headers["Log-Attempt"], log.headers["Log-Over"])
    assert told == (str(len(written)), "1", "yes")
    assert [each["id"] for each in notebook.get("jobs")["items"]] == [job]

    kept = notebook.post(f"jobs/{job}/output", {"path": "out/a.txt"}).json()["path"]
    assert (notebook.home / kept).read_text() == "kept\n"
    (notebook.home / kept).write_text("changed by hand")
    notebook.post(f"jobs/{job}/output", {"path": "out/a.txt"})
    assert (notebook.home / kept).read_text() == "changed by hand", "what a person changed is not replaced"
    download = notebook.client.get(f"{_API}/jobs/{job}/output", params={"path": "out/a.txt"})
    assert (download.content, download.headers["Content-Type"]) == (b"kept\n", "application/octet-stream")
    assert download.headers["Content-Disposition"].startswith("attachment")


def test_what_is_told_and_opened_is_the_newest_attempts(notebook: Notebook) -> None:
    script = (
        "mkdir out; echo $HUBERNATE_JOB_ATTEMPT > out/a.txt; echo written by $HUBERNATE_JOB_ATTEMPT"
        "; [ $HUBERNATE_JOB_ATTEMPT = 2 ] || exit 1; exec sleep 1000"
    )
    (notebook.home / "run.sh").write_text(script)
    job = notebook.submit("run.sh", retries=1, outputs=["out"]).json()["id"]
    opened = notebook.home / "job-outputs" / job / "out/a.txt"  # as it is after somebody opened the first attempt's
    opened.parent.mkdir(parents=True)
    opened.write_text("1\n")

    def end_of_log() -> bool:
        end = notebook.client.get(f"{_API}/jobs/{job}/log?tail=2")
        return (end.content, end.headers["Log-Next"]) == (b"2\n", str(len("written by 2\n")))

    eventually("the second attempt wrote its output", end_of_log, timeout_s=120)
    running = notebook.get(f"jobs/{job}")
    assert (running["attempt"], running["outputs"], running["log_bytes"]) == (2, [], 0)
    notebook.post(f"jobs/{job}/cancel", {})
    assert notebook.over(job)["outputs"] == [{"path": "out/a.txt", "size": 2}]
    kept = notebook.post(f"jobs/{job}/output", {"path": "out/a.txt"}).json()["path"]
    assert (notebook.home / kept).read_text() == "2\n"
    assert opened.read_text() == "1\n"


def test_it_is_ended_and_run_again_from_there(notebook: Notebook) -> None:
    (notebook.home / "run.sh").write_text("sleep 100")
    job = notebook.submit("run.sh").json()["id"]
    assert notebook.post(f"jobs/{job}/cancel", {}).status_code == 202
    assert notebook.over(job)["state"] == "cancelled"
    again = notebook.post(f"jobs/{job}/rerun", {"id": new_id()})
    assert again.json()["request"]["work"] == {"kind": "script", "script": "run.sh", "args": []}
    notebook.post(f"jobs/{again.json()['id']}/cancel", {})


def test_the_form_offers_what_the_person_may_choose_and_refusals_name_the_field(notebook: Notebook) -> None:
    kinds = {each["name"]: each["schema"]["properties"] for each in notebook.get("jobs/kinds")["kinds"]}
    assert {"script", "notebook"} <= set(kinds)
    assert [each["const"] for each in kinds["script"]["profile"]["oneOf"]] == ["", "base"]
    assert kinds["script"]["env"]["default"] == "current", "there is a notebook that asks"
    cell = {"cell_type": "code", "source": "n = 3", "metadata": {"tags": ["parameters"]}, "outputs": []}
    (notebook.home / "a.ipynb").write_text(json.dumps({"cells": [cell]}))
    assert notebook.post("job-files", {"path": "a.ipynb", "files": None}).json()["parameters"] == {"n": 3}

    (notebook.home / "run.sh").write_text("true")
    (notebook.home.parent / "secret").write_text("x")
    (notebook.home / "link").symlink_to("../secret")
    for path, files, told in (
        ("gone.sh", None, "path: 'gone.sh' is not a file here"),
        ("../secret", None, "path: '../secret' is not a file here"),
        ("link", None, "outside of"),
        ("run.sh", ["../secret"], "outside of"),
        ("run.sh", "run.sh", "files: a list"),
        ("run.sh", ["data/**.csv"], "files: 'data/**.csv'"),
        ("run.sh", ["x" * 300], "files: [Errno 36] File name too long"),
    ):
        refused = notebook.post("job-files", {"path": path, "files": files})
        assert (refused.status_code, told in refused.json()["detail"]) == (422, True), refused.text
    refused = notebook.submit("run.sh", timeout_s=0)
    assert (refused.status_code, refused.json()["detail"].startswith("timeout_s: ")) == (422, True), refused.text
    assert notebook.submit("run.sh", profile="gone").status_code == 404
    assert notebook.get("jobs")["items"] == []


def test_the_team_sees_who_waits_and_runs_but_not_what(
    notebook: Notebook, place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = place.service.person("root", admin=True)
    assert root("PATCH", "/tenants/physics", json={"quota": {"jobs": 1}}).status_code == 200
    eve = place.member("eve")
    secret = {"more": {"salaries": "x"}, "name": "salaries", "args": ["salaries"], "outputs": ["salaries"]}
    first = eve.submit("sleep 100 # salaries", **secret)
    eve.until(first, "running")
    (notebook.home / "run.sh").write_text("true")
    own = notebook.submit("run.sh", priority="low").json()["id"]
    last = eve.submit("true", priority="high")

    def placed() -> Any:
        found = notebook.get("jobs/line")["items"]
        return [each["position"] for each in found] == [0, 1, 2] and found

    line = eventually("the line is known", placed)
    assert [(each["id"], each["user"], each["yours"], each["state"], each["priority"]) for each in line] == [
        (first, "eve", False, "running", "normal"),
        (last, "eve", False, "queued", "high"),
        (own, "ada", True, "queued", "low"),
    ]
    assert "1 of 1 running job" in line[1]["why"]
    assert "salaries" not in json.dumps(line)
    with monkeypatch.context() as crowded:
        crowded.setattr(job_lists, "_SHOWN", 2)
        assert [each["id"] for each in notebook.get("jobs/line")["items"]] == [first, last], "who starts first is there"
    assert notebook.client.get(f"{_API}/jobs/{first}").status_code == 404
    bob = place.member("bob", "biology")
    assert bob.get("line").json() == {"items": []}
    assert bob.ask("GET", "/tenants/physics/jobs/line").status_code == 404
    for each in (last, first):
        eve.cancel(each)
    assert notebook.over(own)["state"] == "succeeded"


def test_only_jobs_are_reached_that_way(notebook: Notebook) -> None:
    for path in ("jobs/../me/sleep", "jobs/..%2Fme%2Fsleep", "jobs/UPPERCASE1", "jobs/j123456789/files", "jobs/line/x"):
        assert notebook.client.get(f"{_API}/{path}").status_code == 404, path
        # A client may have made the path plain before it was sent.
        assert not any(re.fullmatch(route, f"/{_API}/{path}") for route in (LOOKS, DEEDS, OUTPUTS)), path
