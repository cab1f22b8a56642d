"""The project's configuration in a real hub behind a real proxy: logins, starts, stops, pages, the hub being killed."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import httpx
import pytest

from hubernate_core.operation import Step
from support.fake_service import Installed
from support.hub_process import ADMIN_PASSWORD, USER_PASSWORD, HubProcess, proxy_command, running_hub, wait_for

pytestmark = pytest.mark.docker


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return proxy_command(tmp_path_factory.mktemp("proxy"))


@pytest.fixture
def hub(installed: Installed, tmp_path: Path, proxy: list[str]) -> Iterator[HubProcess]:
    folder = tmp_path / "state"
    folder.mkdir()
    with running_hub(folder, installed, proxy) as process:
        yield process


def start(hub: HubProcess, browser: httpx.Client, **options: str) -> None:
    answer = hub.ask(browser, "POST", "users/ada/server", json=options)
    assert answer.status_code in (201, 202), answer.text
    wait_for("ready", lambda: hub.server(browser).get("ready"))


def test_people_log_in_by_one_spelling_of_their_name(hub: HubProcess) -> None:
    for spelling in ("ada", "ADA", "Ａda"):
        browser = hub.login(spelling)
        assert browser.get("/hub/api/user").json()["name"] == "ada"
        assert browser.get("/hub/api/user").json()["groups"] == ["research"]
    assert hub.login("admin", ADMIN_PASSWORD).get("/hub/api/user").json()["admin"] is True


def test_nobody_else_logs_in(hub: HubProcess) -> None:
    refused = {
        "wrong password": ("ada", "wrong password"),
        "not listed": ("eve", USER_PASSWORD),
        "the admin by the users' password": ("admin", USER_PASSWORD),
        "Cyrillic": ("аda", USER_PASSWORD),
        "path": ("../ada", USER_PASSWORD),
        "invisible": ("ada\n\u202e", USER_PASSWORD),
        "10 kB": ("x" * 10_000, USER_PASSWORD),
    }
    let_in = [
        why for why, (name, password) in refused.items() if hub.login(name, password).get("/hub/api/user").is_success
    ]
    assert let_in == []
    assert max(len(line) for line in hub.log().splitlines()) < 5000, "one bad name does not fill the log"


def test_a_person_who_is_listed_no_more_is_shut_out_without_a_restart(hub: HubProcess) -> None:
    browser = hub.login("ada")
    accounts = hub.state / "accounts.json"
    accounts.write_text(accounts.read_text().replace('"ada"', '"ida"'))
    refused = hub.ask(browser, "POST", "users/ada/server", json={})
    assert refused.status_code >= 400
    assert hub.login("ada").get("/hub/api/user").status_code == 403


def test_a_start_a_page_and_a_stop(hub: HubProcess, installed: Installed) -> None:
    browser = hub.login("ada")
    form = browser.get("/hub/spawn")
    assert "0.5 CPU · 0.0625 GiB memory" in form.text
    start(hub, browser, start="clean", profile="base")
    (request,) = installed.service.called("start")
    assert request["groups"] == ["research"]
    assert request["choice"] == {
        "start": "clean",
        "profile": "base",
        "tenant": "",
        "checkpoint_id": None,
        "team_image": "",
        "wait": False,
    }
    assert browser.get("/user/ada/api").status_code == 200, "through the proxy and the gate"
    installed.service.step_s = 1.0
    assert hub.ask(browser, "DELETE", "users/ada/server").status_code == 202
    page = wait_for(
        "sizes", lambda: (html := browser.get("/hub/spawn-pending/ada").text) and "130 MB of 212 MB" in html and html
    )
    assert "Saving and stopping" in page
    wait_for("stopped", lambda: not hub.server(browser))
    assert installed.containers() == []
    # The next start that names no options continues; a clean start was for once.
    start(hub, browser)
    assert installed.service.called("start")[-1]["choice"]["start"] == "continue"


def test_a_stop_that_fails_says_so_and_why_and_calls_nothing_done(hub: HubProcess, installed: Installed) -> None:
    browser = hub.login("ada")
    start(hub, browser)
    installed.service.stop_steps = (Step.CAPTURED, Step.FAILED)
    installed.service.reason = "the registry is full. The server runs on, nothing was lost"
    hub.ask(browser, "DELETE", "users/ada/server")
    page = wait_for(
        "told", lambda: (html := browser.get("/hub/spawn-pending/ada").text) and "registry is full" in html and html
    )
    lines = re.findall(r"<li[^>]*>[^<]*</li>", page)
    assert lines[-1] == "<li>Not saved: the registry is full. The server runs on, nothing was lost</li>"
    assert lines[-2] == '<li class="hbn-undone">Uploading 130 MB of 212 MB</li>'
    assert "data-failed" in page and "hbn-told-failed" in page
    assert 'aria-valuenow="100"' not in page
    wait_for("the hub lets go of it", lambda: not hub.server(browser))
    assert len(installed.containers()) == 2


def test_nothing_but_our_options_is_accepted(hub: HubProcess, installed: Installed) -> None:
    browser = hub.login("ada")
    for options in ({"image": "ubuntu"}, {"start": "clean", "environment": {"LD_PRELOAD": "x"}}, {"profil": "base"}):
        refused = hub.ask(browser, "POST", "users/ada/server", json=options)
        assert refused.status_code == 400, refused.text
    assert "did you mean" in refused.json()["message"]
    assert installed.service.called("start") == []
    assert "Traceback" not in hub.log()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_outlives_its_hub(hub: HubProcess, installed: Installed, number: signal.Signals) -> None:
    browser = hub.login("ada")
    start(hub, browser)
    before = installed.containers()
    hub.end_hub(number)
    assert browser.get("/user/ada/api").status_code == 200, "people work on while the hub is away"
    hub.start_hub()
    wait_for("found again", lambda: hub.server(browser).get("ready"))
    assert installed.containers() == before
    assert installed.service.called("stop") == []
    hub.ask(browser, "DELETE", "users/ada/server")
    wait_for("stopped", lambda: not hub.server(browser))
    assert installed.containers() == []


def test_a_proxy_that_comes_back_learns_its_routes(hub: HubProcess, installed: Installed, proxy: list[str]) -> None:
    """F36: within seconds, by the hub's next look, and nothing is started anew."""
    browser = hub.login("ada")
    start(hub, browser)
    made = len(installed.service.called("start"))
    hub.end_proxy()
    hub.start_proxy(proxy)

    def reached() -> bool:
        try:
            return browser.get("/user/ada/api").status_code == 200
        except httpx.HTTPError:
            return False

    wait_for("its route is back", reached, timeout_s=45)
    assert len(installed.service.called("start")) == made


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_hub_that_ends_during_a_stop_touches_nothing(
    hub: HubProcess, installed: Installed, number: signal.Signals
) -> None:
    browser = hub.login("ada")
    start(hub, browser)
    installed.service.stop_steps = (Step.CAPTURED,)
    hub.ask(browser, "DELETE", "users/ada/server")
    wait_for("asked to stop", lambda: installed.service.called("stop"))
    hub.end_hub(number)
    assert len(installed.containers()) == 2, "the save goes on without the hub"


