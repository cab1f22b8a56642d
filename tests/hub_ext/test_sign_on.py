"""Sign-on for real: a hub with this project's configuration, its proxy, the platform service, and an identity provider
that is a process of its own. Only servers are stand-ins: the hub believes in them, the service has rows of them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from hubernate_core.operation import Step
from support.fake_hub import SERVICE_TOKEN
from support.hub_process import CONFIG, HubProcess, proxy_command
from support.oidc_provider import OidcProvider
from support.platform_service import PREFIX, SPAWNER_TOKEN, Running, Started, eventually, running
from support.stand_in import free_port

OWN = """
from jupyterhub.spawner import Spawner

class Believed(Spawner):
    running = False

    async def start(self):
        self.running = True
        return "{url}"

    async def stop(self, now=False):
        self.running = False

    async def poll(self):
        return None if self.running else 0

c.JupyterHub.spawner_class = Believed
c.JupyterHub.allow_named_servers = True
"""
PEOPLE = {"Ada": ["physics", "biology"], "Жанна": ["physics"], "ｂob": ["biology"], "\u0430da": ["physics"], "eve": []}

AS_SERVICE = {"Authorization": f"token {SERVICE_TOKEN}"}


@dataclass
class Whole:
    """Hub, service and provider."""

    hub: HubProcess
    service: Running
    provider: OidcProvider

    def sign_in(self, person: str) -> tuple[httpx.Client, httpx.Response]:
        """A browser that pressed the button of the login page, and where it landed."""
        self.provider.sits(person)
        browser = httpx.Client(base_url=self.hub.url, timeout=120, follow_redirects=True)
        assert "/hub/oauth_login" in browser.get("/hub/login").text
        landed = browser.get("/hub/oauth_login")
        browser.follow_redirects = False
        browser.get("/hub/home")
        return browser, landed

    def groups(self, name: str) -> list[str]:
        """The person's groups at the hub."""
        answer = httpx.get(f"{self.hub.url}/hub/api/users/{name}", headers=AS_SERVICE, timeout=60)
        return sorted(answer.json()["groups"])

    def start(self, browser: httpx.Client, user: str, name: str, tenant: str) -> Started:
        """A server that the hub believes in, and the service's row of it."""
        asked = self.hub.ask(browser, "POST", f"users/{user}/servers/{name}", json={})
        assert asked.status_code in (201, 202), asked.text
        ready = lambda: self.hub.ask(browser, "GET", f"users/{user}").json()["servers"].get(name, {}).get("ready")  # noqa: E731
        eventually("the hub believes it", ready)
        return self.service.start(user, name=name, tenant=tenant, groups=tuple(self.groups(user)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("sign-on")
    for name in ("service", "hub", "provider"):
        (folder / name).mkdir(mode=0o700)
    port = free_port()
    quick = {"hub_grace_s": 0.5, "retry_after_s": 0.5}
    with (
        OidcProvider(folder / "provider", PEOPLE) as provider,
        running(folder / "service", loops=True, hub_api_url=f"http://127.0.0.1:{port}/hub/api", **quick) as service,
    ):
        there = SimpleNamespace(url=service.url + PREFIX, token=SPAWNER_TOKEN)
        installed = SimpleNamespace(service=there, instance="t-sign-on", images=SimpleNamespace(gate="gate:test"))
        hub = HubProcess(folder / "hub", installed, port=port)
        (hub.state / "secrets/service-token").write_text(SERVICE_TOKEN)
        (hub.state / "hub.py").write_text(OWN.format(url=provider.url))
        hub.use_oauth(provider.options(auth_refresh_age=1, no_claim_means_no_groups=True))
        try:
            hub.start_proxy(proxy_command(folder))
            hub.start_hub()
            yield Whole(hub, service, provider)
        finally:
            hub.close()


def me(browser: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = browser.get("/hub/api/user").json()
    return found


def service_of(browser: httpx.Client) -> httpx.Client:
    """The browser, signed in at the service too."""
    browser.follow_redirects = True
    assert browser.get(f"{PREFIX}/", headers={"accept": "text/html"}).status_code == 200
    browser.follow_redirects = False
    return browser


def test_leaving_one_of_two_teams_saves_and_stops_what_runs_there(whole: Whole) -> None:
    browser, _ = whole.sign_in("Ada")
    assert (me(browser)["name"], whole.groups("ada")) == ("ada", ["biology", "physics"])
    shown = service_of(browser)
    names = [each["name"] for each in shown.get(f"{PREFIX}/api/v1/tenants").json()["items"]]
    assert names == ["biology", "physics"]
    assert shown.get(f"{PREFIX}/api/v1/sign-on").json()["mode"] == "identity-provider"
    here, there = whole.start(browser, "ada", "lab", "physics"), whole.start(browser, "ada", "work", "biology")
    agent = whole.service.agent()
    assert agent.poll(here.seen(), there.seen()).orders == ()
    whole.provider.tell({"Ada": ["biology"]})
    whole.sign_in("Ada")
    assert whole.groups("ada") == ["biology"]
    (order,) = eventually("an order", lambda: agent.poll(here.seen(), there.seen()).orders)
    assert (order.server_id, str(order.kind), str(order.trigger)) == (here.id, "stop", "left-team")
    agent.say(order, Step.FAILED, reason="the registry is down")
    assert "lab" in me(browser)["servers"], "a save that fails leaves it running"
    (order,) = eventually("another try", lambda: agent.poll(here.seen(), there.seen()).orders)
    agent.finish(order)
    eventually("the hub stopped it", lambda: "lab" not in me(browser)["servers"])
    assert me(browser)["servers"]["work"]["ready"], "and nothing else"
    whole.provider.tell({"Ada": ["physics", "biology"]})


def test_groups_are_asked_again_while_somebody_is_active_and_kept_while_the_provider_is_away(whole: Whole) -> None:
    browser, _ = whole.sign_in("Жанна")
    assert (me(browser)["name"], me(browser)["groups"]) == ("жанна", ["physics"])
    made = whole.hub.ask(browser, "POST", "users/%D0%B6%D0%B0%D0%BD%D0%BD%D0%B0/tokens", json={"note": "as a gate"})
    token = {"Authorization": f"token {made.json()['token']}"}

    def groups() -> list[str]:
        found: list[str] = httpx.get(f"{whole.hub.url}/hub/api/user", headers=token, timeout=60).json()["groups"]
        return found

    whole.provider.tell({"Жанна": []})
    eventually("out, without a login", lambda: groups() == [])
    whole.provider.tell({"Жанна": ["physics"]})
    eventually("in again", lambda: groups() == ["physics"])
    whole.provider.pause()
    try:
        assert groups() == ["physics"]
        assert browser.get("/hub/home").status_code == 200
    finally:
        whole.provider.resume()
    whole.provider.tell({}, end_tokens=True)
    there = lambda: browser.get("/hub/home")  # noqa: E731
    answer = eventually("a login is asked for", lambda: (found := there()).status_code == 302 and found)
    assert "/hub/login" in answer.headers["location"]
    assert groups() == ["physics"], "a token's owner is not thrown out of a team by that"


@pytest.mark.parametrize(
    ("person", "name"), [("ｂob", "bob"), ("eve", "eve"), ("\u0430da", "")], ids=["full-width", "no team", "lookalike"]
)
def test_a_name_has_one_spelling_and_nobody_looks_like_another(whole: Whole, person: str, name: str) -> None:
    browser, landed = whole.sign_in(person)
    assert me(browser).get("name", "") == name
    if not name:
        assert landed.status_code == 403
        assert "\\u0430da: it mixes Cyrillic and Latin letters" in whole.hub.log()


def test_a_person_in_ten_thousand_groups_signs_in_and_is_in_their_team(whole: Whole) -> None:
    whole.provider.tell({"max": ["physics", *(f"group-{number}" for number in range(10_000))]})
    browser, _ = whole.sign_in("max")
    assert me(browser)["name"] == "max"
    assert whole.groups("max") == ["physics"], "the hub keeps what a team names"
    shown = service_of(browser)
    assert [each["name"] for each in shown.get(f"{PREFIX}/api/v1/tenants").json()["items"]] == ["physics"]
    server = whole.start(browser, "max", "lab", "physics")
    assert server.ticket.generation == 1, "and starts there"


def test_groups_have_one_source_only(whole: Whole, tmp_path: Path) -> None:
    where = f"{whole.hub.url}/hub/api/groups/physics/users"
    refused = httpx.post(where, headers=AS_SERVICE, json={"users": ["eve"]}, timeout=60)
    assert refused.status_code in (400, 403), "the hub's own groups cannot be edited beside the provider"
    for name in ("platform.json", "oauth.json"):
        (tmp_path / name).write_text((whole.hub.state / name).read_text())
        (tmp_path / name).chmod(0o600)
    (tmp_path / "secrets").symlink_to(whole.hub.state / "secrets")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub.py").write_text('c.JupyterHub.load_groups = {"physics": {"users": ["eve"]}}\n')
    ended = subprocess.run(
        [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "HUBERNATE_STATE": str(tmp_path)}, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert "load_groups" in ended.stderr or "manage" in ended.stderr, ended.stderr[-2000:]


def test_the_embedded_accounts_say_so(service: Running) -> None:
    ada = service.person("ada")
    assert ada("GET", "/sign-on").json()["mode"] == "accounts"
    service.hub.authenticator = "ldapauthenticator.LDAPAuthenticator"
    assert ada("GET", "/sign-on").json()["mode"] == "other"
    page = service.ask("GET", "/admin", service.person("root", admin=True).token, headers={"accept": "text/html"}).text
    assert "authenticator of your own" in page
    assert json.loads(service.ask("GET", "/api/v1/sign-on", ada.token).text)["says"]
