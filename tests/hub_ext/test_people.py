"""People's API: only their own, strict bodies, CSRF, idempotency, deleting the last one asks, forged records."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hubernate_core.operation import Step
from support.platform_service import PREFIX, Caller, Running, Started, saved

JSON = {"content-type": "application/json"}


@pytest.fixture
def ada(service: Running) -> Caller:
    return service.person("ada")


@pytest.fixture
def asleep(service: Running) -> Started:
    """A server of ada's that was saved and stopped."""
    server = service.start("ada")
    service.tell(server.ticket, "stop", {"generation": 1})
    agent = service.agent()
    agent.finish(agent.order())
    return server


def saved_ones(ada: Caller, server: Started) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = ada("GET", f"/servers/{server.id}/checkpoints").json()["items"]
    return items


def test_everything_foreign_is_not_found(service: Running, ada: Caller, asleep: Started) -> None:
    checkpoint = saved_ones(ada, asleep)[0]
    values = {"server": asleep.id, "operation": checkpoint["operation_id"], "checkpoint": checkpoint["id"]}
    values |= {"place": "p123456789"}  # whose place is whose: test_queue
    bodies = {"/operations": {"kind": "stop"}, "/keep-awake": {"minutes": 5}, "checkpoints/{checkpoint}": {"name": "x"}}
    document = service.ask("GET", "/api/v1/openapi.json").json()
    eve, tried = service.person("eve"), []
    for path, verbs in document["paths"].items():
        below = path.removeprefix(f"{PREFIX}/api/v1")
        if "{" not in below or below.split("/")[1] in ("agent", "hub", "relay", "tenants"):
            continue
        for verb in verbs:
            body = next((each for end, each in bodies.items() if below.endswith(end)), None)
            answer = eve(verb.upper(), below.format(**values), json=body if verb in ("post", "patch") else None)
            nothing = eve(verb.upper(), below.format(**dict.fromkeys(values, "a123456789")), json=body)
            tried.append(f"{verb} {below}")
            assert answer.status_code == 404, tried[-1]
            assert answer.json()["detail"] == nothing.json()["detail"], "no difference to what does not exist"
    assert len(tried) >= 8
    assert eve("GET", "/servers").json() == {"items": [], "total": 0}
    assert eve("GET", "/servers?everyone=true").status_code == 403
    root = service.person("root", admin=True)
    assert [each["yours"] for each in root("GET", "/servers?everyone=true").json()["items"]] == [False]
    assert root("GET", f"/servers/{asleep.id}").status_code == 200


def test_another_spelling_of_a_name_is_another_person(service: Running, ada: Caller, asleep: Started) -> None:
    """Under an authenticator that does not normalise, the hub tells the full-width one from ada."""
    checkpoint = saved_ones(ada, asleep)[0]
    wide = service.person("ａda")
    for path in (f"/servers/{asleep.id}", f"/servers/{asleep.id}/checkpoints"):
        assert wide("GET", path).status_code == 404
    assert wide("GET", f"/operations/{checkpoint['operation_id']}").status_code == 404
    assert wide("DELETE", f"/checkpoints/{checkpoint['id']}?confirm=last").status_code == 404
    assert wide("GET", "/servers").json()["total"] == 0
    assert "No environment yet" in service.ask("GET", "/", wide.token, headers={"accept": "text/html"}).text
    options = service.spawner("POST", "/users/ａda/start-options", json={"groups": ["physics"]}).json()
    assert options["tenants"][0]["checkpoints"] == []
    service.start("ada")
    both = {"groups": ("physics", "biology"), "tenant": "biology", "profile": "base"}
    assert service.request_start("ａda", **both).json()["wait_for"] is None, "it stops nobody else's server"
    assert service.agent().poll().orders == ()
    assert ada("GET", f"/servers/{asleep.id}").status_code == 200