def test_a_start_that_is_cancelled_leaves_nothing_and_saves_nothing(hub: HubProcess, installed: Installed) -> None:
    installed.service.image = installed.images.silent
    browser = hub.login("ada")
    assert hub.ask(browser, "POST", "users/ada/server", json={}).status_code == 202
    wait_for("containers", lambda: len(installed.containers()) == 2)
    assert "Cancel the start" in browser.get("/hub/spawn-pending/ada").text
    hub.ask(browser, "DELETE", "users/ada/server")
    wait_for("gone", lambda: not installed.containers() and not hub.server(browser))
    assert installed.service.called("stop") == []
    assert len(installed.service.called("abandoned")) == 1
    installed.service.image = installed.images.notebook
    start(hub, browser)


def test_a_server_that_dies_is_noticed_and_not_asked_to_save_twice(hub: HubProcess, installed: Installed) -> None:
    browser = hub.login("ada")
    start(hub, browser)
    docker.from_env().containers.get(str(installed.service.container)).kill()
    hub.ask(browser, "DELETE", "users/ada/server")  # also polls first
    wait_for("noticed", lambda: not hub.server(browser))
    assert installed.service.called("stop") == [], "the agent saves what died; the hub only notes it"
    assert len(installed.containers()) == 2


def test_a_refusal_is_shown_on_the_page(hub: HubProcess, installed: Installed) -> None:
    installed.service._start = lambda body: (403, {"message": "profile 'gpu' is not for your team"})  # type: ignore[method-assign]
    browser = hub.login("ada")
    browser.get("/hub/spawn/ada")
    page = browser.post(f"/hub/spawn/ada?_xsrf={hub.xsrf(browser)}", data={"start": "continue"}, follow_redirects=True)
    deadline = time.monotonic() + 10
    while "is not for your team" not in page.text and time.monotonic() < deadline:
        time.sleep(0.3)
        page = browser.get("/hub/spawn-pending/ada")
    assert "profile &#39;gpu&#39; is not for your team" in page.text
