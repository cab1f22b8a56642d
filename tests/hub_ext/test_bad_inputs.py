"""Bad inputs at the real API, row by row (B04 to B32): refused with the field named, and nothing is changed.

Beside what stands with its subject: bodies in test_people, values and races in test_tenants and test_quota, names in
tests/core/test_names and test_sign_on, groups in tests/spawner/test_oauth.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from support.platform_service import Caller, Running, Started, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("bad")) as found:
        yield found


@pytest.fixture(scope="module")
def root(service: Running) -> Caller:
    return service.person("root", admin=True)


@pytest.fixture
def unchanged(root: Caller) -> Iterator[None]:
    before = (root("GET", "/tenants").json(), root("GET", "/tenants/physics").json())
    yield
    assert (root("GET", "/tenants").json(), root("GET", "/tenants/physics").json()) == before


BAD_NAMES = ["..", ".", "a\u200bb", "a\u202eb", "a\0b", "ada\n", "x" * 256, "é" * 128, " ada", "a\\b"]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_b04_b05_a_name_that_no_hub_gives_becomes_no_member(root: Caller, name: str) -> None:
    path = "/tenants/physics/members/" + quote(name, safe="").replace(".", "%2E")
    assert root("PUT", path, json={"role": "member"}).status_code in (404, 422)
    assert root("PATCH", "/tenants/physics", json={"members": [{"user": name}]}).status_code == 422


@pytest.mark.parametrize("name", ["{username}", "{{x}}", "$(HOME)", "%s", "a,b", "a=b", "=cmd()", "<b>x"])
def test_b07_b22_what_templates_and_pages_would_read_is_a_name_like_any_other(
    service: Running, root: Caller, name: str
) -> None:
    assert root("PUT", f"/tenants/physics/members/{quote(name, safe='')}", json={}).status_code == 200
    try:
        listed = [each["user"] for each in root("GET", "/tenants/physics/members").json()["items"]]
        assert name in listed
        page = service.ask("GET", "/teams/physics", root.token, headers={"accept": "text/html"}).text
        assert "<b>x" not in page
    finally:
        assert root("DELETE", f"/tenants/physics/members/{quote(name, safe='')}").status_code == 204


AMOUNTS = ["-1", "1e3", "0x10", "１２", "1_0", "", " 1", "1 Gi", "NaN", "inf", "9" * 40, "1.5.5", True, [], {}, -1, 1.5]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("field", ["cpu", "memory", "storage", "checkpoint_bytes"])
@pytest.mark.parametrize("value", [each for each in AMOUNTS if each != 1.5], ids=repr)
def test_b09_an_amount_is_a_quantity_of_kubernetes(root: Caller, field: str, value: Any) -> None:
    answer = root("PATCH", "/tenants/physics", json={"quota": {field: value}})
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["detail"]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("value", [-1, 1.5, True, [], "١", 10**30], ids=repr)
def test_b09_a_number_of_servers_is_a_whole_one(root: Caller, value: Any) -> None:
    assert root("PATCH", "/tenants/physics", json={"quota": {"servers": value}}).status_code == 422
    assert root("PATCH", "/tenants/physics", json={"quota": {"devices": {"nvidia.com/gpu": value}}}).status_code == 422


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"title": "x"}',
        '{"title": "x"}'.encode("utf-16"),
        b'{"title": "x"}{"title": "y"}',
        b'{"title": "x", "title": "y"}',
        b'{"quota": {"servers": NaN}}',
        b'{"quota": {"servers": 1e400}}',
        b'{"title": ' + b"[" * 100_000,
        b'{"quota": {"servers": ' + b"9" * 5000 + b"}}",
        b'{"title": "\\ud800"}',
        b"\xff\xfe",
        b"",
    ],
    ids=["bom", "utf-16", "two", "twice", "nan", "infinite", "deep", "digits", "surrogate", "bytes", "empty"],
)
def test_b12_b13_a_body_is_one_json_document_in_utf_8(root: Caller, body: bytes) -> None:
    answer = root("PATCH", "/tenants/physics", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "patch",
    [
        {"culling": {"idle_after": "-PT1H"}},
        {"culling": {"idle_after": "P9999Y"}},
        {"retention": {"keep_age": "PT0S"}},
        {"retention": {"keep_count": -1}},
        {"retention": {"keep_age": "2026-11-25"}},
    ],
    ids=repr,
)
def test_b31_a_length_of_time_is_positive_and_in_bounds(root: Caller, patch: Any) -> None:
    assert root("PATCH", "/tenants/physics", json=patch).status_code == 422


@pytest.fixture(scope="module")
def lenas(service: Running) -> Started:
    return service.start("lena")


SERVER_NAMES = ["My.Server", "a--b", "-a", "a-", "1a", "a" * 31, "a/b", "..", "\u0430", "a\n", "%2e", "a_b"]


@pytest.mark.parametrize("name", SERVER_NAMES, ids=ascii)
def test_b06_a_server_is_named_by_the_hubs_rule_and_a_legacy_name_touches_nothing(
    service: Running, lenas: Started, name: str
) -> None:
    refused = service.request_start("lena", name=name, profile="base")
    assert refused.status_code == 422, refused.text
    assert "server_name" in refused.json()["detail"]
    mine = service.person("lena")("GET", "/servers").json()["items"]
    assert [(each["id"], each["name"], each["state"]) for each in mine] == [(lenas.id, "", "running")]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("quota", "field", "amounts"),
    [
        ({"memory": "8Gi", "per_user": {"memory": "9Gi"}}, "quota.per_user.memory", ("9 GiB", "8 GiB")),
        ({"cpu": "2", "per_user": {"cpu": "2001m"}}, "quota.per_user.cpu", ("2.001 cores", "2 cores")),
        ({"servers": 3, "per_user": {"servers": 4}}, "quota.per_user.servers", ("4", "3")),
        ({"per_user": {"devices": {"nvidia.com/gpu": 1}}}, "quota.per_user.devices.nvidia.com/gpu", ("1", "0")),
    ],
    ids=["memory", "cpu", "servers", "device"],
)
def test_b10_nobody_is_promised_more_than_the_whole_team_has(
    root: Caller, quota: Any, field: str, amounts: tuple[str, ...]
) -> None:
    for method, path, more in (("PATCH", "/tenants/physics", {}), ("POST", "/tenants", {"name": "geology"})):
        answer = root(method, path, json=more | {"quota": quota})
        assert answer.status_code == 422, answer.text
        assert all(part in answer.json()["detail"] for part in (field, *amounts))


def test_b10_caps_may_add_up_to_more_than_the_team_has(root: Caller) -> None:
    fits = {"quota": {"memory": "8Gi", "per_user": {"memory": "8Gi"}}}
    assert root("PATCH", "/tenants/physics", json=fits).status_code == 200
    assert root("PATCH", "/tenants/physics", json={"quota": {"memory": None, "per_user": {"memory": None}}}).is_success


def test_b11_of_edits_that_race_on_one_version_one_is_done(root: Caller) -> None:
    seen = root("GET", "/tenants/physics").headers["etag"]
    with ThreadPoolExecutor(8) as pool:
        edits = [
            pool.submit(
                root, "PATCH", "/tenants/physics", json={"quota": {"servers": 10 + each}}, headers={"If-Match": seen}
            )
            for each in range(8)
        ]
        answers = [each.result() for each in edits]
    assert sorted(each.status_code for each in answers) == [200] + [412] * 7
    (done,) = [each.json() for each in answers if each.status_code == 200]
    assert root("GET", "/tenants/physics").json()["quota"] == done["quota"]


def test_b21_what_a_caller_proves_themselves_by_is_in_no_answer_and_no_log(
    service: Running, root: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    planted = "canary-7d1f"
    proofs = {
        "Authorization": f"Bearer {planted}-bearer",
        "Cookie": f"hubernate-session={planted}-session; _xsrf={planted}-xsrf",
        "X-XSRFToken": f"{planted}-header",
        "Idempotency-Key": root.token,
    }
    answers = [
        service.ask("GET", "/api/v1/me", headers=proofs),
        service.ask("POST", "/api/v1/tenants", headers=proofs, json={"name": "geology"}),
        service.ask("GET", f"/api/v1/me?token={planted}-address"),
        service.ask("GET", "/api/v1/tenants/nothing", root.token),
        service.ask("PATCH", "/api/v1/tenants/physics", root.token, json={"quota": {"servers": "x"}}),
    ]
    assert all(each.status_code >= 400 for each in answers)
    ours = [str(each.__dict__) for each in caplog.records if each.name.startswith("hubernate")]
    assert len(ours) >= len(answers)
    told = "".join(each.text + str(each.headers) for each in answers) + "".join(ours)
    assert not [each for each in (planted, root.token) if each in told]


PAGES = ["/tenants?", "/tenants/physics/servers?", "/tenants/physics/audit?", "/audit?"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=1000000000", "limit=x", "limit=1.5", "cursor=%00"])
def test_b26_pages_are_bounded(root: Caller, path: str, query: str) -> None:
    assert root("GET", path + query).status_code == 422


@pytest.mark.parametrize("token", ["", "x" * 40, "none", "Bearer", "eyJhbGciOiJub25lIn0.e30.", "t" * 5000])
def test_b25_what_is_no_token_of_anybodys_is_refused_everywhere(service: Running, token: str) -> None:
    for path in ("/api/v1/me", "/api/v1/agent/poll", "/api/v1/hub/servers/start", "/api/v1/gate/activity"):
        method = "GET" if path.endswith("me") else "POST"
        assert service.ask(method, path, token, json=None if method == "GET" else {}).status_code == 401, path
    assert service.ask("GET", f"/api/v1/me?token={token}").status_code == 401, "none in the address"


def test_b23_b30_a_checkpoint_of_another_by_id_digest_or_tag_is_not_there(service: Running) -> None:
    server = service.start("ada")
    service.tell(server.ticket, "stop", {"generation": server.ticket.generation})
    agent = service.agent()
    agent.finish(agent.order())
    (one,) = service.person("ada")("GET", f"/servers/{server.id}/checkpoints").json()["items"]
    eve = service.person("eve", groups=("physics",))
    for name in (one["id"], one["digest"], one["repository"], "latest", "%2e%2e"):
        assert eve("DELETE", f"/checkpoints/{quote(name, safe='%')}?confirm=last").status_code == 404
    refused = service.request_start("eve", start="checkpoint", checkpoint_id=one["id"])
    assert refused.status_code == 404