def test_nothing_is_answered_without_a_token(service: Running, asleep: Started) -> None:
    document = service.ask("GET", "/api/v1/openapi.json").json()
    for path, verbs in document["paths"].items():
        below = path.removeprefix(PREFIX).replace("{user}", "ada")
        for each in ("server", "operation", "checkpoint"):
            below = below.replace(f"{{{each}}}", asleep.id)
        if not below.startswith("/api/"):
            continue
        for verb in verbs:
            for token in ("", "x" * 40, "nöt-äscii"):
                headers = {"Authorization": f"Bearer {token}".encode()} if token else {}
                answer = service.ask(verb.upper(), below, headers=headers, json={})
                assert answer.status_code == 401, (verb, below, answer.text)


def test_a_token_without_the_access_scope_is_refused(service: Running) -> None:
    token = service.hub.token("ada", scopes=("read:users",))
    assert service.ask("GET", "/api/v1/me", token).status_code == 403


def test_a_hub_that_is_away_is_said_so(service: Running) -> None:
    ada = service.person("ada")
    service.hub.broken = True
    answer = ada("GET", "/me")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"kind": "stop", "kind": "save"}', "twice"),
        ('{"kind": "save", "name": NaN}', "NaN"),
        ('{"kind": "save", "name": 1e999}', "too large"),
        ('{"kind": "save", "name": 5}', "string"),
        ('{"kind": "save", "nam": "x"}', "did you mean 'name'"),
        ('{"kind": "destroy"}', "save"),
        ("[" * 100_000, "nested"),
        ("{", "not JSON"),
        ('{"kind": "save", "name": "a\\u0000b"}', "printable"),
        (json.dumps({"kind": "save", "name": "x" * 121}), "120"),
    ],
    ids=["duplicate", "nan", "infinite", "type", "misspelt", "value", "deep", "broken", "control", "long"],
)
def test_a_bad_body_names_its_field_and_does_nothing(service: Running, body: str, told: str) -> None:
    server, ada = service.start("ada"), service.person("ada")
    answer = ada("POST", f"/servers/{server.id}/operations", content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in answer.json()["detail"], answer.json()["detail"]
    assert service.agent().poll().orders == ()


def test_a_body_is_bounded_and_says_what_it_is(service: Running, ada: Caller, asleep: Started) -> None:
    path = f"/servers/{asleep.id}/operations"
    assert ada("POST", path, content=b" " * (1024**2 + 1), headers=JSON).status_code == 413
    assert ada("POST", path, content=b'{"kind":"stop"}', headers={"content-type": "text/plain"}).status_code == 422


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=1000000000", "limit=x", "offset=-1", "limit=nan"])
def test_pages_are_bounded(ada: Caller, query: str) -> None:
    assert ada("GET", f"/servers?{query}").status_code == 422


def test_a_page_beyond_the_end_is_empty(ada: Caller, asleep: Started) -> None:
    assert ada("GET", "/servers?offset=1000").json() == {"items": [], "total": 1}


@pytest.mark.parametrize("after", ["2026-13-01", "9999-12-31T23:59:59", "yesterday", "2026-11-23T12:00:00"])
def test_times_carry_their_zone(service: Running, ada: Caller, asleep: Started, after: str) -> None:
    operation = ada("GET", f"/servers/{asleep.id}").json()["operation"]["id"]
    assert service.spawner("GET", f"/operations/{operation}", params={"after": after}).status_code == 422
    found = ada("GET", f"/servers/{asleep.id}").json()
    assert found["operation"]["updated_at"].endswith("Z")


@pytest.mark.parametrize("age", ["-1", "NaN", "1e400", '"now"'])
def test_a_gate_cannot_report_from_the_future(service: Running, age: str) -> None:
    server = service.start("ada")
    body = f'{{"generation": 1, "person_age_s": {age}}}'
    answer = service.ask("POST", "/api/v1/gate/activity", server.ticket.relay_token, content=body, headers=JSON)
    assert answer.status_code == 422


def test_an_idempotency_key_gives_the_same_answer_once(service: Running, ada: Caller) -> None:
    server = service.start("ada")
    path, key = f"/servers/{server.id}/operations", {"Idempotency-Key": "k1"}
    first = ada("POST", path, json={"kind": "save", "name": "a"}, headers=key)
    agent = service.agent()
    agent.finish(agent.order())
    again = ada("POST", path, json={"kind": "save", "name": "a"}, headers=key)
    assert again.json() == first.json()
    assert agent.poll().orders == (), "no second save"
    assert ada("POST", path, json={"kind": "save", "name": "b"}, headers=key).status_code == 409
    service.start("eve")
    eve = service.person("eve")
    mine = eve("GET", "/servers").json()["items"][0]["id"]
    assert eve("POST", f"/servers/{mine}/operations", json={"kind": "save"}, headers=key).status_code == 202


def test_deleting_the_last_one_asks(service: Running, ada: Caller, asleep: Started) -> None:
    (last,) = saved_ones(ada, asleep)
    refused = ada("DELETE", f"/checkpoints/{last['id']}")
    assert (refused.status_code, refused.json()["confirm"]) == (409, "last")
    assert len(saved_ones(ada, asleep)) == 1
    assert service.agent().poll().forget == ()
    assert ada("DELETE", f"/checkpoints/{last['id']}?confirm=last").status_code == 204
    assert saved_ones(ada, asleep) == []
    assert service.agent().poll().forget == (f"{last['repository']}@{last['digest']}",)
    assert ada("DELETE", f"/checkpoints/{last['id']}?confirm=last").status_code == 404


def test_a_checkpoint_in_use_is_not_deleted(service: Running, ada: Caller, asleep: Started) -> None:
    service.start("ada")
    (used,) = saved_ones(ada, asleep)
    refused = ada("DELETE", f"/checkpoints/{used['id']}?confirm=last")
    assert refused.status_code == 409
    assert "running server" in refused.json()["detail"]


def test_the_checkpoint_that_a_stop_relies_on_is_not_deleted(service: Running, ada: Caller) -> None:
    server = service.start("ada")
    service.tell(server.ticket, "stop", {"generation": 1})
    agent = service.agent()
    order = agent.order()
    agent.verify(order)
    (fresh,) = saved_ones(ada, server)
    assert ada("DELETE", f"/checkpoints/{fresh['id']}?confirm=last").status_code == 409
    agent.say(order, Step.RELEASED)


def test_a_name_is_kept_and_escaped(service: Running, ada: Caller, asleep: Started) -> None:
    (one,) = saved_ones(ada, asleep)
    name = "<script>alert('x')</script>"
    assert ada("PATCH", f"/checkpoints/{one['id']}", json={"name": name}).json()["name"] == name
    page = service.ask("GET", "/", ada.token, headers={"accept": "text/html"})
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    "change",
    ["digest = 'sha256:' || substr(base_digest, 8)", "owner_id = 'zzzzzzzzzz'", "generation = 9", "signature = ''"],
)
def test_a_forged_record_is_not_started(service: Running, ada: Caller, asleep: Started, change: str) -> None:
    with sqlite3.connect(service.folder / "service" / "hubernate.sqlite") as database:
        database.execute(f"UPDATE checkpoints SET {change}")
    refused = service.request_start("ada")
    assert refused.status_code == 500
    assert "signature" in refused.json()["detail"]
    assert service.request_start("ada", start="clean", profile="base").status_code == 200


