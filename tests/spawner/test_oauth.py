"""Login by an identity provider: a real hub, a real provider, groups that become tenants; mistakes are named."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tornado import web
from tornado.httpclient import HTTPClientError
from traitlets.config import Config

from hubernate_core.errors import Broken, InvalidInput
from hubernate_spawner.oauth import TenantOAuthenticator
from hubernate_spawner.oauth_file import read_oauth
from support.fake_service import Installed
from support.hub_process import CONFIG, HubProcess, proxy_command, wait_for
from support.oidc_provider import CLIENT_SECRET, OidcProvider

PEOPLE = {"Ada": ["research", "staff"], "bob": [], "eve": ["guests"]}


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return proxy_command(tmp_path_factory.mktemp("proxy"))


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    with OidcProvider(tmp_path_factory.mktemp("provider"), PEOPLE) as made:
        yield made


@pytest.fixture
def hub(installed: Installed, tmp_path: Path, proxy: list[str], provider: OidcProvider) -> Iterator[HubProcess]:
    (tmp_path / "state").mkdir()
    process = HubProcess(tmp_path / "state", installed)
    options = provider.options(allow_all=False, allowed_groups=["staff"], allowed_users=["bob"])
    process.use_oauth(options | {"no_claim_means_no_groups": True})
    try:
        process.start_proxy(proxy)
        process.start_hub()
        yield process
    finally:
        process.close()


def sign_in(hub: HubProcess, provider: OidcProvider, person: str) -> tuple[httpx.Client, httpx.Response]:
    """A browser that pressed the button of the login page, and where it landed."""
    provider.sits(person)
    browser = httpx.Client(base_url=hub.url, timeout=30, follow_redirects=True)
    assert "/hub/oauth_login" in browser.get("/hub/login").text
    landed = browser.get("/hub/oauth_login")
    browser.follow_redirects = False
    browser.get("/hub/home")
    return browser, landed


@pytest.mark.docker
def test_groups_of_the_provider_are_the_teams_of_a_start(
    hub: HubProcess, provider: OidcProvider, installed: Installed
) -> None:
    browser, _ = sign_in(hub, provider, "Ada")
    model = browser.get("/hub/api/user").json()
    assert (model["name"], sorted(model["groups"])) == ("ada", ["research", "staff"]), "and one spelling of the name"
    assert hub.ask(browser, "POST", "users/ada/server", json={}).status_code in (201, 202)
    wait_for("ready", lambda: hub.server(browser).get("ready"))
    assert installed.service.called("start")[0]["groups"] == ["research", "staff"]
    provider.tell({"Ada": ["staff"]})
    try:
        again, _ = sign_in(hub, provider, "Ada")
        assert again.get("/hub/api/user").json()["groups"] == ["staff"], "whoever left a team is out of it"
    finally:
        provider.tell(PEOPLE)
    assert CLIENT_SECRET not in hub.log()


@pytest.mark.docker
def test_a_person_without_a_team_is_told(hub: HubProcess, provider: OidcProvider, installed: Installed) -> None:
    browser, _ = sign_in(hub, provider, "bob")
    assert browser.get("/hub/api/user").json()["groups"] == []
    installed.service._start = lambda body: (  # type: ignore[method-assign]  # as the platform service answers
        403, {"message": "you belong to no team of this platform yet; ask an admin to add you to one"}
    )  # fmt: skip
    refused = hub.ask(browser, "POST", "users/bob/server", json={})
    assert refused.status_code == 400
    assert "you belong to no team" in refused.json()["message"]
    assert installed.service.calls[-1][1]["groups"] == []


@pytest.mark.docker
def test_who_is_not_allowed_does_not_come_in(hub: HubProcess, provider: OidcProvider) -> None:
    browser, landed = sign_in(hub, provider, "eve")
    assert landed.status_code == 403
    assert browser.get("/hub/api/user").status_code == 403


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ({}, "told no groups at all"),
        ({"groups": None}, "told no groups at all"),
        ({"groups": "research"}, "this is a str"),
        ({"groups": {"research": True}}, "this is a dict"),
        ({"groups": ["research", 7]}, "there is a int in it"),
        ({"groups": [{"name": "research"}]}, "there is a dict in it"),
        ({"groups": ["research", "a\nb"]}, "is no name of a group"),
        ({"groups": [""]}, "is no name of a group"),
    ],
    ids=repr,
)
async def test_groups_that_are_no_list_of_names_refuse_the_login(
    claim: dict[str, object], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """oauthenticator would read "research" as nine groups of one letter (B32)."""
    reader = TenantOAuthenticator(config=Config(), manage_groups=True, auth_state_groups_key="oauth_user.groups")
    reader.log = logging.getLogger("hub")
    with pytest.raises(web.HTTPError) as refused:
        await reader.get_user_groups({"oauth_user": claim})
    assert refused.value.status_code == 403
    assert "Nothing was changed" in str(refused.value.log_message)
    assert told in caplog.text


async def test_groups_are_read_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    reader = TenantOAuthenticator(config=Config(), manage_groups=True, auth_state_groups_key="oauth_user.groups")
    names = ["a, with a comma", "8f14e45f-ceea-4671", "Physik/Gruppe Ä", "a", "a", "x" * 256]
    assert await reader.get_user_groups({"oauth_user": {"groups": names}}) == set(names[:4])
    reader.no_claim_means_no_groups = True
    assert await reader.get_user_groups({"oauth_user": {}}) == set()
    reader.auth_state_groups_key = ""
    assert await reader.get_user_groups({"oauth_user": {}}) == set(), "teams' own lists decide alone"


class Answers:
    """A provider: what it answers to each question, in turn, at the two addresses that a refresh asks."""

    def __init__(self, userinfo: list[object], token: object = None) -> None:
        self._userinfo, self._token = iter(userinfo), token

    async def __call__(self, url: str, *_: object, **__: object) -> object:
        await asyncio.sleep(0)
        answer = next(self._userinfo) if url.startswith("https://idp.example/u") else self._token
        if isinstance(answer, int):
            raise HTTPClientError(answer)
        if isinstance(answer, Exception):
            raise answer
        return answer


KNOWN = {
    "access_token": "a1", "refresh_token": "r1", "token_response": {"access_token": "a1", "token_type": "Bearer"},
    "oauth_user": {"sub": "ada", "groups": ["physics"]},
}  # fmt: skip
NEW = {"access_token": "a2", "refresh_token": "r2", "token_type": "Bearer"}
AWAY: list[object] = [503, 599, ConnectionRefusedError(), json.JSONDecodeError("a page", "<html>", 0)]


async def refreshed(answers: Answers, known: dict[str, object] | None = KNOWN) -> Any:
    """What a hub with that provider makes of a person of whom `known` is known."""
    options = {"manage_groups": True, "enable_auth_state": True, "auth_state_groups_key": "oauth_user.groups"}
    urls = {"token_url": "https://idp.example/t", "userdata_url": "https://idp.example/u"}
    reader = TenantOAuthenticator(config=Config(), username_claim="sub", **options, **urls)
    reader.httpfetch = answers

    async def state() -> object:
        return None if known is None else dict(known)

    return await reader.refresh_user(SimpleNamespace(name="ada", get_auth_state=state))


async def test_groups_are_those_of_the_provider_also_after_tokens_were_renewed() -> None:
    told = {"sub": "ada", "groups": ["biology"]}
    assert (await refreshed(Answers([told])))["groups"] == ["biology"]
    found = await refreshed(Answers([401, told], NEW))
    assert (found["groups"], found["auth_state"]["access_token"]) == (["biology"], "a2")


@pytest.mark.parametrize("trouble", AWAY, ids=repr)
async def test_a_provider_in_trouble_logs_nobody_out_also_where_the_access_token_is_over(trouble: object) -> None:
    assert await refreshed(Answers([trouble])) is True
    assert await refreshed(Answers([401], trouble)) is True


@pytest.mark.parametrize("trouble", [*AWAY, {"sub": "ada"}, {"sub": "ada", "groups": "physics"}], ids=repr)
async def test_tokens_that_were_renewed_are_kept_though_the_provider_says_no_more_then(trouble: object) -> None:
    """A refresh token may be good only once: who keeps the former has to log in again."""
    found = await refreshed(Answers([401, trouble], NEW))
    tokens = {"access_token": "a2", "refresh_token": "r2", "oauth_user": KNOWN["oauth_user"]}
    assert tokens.items() <= found["auth_state"].items()
    assert (found["name"], found["groups"], found["admin"]) == ("ada", None, None), "nothing else changes"
    once = {name: value for name, value in NEW.items() if name != "refresh_token"}
    assert (await refreshed(Answers([401, trouble], once)))["auth_state"]["refresh_token"] == "r1"


@pytest.mark.parametrize(
    ("answers", "known"),
    [
        (Answers([401], 400), KNOWN),
        (Answers([401], {"error": "invalid_grant", "error_description": "the account is disabled"}), KNOWN),
        (Answers([401, 401], NEW), KNOWN),
        (Answers([401]), KNOWN | {"refresh_token": None}),
        (Answers([]), None),
    ],
    ids=["refresh refused", "told in words", "new token refused", "no refresh token", "nothing known"],
)
async def test_whom_the_provider_refuses_has_to_log_in_again(answers: Answers, known: dict[str, object] | None) -> None:
    assert await refreshed(answers, known) is False


async def test_no_token_is_logged_where_one_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    """oauthenticator puts an ID token that is over into its error."""
    reader = TenantOAuthenticator(config=Config(), enable_auth_state=True, userdata_from_id_token=True)
    reader.log = logging.getLogger("hub")

    async def state() -> object:
        return {"token_response": {"id_token": "a-secret-token"}}

    assert await reader.refresh_user(SimpleNamespace(name="ada", get_auth_state=state)) is True
    assert "keeping what is known of ada" in caplog.text
    assert "a-secret-token" not in caplog.text


async def test_what_is_known_of_one_refresh_says_nothing_of_another() -> None:
    """All go through one authenticator at the same time, and in one request after the other."""
    answers = [Answers([401], 400), Answers([401], 503), Answers([401, 503], NEW), Answers([401], 400)]
    found = await asyncio.gather(*map(refreshed, answers))
    assert [bool(each) for each in found] == [False, True, True, False]
    assert (await refreshed(Answers([401, 503], NEW)))["groups"] is None
    assert await refreshed(Answers([503])) is True
    assert await refreshed(Answers([401], 400)) is False


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a@x@corp.com", "a@x@corp.com"),
        ("Ada Lovelace", "ada lovelace"),
        ("\u0130lke", "i\u0307lke"),
        ("\U0001f600", "\U0001f600"),
        ("\u0430da", ""),
        ("\u0430\u0441\u0435", ""),
        ("\u043c\u0438\u0440", "\u043c\u0438\u0440"),
        ("a\u200bda", ""),
        ("a\u202eda", ""),
        ("\u0440\u043eр", "\u0440\u043eр"),
    ],
    ids=ascii,
)
def test_names_from_the_provider_have_one_spelling_and_look_like_nobody_elses(given: str, name: str) -> None:
    """The last one looks like "pop", and an admin has listed it."""
    reader = TenantOAuthenticator(config=Config(), allowed_users={"\u0440\u043eр"})
    assert reader.normalize_username(given) == name


GOOD = {
    "client_id": "a", "client_secret": "very-secret-one", "authorize_url": "https://idp.example/a",
    "token_url": "https://idp.example/t", "userdata_url": "https://idp.example/u", "allowed_groups": ["staff"],
}  # fmt: skip


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "oauth.json"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_options_are_read_with_lists_of_people_as_sets(tmp_path: Path) -> None:
    assert read_oauth(written(tmp_path, json.dumps(GOOD)))["allowed_groups"] == {"staff"}
    by_token = {name: value for name, value in GOOD.items() if name != "userdata_url"} | {
        "userdata_from_id_token": True
    }
    assert "userdata_url" not in read_oauth(written(tmp_path, json.dumps(by_token)))


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"client_idd": "x"}, "client_idd", "did you mean 'client_id'"),
        ({"token_url": 5}, "token_url", "expected"),
        ({"client_secret": ["very-secret-one"]}, "client_secret", "expected"),
        ({"token_url": ""}, "token_url", "missing"),
        ({"allowed_groups": []}, "allowed_groups", "nobody could log in"),
        ({"scope": "openid"}, "scope", "expected"),
    ],
    ids=["misspelt", "type", "secret", "missing", "nobody", "list"],
)
def test_a_mistake_names_its_field_and_shows_no_secret(
    tmp_path: Path, change: dict[str, object], field: str, said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_oauth(written(tmp_path, json.dumps(GOOD | change)))
    assert refused.value.message.startswith(f"{tmp_path}/oauth.json: {field}: ")
    assert said in refused.value.message
    assert "very-secret-one" not in refused.value.message


@pytest.mark.parametrize(("text", "said"), [("{", "not JSON"), ("[]", "an object")])
def test_a_file_that_is_none_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_oauth(written(tmp_path, text))


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="chmod 600"):
        read_oauth(written(tmp_path, json.dumps(GOOD), 0o644))


@pytest.mark.docker
def test_the_hub_does_not_start_with_a_mistake(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    process = HubProcess(tmp_path / "state", installed)
    process.use_oauth(GOOD | {"userdata_urll": "x"})
    ended = subprocess.run(
        [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)],
        cwd=tmp_path, env={**os.environ, "HUBERNATE_STATE": str(process.state)}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert "oauth.json: userdata_urll: there is no such option; did you mean 'userdata_url'?" in ended.stderr
    assert "very-secret-one" not in ended.stderr
