"""What a person types: in a notebook by the gate's relay, outside by the command line. Real jobs."""

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

import hubernate
from hubernate.cli.contexts import Contexts, Target, write_contexts
from hubernate.cli.root import make_app
from hubernate_core.errors import InvalidInput, NotFound
from support.jobs import Site
from support.platform_service import PREFIX
from support.relay import relay

pytestmark = pytest.mark.docker


@pytest.fixture
def notebook(place: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This process is ada's kernel, in a folder of hers."""
    token = place.service.start("ada").ticket.relay_token
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with relay(f"{place.service.url}{PREFIX}", token) as url:
        monkeypatch.setenv("HUBERNATE_RELAY", url)
        yield folder


def submit(what: Any = "run.sh", *values: Any, **more: Any) -> hubernate.Job:
    return hubernate.submit(what, *values, env="profile", profile="base", **more)


def test_from_submit_to_output(notebook: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (notebook / "run.sh").write_text("cat data/*.csv; echo $1; mkdir out; echo done > out/a; echo more > out/b")
    (notebook / "data").mkdir()
    (notebook / "data/x.csv").write_text("1,2\n")
    job = submit(args=["hello"], files=["data/*.csv"], outputs=["out"], name="try")
    job.logs(follow=True)
    assert capfdbinary.readouterr().out == b"1,2\nhello\n"
    assert job.wait().info.state == "succeeded"
    assert [(each.path, each.size, each.read()) for each in job.outputs()] == [
        ("out/a", 5, b"done\n"),
        ("out/b", 5, b"more\n"),
    ]
    assert job.outputs()[0].save("kept").read_text() == "done\n"
    again = job.rerun().wait(60)
    assert (again.info.state, b"".join(again.read_log())) == ("succeeded", b"1,2\nhello\n")
    assert {each.id for each in hubernate.jobs()} == {job.id, again.id}
    assert re.match(rf"<job {job.id} try, succeeded", repr(job))


def test_what_a_function_left_is_not_looked_for_among_its_files(notebook: Path) -> None:
    (notebook / "function.result").write_bytes(b'{"error": "", "python": "3.11"}\n' + pickle.dumps("sent along"))
    job = submit(len, "no Python in this image", files=["function.result"])
    with pytest.raises(hubernate.JobFailed, match=rf"len \({job.id}\) failed; it ended with exit code 127"):
        job.result(120)


def test_modules_go_along_and_nothing_else_by_itself(notebook: Path) -> None:
    (notebook / "run.sh").write_text("find . -type f | sort")
    (notebook / "helper.py").write_text("x = 1")
    (notebook / "package").mkdir()
    (notebook / "package/module.py").write_text("y = 2")
    (notebook / "large.bin").write_bytes(b"x" * 1000)
    for hidden in (".git", "venv"):
        (notebook / hidden).mkdir()
        (notebook / hidden / "no.py").write_text("")
    (notebook / "venv/pyvenv.cfg").write_text("")
    log = b"".join(submit().wait().read_log()).decode().split()
    assert log == ["./helper.py", "./package/module.py", "./run.sh"]


def test_what_lies_outside_or_is_not_there_is_not_sent(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (notebook / "run.sh").write_text("true")
    (notebook.parent / "secret").write_text("x")
    (notebook / "link").symlink_to("../secret")
    with pytest.raises(InvalidInput, match="outside of"):
        submit(files=["../secret"])
    with pytest.raises(InvalidInput, match="outside of"):
        submit(files=["link"])
    with pytest.raises(InvalidInput, match="'nothing' is not there"):
        submit(files=["nothing"])
    with pytest.raises(InvalidInput, match=r"'other\.sh' is not a file"):
        submit("other.sh")
    with pytest.raises(InvalidInput, match="not parameters"):
        submit(parameters={"a": 1})
    monkeypatch.setattr("hubernate.snapshot.BYTES_MAX", 10)
    (notebook / "run.sh").write_text("true # and more than ten bytes")
    with pytest.raises(InvalidInput, match=r"Largest: run\.sh \(30 B\)"):
        submit()
    assert hubernate.jobs() == []


def test_waiting_has_an_end_and_a_job_can_be_ended(notebook: Path) -> None:
    (notebook / "run.sh").write_text("sleep 100")
    job = submit()
    with pytest.raises(TimeoutError, match=f"job {job.id} is"):
        job.wait(0.5)
    assert job.cancel().wait(60).info.state == "cancelled"


def test_log_of_a_second_attempt_follows_the_first(notebook: Path) -> None:
    (notebook / "run.sh").write_text('echo "this is attempt $HUBERNATE_JOB_ATTEMPT"; sleep 1; exit 1')
    log = b"".join(submit(retries=1).read_log(follow=True))
    assert log.endswith(b"this is attempt 2\n")


def test_it_is_scheduled_from_the_notebook(notebook: Path) -> None:
    (notebook / "run.sh").write_text("true")
    asked = {"cron": "0 7 * * 1-5", "zone": "Europe/Berlin", "env": "profile", "profile": "base"}
    made = hubernate.schedule("run.sh", args=["{yesterday}"], **asked, retries=1)
    assert made.info.next[0][11:19] == "07:00:00"
    assert made.info.request["job"]["retries"] == 1
    assert [each.id for each in hubernate.schedules()] == [made.id]
    assert made.pause().info.enabled is False
    assert repr(made) == f"<schedule {made.id} run.sh, paused>"
    assert made.resume().look().info.enabled is True
    assert len(made.secret()) == 64
    with pytest.raises(InvalidInput, match="cron"):
        hubernate.schedule("run.sh", **asked | {"cron": "daily"})
    made.delete()
    assert hubernate.schedules() == []
    newest = hubernate.schedule("run.sh", cron="0 7 * * *", env="newest")
    assert (newest.info.request["follow"], newest.info.request["job"]["env"]) == (True, "current")


@pytest.fixture
def command(place: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`hubernate jobs …` of ada, who is logged in."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    ada = place.member("ada")
    # The proxy in front of the hub and the service is not there: its one address is the service's.
    target = Target(url=place.service.url, token=ada.ask.token)
    write_contexts(Contexts(current="default", targets={"default": target}))

    def run(*args: str) -> Result:
        return CliRunner().invoke(make_app(), ["jobs", *args], env=dict(os.environ))

    return run


def test_the_command_line_does_all_of_it(command: Any, tmp_path: Path) -> None:
    measure = """echo '{"name": "loss", "value": %s, "step": %d, "at": 1}' >> $HUBERNATE_METRICS\n"""
    script = 'echo "got $*"; echo kept > kept; [ "$1" = good ]'
    (tmp_path / "run.sh").write_text(measure % ("0.5", 1) + measure % ("0.25", 2) + script)
    good = command("submit", "physics", "run.sh", "good", "-x", "--profile", "base", "--output", "kept", "--follow")
    assert good.exit_code == 0, good.output
    job = good.stdout.split()[0]
    assert "succeeded" in good.stderr
    bad = command("submit", "physics", "run.sh", "--profile", "base", "-f", "--", "bad")
    assert bad.exit_code == 1
    assert "exit code 1" in bad.stderr
    assert command("logs", "physics", job).stdout == "got good -x\n"
    measured = command("metrics", "physics", job).stdout.split()
    assert measured == ["METRIC", "STEP", "VALUE", "LOWEST", "HIGHEST", "loss", "2", "0.25", "0.25", "0.5"]
    listed = json.loads(command("list", "physics", "-o", "json").stdout)
    assert [each["id"] for each in listed] == [bad.stdout.split()[0], job]
    assert job in command("list", "physics").stdout
    assert yaml.safe_load(command("show", "physics", job).stdout)["state"] == "succeeded"
    assert command("outputs", "physics", job).stdout.split() == ["OUTPUT", "BYTES", "kept", "5"]
    assert command("outputs", "physics", job, "--save", "results").exit_code == 0
    assert (tmp_path / "results/kept").read_text() == "kept\n"
    never = command("submit", "physics", "run.sh", "--profile", "base", "--after", bad.stdout.split()[0])
    assert "which failed; nothing was submitted" in str(never.exception)
    again = command("rerun", "physics", job).stdout.strip()
    assert "is" in command("cancel", "physics", again).stdout
    nothing = command("show", "physics", "j123456789")
    assert isinstance(nothing.exception, NotFound)


def test_the_command_line_schedules(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "report.ipynb").write_text("{}")
    timing = ("--cron", "0 7 * * *", "--zone", "Asia/Tokyo", "--overlap", "wait")
    made = command("schedule", "physics", "report.ipynb", "day={yesterday}", *timing, "--profile", "base")
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    (listed,) = json.loads(command("schedules", "physics", "-o", "json").stdout)
    assert (listed["id"], listed["next"][0][-15:]) == (key, "T07:00:00+09:00")
    assert listed["request"]["job"]["work"]["parameters"] == {"day": "{yesterday}"}
    assert "+09:00" in command("schedules", "physics").stdout
    assert command("pause", "physics", key).stdout == f"{key} is paused.\n"
    assert "paused" in command("schedules", "physics").stdout
    assert "+09:00." in command("resume", "physics", key).stdout
    assert command("unschedule", "physics", key).stdout == f"{key} is deleted.\n"
    assert isinstance(command("pause", "physics", key).exception, NotFound)


def test_the_sdk_needs_nothing_that_a_notebooks_environment_lacks() -> None:
    names = "submit, hubernate.jobs, hubernate.schedule, hubernate.table, hubernate.sources"
    program = (
        f"import sys; sys.modules.update(pydantic=None, httpx=None, typer=None); import hubernate; hubernate.{names}"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_job_in_a_notebook_is_shown_live_or_as_it_was(notebook: Path) -> None:
    (notebook / "run.sh").write_text("true")
    job = submit(name="<b>&me")
    shown = job._repr_mimebundle_()["application/vnd.hubernate.job+json"]
    assert (shown["id"], shown["label"]) == (job.id, "<b>&me")
    assert "&lt;b&gt;&amp;me" in job._repr_html_()
    assert "<b>" not in job._repr_html_()
    job.cancel()