def test_code_in_the_notebook_can_save_itself_and_reach_nothing_else(service: Running) -> None:
    server, other = service.start("ada"), service.start("eve")
    token = server.ticket.relay_token
    assert service.ask("GET", "/api/v1/relay/me/server", token).json()["id"] == server.id
    opened = service.ask("POST", "/api/v1/relay/me/save", token, json={"name": "from inside"})
    assert opened.status_code == 202
    path = f"/api/v1/relay/operations/{opened.json()['id']}"
    assert service.ask("GET", path, token).status_code == 200
    assert service.ask("GET", path, other.ticket.relay_token).status_code == 404
    for foreign in ("/api/v1/servers", "/api/v1/me", "/"):
        assert service.ask("GET", foreign, token).status_code == 401
    assert service.ask("POST", "/api/v1/agent/poll", token, json={}).status_code == 401


def test_progress_comes_as_events(service: Running, ada: Caller) -> None:
    server = service.start("ada")
    opened = ada("POST", f"/servers/{server.id}/operations", json={"kind": "save"}).json()
    agent = service.agent()
    order = agent.order()
    url = f"{service.url}{PREFIX}/api/v1/operations/{opened['id']}/events"
    steps: list[str] = []
    with httpx.stream("GET", url, headers={"Authorization": f"token {ada.token}"}, timeout=10) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                steps.append(json.loads(line[5:])["step"])
                if steps == ["requested"]:
                    agent.say(order, Step.CAPTURED)
                elif len(steps) == 2:
                    agent.say(order, Step.VERIFIED, saved=saved())
    assert steps == ["requested", "captured", "released"]


