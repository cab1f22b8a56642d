"""Tenants at the real API: roles, versions, repeated requests, bounds, deleting, the file beside it, audit."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, exc, text

from hubernate_hub.context import Work
from hubernate_hub.services.measuring import measure_tenants
from hubernate_hub.services.seeding import seed
from support.platform_service import PREFIX, Caller, Running, running


@pytest.fixture
def root(service: Running) -> Caller:
    return service.person("root", admin=True)


@pytest.fixture
def ada(service: Running, root: Caller) -> Caller:
    """The admin of physics."""
    assert root("PUT", "/tenants/physics/members/ada", json={"role": "admin"}).status_code == 200
    return service.person("ada", groups=("physics",))


@pytest.fixture
def eve(service: Running) -> Caller:
    """A member of physics."""
    return service.person("eve", groups=("physics",))


def operations(service: Running) -> list[tuple[str, str, str]]:
    """Verb, path below the API and needed standing of everything that declares one."""
    document = service.ask("GET", "/api/v1/openapi.json").json()
    return [
        (verb.upper(), path.removeprefix(f"{PREFIX}/api/v1"), operation["x-needs"])
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
        if "x-needs" in operation
    ]


RANKS = ("nobody", "member", "tenant-admin", "platform-admin")


def test_roles_by_endpoints_are_as_the_document_says(service: Running, root: Caller, ada: Caller, eve: Caller) -> None:
    people = {
        "stranger": (service.person("mallory"), "nobody"),
        "admin of another team": (service.person("bob"), "nobody"),
        "member": (eve, "member"),
        "tenant admin": (ada, "tenant-admin"),
        "platform admin": (root, "platform-admin"),
    }
    root("PUT", "/tenants/biology/members/bob", json={"role": "admin"})
    document = root("GET", "/tenants/physics").json()
    body = {key: value for key, value in document.items() if key not in ("id", "version", "role")}
    bodies = {"PUT /tenants/{tenant}": body, "PATCH /tenants/{tenant}": {}, "POST /tenants": {"name": "new"}}
    bodies["POST /tenants/{tenant}/retention/preview"] = {"keep_count": 1}
    bodies["POST /tenants/{tenant}/images"] = {"checkpoint": "c123456789", "name": "lab"}
    bodies["POST /tenants/{tenant}/culling/preview"] = {"culling": {"idle_after": "PT5M"}}
    others = {
        "user": "nina",
        "source": "lake",
        "image": "lab",
        "job": "j123456789",
        "schedule": "s123456789",
        "digest": "0" * 64,
    }
    tried = 0
    for verb, path, need in operations(service):
        if need == "nobody":
            continue  # a person's own things: `test_everything_foreign_is_not_found`
        for who, (caller, rank) in people.items():
            real = path.format(tenant="physics", **others)
            sent = bodies.get(f"{verb} {path}", {"role": "member"}) if verb in ("PUT", "POST", "PATCH") else None
            answer = caller(verb, real, json=sent)
            allowed = RANKS.index(rank) >= RANKS.index(need) or ("{" not in path and need != "platform-admin")
            if allowed:
                missing = any(each in path for each in ("{source}", "{job}", "{schedule}")) or path.endswith("/images")
                missing = missing or verb == "DELETE"  # no lake, no job, no checkpoint
                refused = (401, 403) if missing else (401, 403, 404)
                assert answer.status_code not in refused, (who, verb, path, answer.text)
            elif "{" in path and rank == "nobody":
                nothing = caller(verb, path.format(tenant="nothing", **others), json=sent)
                assert (answer.status_code, nothing.status_code) == (404, 404), (who, verb, path)
                assert answer.json()["detail"] == nothing.json()["detail"]
            else:
                assert answer.status_code == 403, (who, verb, path, answer.text)
            tried += 1
    assert tried >= 60
    assert root("GET", "/tenants/physics").status_code == 200, "deleting asks twice"


def test_everything_that_names_a_tenant_declares_who_may(service: Running) -> None:
    document = service.ask("GET", "/api/v1/openapi.json").json()
    for path, verbs in document["paths"].items():
        if "/tenants" in path or "/audit" in path:
            assert all("x-needs" in each for each in verbs.values()), path


def test_lists_hold_only_the_own_teams_page_by_page(service: Running, root: Caller, ada: Caller, eve: Caller) -> None:
    for number in range(7):
        assert root("POST", "/tenants", json={"name": f"team-{number}"}).status_code == 201
    assert [each["name"] for each in eve("GET", "/tenants").json()["items"]] == ["physics"]
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        page = root("GET", "/tenants", params={"limit": 4, "cursor": cursor}).json()
        found += [each["name"] for each in page["items"]]
        cursor = page["next"]
    assert found == sorted(["biology", "physics", *(f"team-{number}" for number in range(7))])
    assert [each["name"] for each in root("GET", "/tenants?q=m-3").json()["items"]] == ["team-3"]
    assert root("GET", "/tenants?cursor=%00").status_code == 422
    assert root("GET", "/tenants?cursor=!!").status_code == 422
    foreign = root("GET", "/tenants?limit=1").json()["next"]
    assert [each["name"] for each in eve("GET", f"/tenants?cursor={foreign}").json()["items"]] == ["physics"]


def test_a_change_of_what_was_not_seen_is_refused(root: Caller) -> None:
    first = root("GET", "/tenants/physics")
    tag = {"If-Match": first.headers["etag"]}
    changed = root("PATCH", "/tenants/physics", json={"quota": {"memory": "64Gi"}}, headers=tag)
    assert changed.json()["quota"]["memory"] == "64Gi"
    late = root("PATCH", "/tenants/physics", json={"quota": {"memory": "1Gi"}}, headers=tag)
    assert late.status_code == 412
    assert root("GET", "/tenants/physics").json()["quota"]["memory"] == "64Gi"
    assert root("PATCH", "/tenants/physics", json={"quota": {"memory": None}}).json()["quota"]["memory"] is None


def test_the_same_document_again_changes_nothing(root: Caller) -> None:
    document = {"kind": "Tenant", "name": "chemistry", "quota": {"cpu": "8"}, "members": [{"user": "nina"}]}
    first = root("PUT", "/tenants/chemistry", json=document)
    assert first.status_code == 200
    again = root("PUT", "/tenants/chemistry", json=document)
    assert again.json() == first.json()
    assert len(root("GET", "/tenants/chemistry/audit").json()["items"]) == 1
    tried = root("PUT", "/tenants/chemistry?dry_run=true", json=document | {"title": "Chemistry"})
    assert tried.json()["title"] == "Chemistry"
    assert root("GET", "/tenants/chemistry").json() == first.json(), "only tried"


def test_a_repeated_request_makes_one_tenant(root: Caller) -> None:
    key = {"Idempotency-Key": "k1"}
    first = root("POST", "/tenants", json={"name": "chemistry"}, headers=key)
    assert root("POST", "/tenants", json={"name": "chemistry"}, headers=key).json() == first.json()
    assert root("POST", "/tenants", json={"name": "geology"}, headers=key).status_code == 409
    assert root("POST", "/tenants", json={"name": "chemistry"}).status_code == 409


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"quota": {"cpu": "-1"}}, "cpu"),
        ({"quota": {"memory": "1e3"}}, "memory"),
        ({"quota": {"memroy": "1Gi"}}, "quota.memroy"),
        ({"quota": {"servers": 1.5}}, "quota.servers"),
        ({"quota": {"devices": {"gpu": 1}}}, "devices"),
        ({"culling": {"idle_after": "soon"}}, "culling.idle_after"),
        ({"title": "x" * 61}, "title"),
        ({"title": "a\u0000b"}, "title"),
        ({"groups": [""]}, "groups"),
        ({"profiles": ["nothing"]}, "profiles"),
        ({"name": "other"}, "name"),
        ({"members": [{"user": "a"}, {"user": "a"}]}, "members"),
        ({"kubernetes": {"storage_class": "../x"}}, "storage_class"),
        (["title"], "body"),
    ],
)
def test_a_bad_value_is_named_and_changes_nothing(root: Caller, patch: Any, field: str) -> None:
    before = root("GET", "/tenants/physics").json()
    answer = root("PATCH", "/tenants/physics", json=patch)
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["detail"]
    assert answer.json()["request_id"]
    assert root("GET", "/tenants/physics").json() == before


@pytest.mark.parametrize("name", ["kube-system", "hub", "Team", "a_b", "-a", "x" * 31, "default", "..", "physics"])
def test_a_bad_reserved_or_taken_name_makes_no_tenant(root: Caller, name: str) -> None:
    assert root("POST", "/tenants", json={"name": name}).status_code in (409, 422)
    assert len(root("GET", "/tenants").json()["items"]) == 2


def test_a_tenants_admin_governs_within_bounds(service: Running, root: Caller, ada: Caller) -> None:
    root("PATCH", "/tenants/physics", json={"bounds": {"idle_after_max": "PT2H", "keep_count_max": 9}})
    mine = {"culling": {"idle_after": "PT90M"}, "retention": {"keep_count": 9}, "quota": {"per_user": {"servers": 1}}}
    assert ada("PATCH", "/tenants/physics", json=mine).status_code == 200
    assert ada("PATCH", "/tenants/physics", json={"culling": {"idle_after": "PT3H"}}).status_code == 422
    for theirs in ({"quota": {"cpu": "999"}}, {"bounds": {}}, {"groups": ["x"]}, {"kubernetes": {"internet": False}}):
        refused = ada("PATCH", "/tenants/physics", json=theirs if theirs != {"bounds": {}} else {"bounds": None})
        assert refused.status_code == 403, theirs
    assert ada("PATCH", "/tenants/physics", json={"suspended": True}).status_code == 422
    assert service.request_start("eve", profile="base").status_code == 200
    assert service.request_start("eve", name="two", profile="base").status_code == 409, "one each"


def test_a_tenants_admin_acts_on_the_members_servers_and_no_others(service: Running, root: Caller, ada: Caller) -> None:
    mine, foreign = service.start("eve"), service.start("bob", groups=("biology",))
    assert [each["id"] for each in ada("GET", "/tenants/physics/servers").json()["items"]] == [mine.id]
    assert ada("POST", f"/servers/{foreign.id}/operations", json={"kind": "stop"}).status_code == 404
    opened = ada("POST", f"/servers/{mine.id}/operations", json={"kind": "stop"})
    assert (opened.status_code, opened.json()["trigger"]) == (202, "admin")
    agent = service.agent()
    agent.finish(agent.order())
    assert ada("GET", f"/servers/{mine.id}/checkpoints").json()["total"] == 1
    assert ada("POST", f"/servers/{mine.id}/start").status_code == 202
    assert service.hub.asked("POST", "users/eve/server") == 1
    entries = ada("GET", "/tenants/physics/audit").json()["items"]
    assert [(each["actor"], each["role"], each["action"]) for each in entries[:2]] == [
        ("ada", "tenant-admin", "server.start"),
        ("ada", "tenant-admin", "server.stop"),
    ]
    assert "eve" in entries[0]["target"]


def test_membership_by_list_and_by_mapped_groups(service: Running, root: Caller) -> None:
    assert service.request_start("nina", groups=(), profile="base").status_code == 403
    root("PUT", "/tenants/physics/members/nina", json={})
    assert service.request_start("nina", groups=(), profile="base").status_code == 200
    assert service.request_start("NINA", groups=(), profile="base").status_code == 403, "another spelling"
    root("PATCH", "/tenants/biology", json={"groups": ["8f14e45f-idp"], "admin_groups": ["bio-leads"]})
    assert service.request_start("tom", groups=("biology",), profile="base").status_code == 403
    assert service.request_start("tom", groups=("8f14e45f-idp",), profile="base").status_code == 200
    lead = service.person("lea", groups=("bio-leads",))
    assert lead("GET", "/tenants/biology").json()["role"] == "tenant-admin"
    many = tuple(f"group-{number}" for number in range(10_000))
    assert service.request_start("max", groups=(*many, "physics"), profile="base").status_code == 200
    form = service.spawner("POST", "/users/max/start-options", json={"groups": [*many, "physics"]})
    assert [each["name"] for each in form.json()["tenants"]] == ["physics"]


def test_a_suspended_team_starts_nothing_and_keeps_what_runs(service: Running, root: Caller) -> None:
    server = service.start("eve")
    root("PATCH", "/tenants/physics", json={"suspended": True})
    assert service.request_start("bob", profile="base").status_code == 403
    assert root("GET", f"/servers/{server.id}").json()["state"] == "running"
    root("PATCH", "/tenants/physics", json={"suspended": False})
    assert service.request_start("bob", profile="base").status_code == 200


def test_the_file_is_a_seed_and_one_more_editor(service: Running, root: Caller) -> None:
    context = service.inside

    def read(tenants: list[dict[str, Any]]) -> None:
        (service.folder / "tenants.json").write_text(json.dumps(tenants))
        context.catalogue.refresh(strict=True)
        context.store.now(lambda tx: seed(Work(tx, context, context.clock()), context.catalogue.tenants))

    root("PATCH", "/tenants/physics", json={"title": "By hand"})
    root("POST", "/tenants", json={"name": "chemistry"})
    read([{"name": "physics", "title": "Physics"}, {"name": "geology"}])
    assert root("GET", "/tenants/physics").json()["title"] == "By hand", "the file's entry is as it was"
    read([{"name": "physics", "title": "By file"}])
    assert root("GET", "/tenants/physics").json()["title"] == "By file"
    assert root("GET", "/tenants/geology").json()["suspended"] is True
    assert root("GET", "/tenants/chemistry").json()["suspended"] is False
    newest = root("GET", "/audit").json()["items"][0]
    assert (newest["actor"], newest["tenant"]) == ("tenants.json", "geology")


def test_the_audit_log_is_append_only_and_a_change_behind_it_shows(tmp_path: Path, database: str) -> None:
    with running(tmp_path, db_url=database) as service:
        root = service.person("root", admin=True)
        for number in range(5):
            headers = {"X-Forwarded-For": "6.6.6.6, 10.0.0.9", "User-Agent": "browser"}
            root("PATCH", "/tenants/physics", json={"title": f"Physics {number}"}, headers=headers)
        entries = root("GET", "/audit?limit=3").json()
        more = root("GET", f"/audit?cursor={entries['next']}").json()["items"]
        numbers = [each["seq"] for each in (*entries["items"], *more)]
        assert all(newer == older + 1 for newer, older in pairwise(numbers)) and numbers[-1] == 1
        first = entries["items"][0]
        assert (first["before"], first["after"]) == ({"title": "Physics 3"}, {"title": "Physics 4"})
        assert (first["actor"], first["role"], first["origin"]) == ("root", "platform-admin", "10.0.0.9 browser")
        assert first["at"].endswith("Z")
        assert root("GET", "/audit/check").json() == {"whole": True, "first_break": None}
        engine = create_engine(database)
        for statement in ("UPDATE audit SET actor = 'eve'", "DELETE FROM audit"):
            with pytest.raises(exc.DBAPIError, match="append only"), engine.begin() as connection:
                connection.execute(text(statement))
        with engine.begin() as connection:
            drop = (
                "DROP TRIGGER audit_keeps ON audit" if "postgresql" in database else "DROP TRIGGER audit_keeps_UPDATE"
            )
            connection.execute(text(drop))
            connection.execute(text("UPDATE audit SET actor = 'eve' WHERE seq = 4"))
        assert root("GET", "/audit/check").json() == {"whole": False, "first_break": 4}


def test_use_says_who_holds_what(service: Running, root: Caller, eve: Caller) -> None:
    root("PATCH", "/tenants/physics", json={"quota": {"memory": "8Gi", "per_user": {"servers": 2}}})
    service.start("bob")
    shown = eve("GET", "/tenants/physics/use").json()
    memory = next(each for each in shown["use"] if each["resource"] == "memory")
    assert memory["shown"] == "4 GiB of 8 GiB"
    assert shown["people"][0]["user"] == "bob"
    assert shown["people"][0]["shown"]["servers"] == "1 of 2"
    assert shown["refusals"] == {"base": "", "spark": ""}
    service.start("ada")
    assert "memory" in eve("GET", "/tenants/physics/use").json()["refusals"]["base"]


def test_metrics_name_tenants_up_to_a_number(tmp_path: Path) -> None:
    with running(tmp_path, metrics_tenants_max=1) as service:
        service.start("eve", groups=("biology",))
        root, context = service.person("root", admin=True), service.inside
        root("PATCH", "/tenants/biology", json={"quota": {"memory": "8Gi"}})
        context.store.now(lambda tx: measure_tenants(Work(tx, context, context.clock())))
        told = service.ask("GET", "/metrics", root.token).text
        assert 'hubernate_tenant_used{resource="memory",tenant="biology"} 4.294967296e+09' in told
        assert 'hubernate_tenant_limit{resource="memory",tenant="biology"} 8.589934592e+09' in told
        assert "physics" not in told, "the other one uses less, and one is the most that may be named"
        assert "eve" not in told
        assert service.ask("GET", "/metrics", service.person("eve").token).status_code == 403


def page(service: Running, caller: Caller, path: str) -> tuple[int, str]:
    answer = service.ask("GET", path, caller.token, headers={"accept": "text/html"})
    return answer.status_code, answer.text


def test_pages_of_teams_show_what_their_viewer_may_see(
    service: Running, root: Caller, ada: Caller, eve: Caller
) -> None:
    root("PATCH", "/tenants/physics", json={"title": "<b>Physics", "quota": {"memory": "8Gi", "servers": 1}})
    service.start("eve")
    root("PATCH", "/tenants/physics", json={"quota": {"memory": "2Gi"}})
    status, shown = page(service, eve, "/teams/physics")
    assert status == 200
    assert "4 GiB of 2 GiB" in shown and "what runs goes on" in shown
    assert "&lt;b&gt;Physics" in shown and "<b>Physics" not in shown
    assert "Limits and rules" not in shown and "ada" not in shown, "a member sees no list and no form"
    assert "Biology" not in page(service, eve, "/teams")[1]
    own = page(service, ada, "/teams/physics")[1]
    assert 'name="quota.per_user.servers"' in own and 'name="quota.servers"' not in own
    assert "tenant.change" in own
    assert 'name="quota.servers" value="1"' in page(service, root, "/teams/physics")[1]
    assert "Biology" in page(service, root, "/teams")[1]
    assert page(service, eve, "/teams/biology")[0] == 404
    assert page(service, eve, "/teams/%00")[0] == 404


def test_entering_somebodys_server_is_on_the_audit_log(
    service: Running, root: Caller, ada: Caller, eve: Caller
) -> None:
    server = service.start("nina")
    token = server.ticket.relay_token
    for visitor in ("root", "ada", "eve", "gone"):
        body = {"generation": 1, "visitor": visitor, "by_token": visitor == "eve", "origin": "10.0.0.9 browser"}
        answer = service.ask("POST", "/api/v1/gate/visits", token, json=body)
        assert answer.status_code == 204, answer.text
    entries = [
        each for each in ada("GET", "/tenants/physics/audit").json()["items"] if each["action"] == "server.enter"
    ]
    assert [(each["actor"], each["role"], each["after"]["by"]) for each in reversed(entries)] == [
        ("root", "platform-admin", "browser"),
        ("ada", "tenant-admin", "browser"),
        ("eve", "guest", "token"),
        ("gone", "guest", "browser"),
    ]
    assert {each["origin"] for each in entries} == {"10.0.0.9 browser"}
    assert all(server.id in each["target"] and "nina" in each["target"] for each in entries)
    bad = {"generation": 1, "visitor": "", "by_token": False}
    assert service.ask("POST", "/api/v1/gate/visits", token, json=bad).status_code == 422
    assert service.ask("POST", "/api/v1/gate/visits", root.token, json=bad).status_code == 401
    service.hub.broken = True
    body = {"generation": 1, "visitor": "root", "by_token": False}
    assert service.ask("POST", "/api/v1/gate/visits", token, json=body).status_code == 503, "who it is must be known"