@pytest.fixture
def browser(service: Running) -> Iterator[httpx.Client]:
    """Ada's browser, logged in at the hub."""
    service.hub.people["ada"] = False
    service.hub.browser = "ada"
    with httpx.Client(base_url=service.url, follow_redirects=True, headers={"accept": "text/html"}) as client:
        yield client


def test_a_browser_signs_in_by_the_hub_and_out_with_it(service: Running, browser: httpx.Client) -> None:
    page = browser.get(f"{PREFIX}/")
    assert page.status_code == 200
    assert "No environment yet" in page.text
    cookie = next(each for each in browser.cookies.jar if each.name == "hubernate-session")
    assert cookie.path == f"{PREFIX}/"
    assert cookie.has_nonstandard_attr("HttpOnly")
    service.hub.tokens.clear()  # signed out at the hub
    browser.cookies.set("jupyterhub-session-id", "another")
    assert browser.get(f"{PREFIX}/api/v1/me").status_code == 401


def test_a_sign_in_begun_elsewhere_is_refused(service: Running, browser: httpx.Client) -> None:
    begun = httpx.get(f"{service.url}{PREFIX}/oauth_login")
    state = httpx.URL(begun.headers["location"]).params["state"]
    assert browser.get(f"{PREFIX}/oauth_callback?code=x&state={state}").status_code == 403


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example/",
        "//evil.example/",
        "/hub/",
        f"{PREFIX}//evil.example",
        "\\\\x",
        f"{PREFIX}/../../hub/logout",
        f"{PREFIX}/%2E%2e/x",
        f"{PREFIX}/.%2e/x",
        f"{PREFIX}/%5c..%5Cx",
    ],
)
def test_nobody_is_sent_elsewhere(service: Running, browser: httpx.Client, where: str) -> None:
    landed = browser.get(f"{PREFIX}/oauth_login", params={"next": where})
    assert str(landed.url) == f"{service.url}{PREFIX}/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-XSRFToken": "{token}"}, 202),
        ({}, 403),
        ({"X-XSRFToken": "old"}, 403),
        ({"X-XSRFToken": "{token}", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"X-XSRFToken": "{token}", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"X-XSRFToken": "{token}", "content-type": "text/plain"}, 422),
        ({"X-XSRFToken": "{token}", "Cookie": "hubernate-session={session}; _xsrf=planted"}, 403),
    ],
    ids=["right", "missing", "old", "no-cors", "cross-site", "text", "planted"],
)
def test_csrf(service: Running, browser: httpx.Client, headers: dict[str, str], status: int) -> None:
    server = service.start("ada")
    browser.get(f"{PREFIX}/")
    jar = {each.name: each.value for each in browser.cookies.jar}
    values = {"token": jar["_xsrf"], "session": jar["hubernate-session"]}
    sent = JSON | {key: value.format(**values) for key, value in headers.items()}
    path = f"{PREFIX}/api/v1/servers/{server.id}/operations"
    answer = browser.post(path, content=b'{"kind": "save"}', headers=sent)
    assert answer.status_code == status, answer.text
    assert browser.get(path).status_code == 405, "no side effect by GET"
