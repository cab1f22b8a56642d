"""Use and cost at the real API: exact sums, roles, pages, prices that change, and no formula in a table."""

import csv
import io
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hubernate_core.cost import unit_of
from hubernate_core.metering import Key
from hubernate_hub.context import Work
from hubernate_hub.services.measuring import measure_tenants
from hubernate_hub.store import departures, usage, usage_sums
from hubernate_hub.store.usage_sums import Days
from support.platform_service import Caller, Running, running

TODAY = date(2026, 11, 25)
PRICES = {"cpu": "0.04", "memory": "0.005", "checkpoint_bytes": "0.001"}


def use(service: Running, team: str, user: str, *, day: date = TODAY, **units: int) -> None:
    """`user` used whole units of something on a day; people who never started anything have no row of their own."""
    root = service.person("root", admin=True)
    team_id = root("GET", f"/tenants/{team}").json()["id"]
    counts: dict[Key, int] = {
        (tenant, who, day, name): number * unit_of(name).size
        for name, number in units.items()
        for tenant, who in ((team_id, user), (team_id, ""), ("", ""))
    }
    service.inside.store.now(usage.add, counts)


def ask(caller: Caller, **query: Any) -> dict[str, Any]:
    answer = caller("GET", "/usage", params={"from": "2026-11-01", "to": "2026-11-30"} | query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def table(caller: Caller, **query: Any) -> list[dict[str, str]]:
    answer = caller("GET", "/usage.csv", params={"from": "2026-11-01", "to": "2026-11-30"} | query)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.fixture
def root(service: Running) -> Caller:
    """An admin of a platform on which ada and eve used physics, bob biology."""
    for name, team in (("ada", "physics"), ("eve", "physics"), ("bob", "biology")):
        service.start(name, groups=(team,))
        service.request_start(name, groups=(team,))
    use(service, "physics", "ada", cpu=100, memory=400)
    use(service, "physics", "eve", cpu=1)
    use(service, "biology", "bob", day=TODAY - timedelta(days=1), cpu=10)
    return service.person("root", admin=True)


def test_sums_by_tenant_person_and_day_agree(service: Running, root: Caller) -> None:
    assert root("PUT", "/prices", json={"currency": "EUR", "prices": PRICES}).status_code == 200
    teams = ask(root)
    assert [(each["tenant"], each["cost"]) for each in teams["items"]] == [("biology", "0.40"), ("physics", "6.04")]
    assert (teams["total"]["cost"], teams["currency"]) == ("6.44", "EUR")
    assert teams["total"]["amounts"] == {"cpu": "111", "memory": "400"}
    assert teams["units"]["memory"] == "GiB-hours of memory"
    people = ask(root, by="person")["items"]
    assert {(each["tenant"], each["user"], each["cost"]) for each in people} == {
        ("physics", "ada", "6.00"), ("physics", "eve", "0.04"), ("biology", "bob", "0.40"),
    }  # fmt: skip
    days = ask(root, by="day")["items"]
    assert [(each["day"], each["cost"]) for each in days] == [("2026-11-24", "0.40"), ("2026-11-25", "6.04")]
    assert ask(root, to="2026-11-24")["total"]["cost"] == "0.40"
    assert ask(root, tenant="physics", by="day")["total"]["cost"] == "6.04"


def test_who_sees_whose_use(service: Running, root: Caller) -> None:
    root("PUT", "/prices", json={"currency": "EUR", "prices": PRICES})
    root("PUT", "/tenants/physics/members/ada", json={"role": "admin"})
    ada, eve = service.person("ada", groups=("physics",)), service.person("eve", groups=("physics",))
    assert [each["cost"] for each in ask(ada)["items"]] == ["6.04"]
    assert {each["user"] for each in ask(ada, by="person")["items"]} == {"ada", "eve"}
    own = ask(eve)
    assert [(each["tenant"], each["user"], each["cost"]) for each in own["items"]] == [("physics", "eve", "0.04")]
    assert own["total"]["cost"] == "0.04"
    assert [each["user"] for each in ask(eve, by="person")["items"]] == ["eve"]
    assert ask(eve, tenant="physics", by="day")["total"]["cost"] == "0.04"
    for caller in (ada, eve, service.person("mallory")):
        assert caller("GET", "/usage", params={"tenant": "biology"}).status_code == 404
        assert caller("GET", "/usage.csv", params={"tenant": "biology"}).status_code == 404
        assert "bob" not in caller("GET", "/usage.csv", params={"by": "person"}).text
        assert caller("PUT", "/prices", json={"currency": "EUR", "prices": {}}).status_code == 403
    namesake = service.person("Eve", groups=("physics",))
    for query in ({}, {"tenant": "physics"}, {"by": "person"}, {"by": "day"}):
        assert ask(namesake, **query)["total"] == {"amounts": {}, "cost": "0.00"}, "another spelling, another person"
    shown = service.ask("GET", "/teams/physics", namesake.token, headers={"accept": "text/html"}).text
    assert "core_hours-chart" not in shown
    stranger = ask(service.person("mallory"))
    assert (stranger["items"], stranger["total"]) == ([], {"amounts": {}, "cost": "0.00"})
    cursor = ask(root, by="person", limit=1)["next"]
    assert {each["user"] for each in ask(eve, by="person", cursor=cursor)["items"]} <= {"eve"}


def test_pages_hold_everything_once(service: Running, root: Caller) -> None:
    for by, key, wanted in (("tenant", "tenant", {"physics", "biology"}), ("person", "user", {"ada", "eve", "bob"})):
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = ask(root, by=by, limit=1, cursor=cursor)
            found += [each[key] for each in page["items"]]
            cursor = page["next"]
        assert sorted(found) == sorted(wanted)


def test_a_price_change_leaves_the_past_alone(tmp_path: Path, database: str) -> None:
    with running(tmp_path, db_url=database) as service:
        service.start("ada")
        for day in (TODAY, TODAY - timedelta(days=1), TODAY - timedelta(days=2)):
            use(service, "physics", "ada", day=day, cpu=100)
        root = service.person("root", admin=True)
        assert ask(root)["total"] == {"amounts": {"cpu": "300"}, "cost": ""}, "no prices, no cost"
        root("PUT", "/prices", json={"currency": "EUR", "prices": {"cpu": "1"}, "since": "2026-11-24"})
        assert ask(root)["total"]["cost"] == "200.00", "before the first list nothing cost anything"
        root("PUT", "/prices", json={"currency": "EUR", "prices": {"cpu": "2"}, "since": "2026-11-25"})
        assert ask(root)["total"]["cost"] == "300.00"
        assert [each["cost"] for each in ask(root, by="person")["items"]] == ["300.00"]
        assert [each["cost"] for each in ask(root, by="day")["items"]] == ["0.00", "100.00", "200.00"]
        mixed = root("PUT", "/prices", json={"currency": "USD", "prices": {}, "since": "2026-11-26"})
        assert (mixed.status_code, mixed.json()["field"]) == (422, "currency")
        assert root("PUT", "/prices", json={"currency": "USD", "prices": {"cpu": "0.000001"}}).status_code == 200
        assert (ask(root)["currency"], ask(root)["total"]["cost"]) == ("USD", "0.00")
        assert len(root("GET", "/prices").json()["items"]) == 1
        entry = root("GET", "/audit").json()["items"][0]
        assert (entry["action"], entry["after"][0]["prices"]) == ("prices.change", {"cpu": "0.000001"})


def test_prices_that_somebody_else_changed_meanwhile_are_not_overwritten(root: Caller) -> None:
    """Two admins had the form open."""
    read = root("GET", "/prices").headers["ETag"]
    mine, theirs = ({"currency": "EUR", "prices": {"cpu": price}} for price in ("1", "2"))
    first = root("PUT", "/prices", json=theirs, headers={"If-Match": read})
    assert (first.status_code, first.headers["ETag"]) == (200, f'"{first.json()["version"]}"')
    second = root("PUT", "/prices", json=mine, headers={"If-Match": read})
    assert (second.status_code, "changed since you read" in second.json()["detail"]) == (412, True)
    assert root("GET", "/prices").json()["items"][0]["prices"] == {"cpu": "2"}
    assert root("PUT", "/prices", json=mine, headers={"If-Match": first.headers["ETag"]}).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"currency": "EUR", "prices": {"cpu": 0.04}}, "prices"),
        ({"currency": "EUR", "prices": {"cpu": "-1"}}, "prices"),
        ({"currency": "EUR", "prices": {"gpu": "1"}}, "prices"),
        ({"currency": "euro", "prices": {}}, "currency"),
        ({"currency": "EUR", "prices": {}, "since": "soon"}, "since"),
        ({"currency": "EUR", "prices": {}, "sinse": None}, "sinse"),
    ],
)
def test_a_bad_price_list_is_named_and_changes_nothing(root: Caller, body: dict[str, Any], field: str) -> None:
    answer = root("PUT", "/prices", json=body)
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["detail"]
    assert root("GET", "/prices").json()["items"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-12-01"}, {"from": "2020-01-01"}, {"to": "x"}, {"by": "cat"}, {"cursor": "!!"},
        {"from": "0001-01-01", "to": "9999-12-31"}, {"limit": 0}, {"tenant": "x" * 31},
    ],
)  # fmt: skip
def test_a_bad_question_is_refused(root: Caller, query: dict[str, Any]) -> None:
    assert root("GET", "/usage", params={"to": "2026-11-30"} | query).status_code == 422


def test_the_oldest_and_newest_days_there_are_break_nothing(root: Caller) -> None:
    assert root("GET", "/usage", params={"to": "0001-01-01"}).status_code == 200
    assert root("GET", "/usage", params={"to": "9999-12-31"}).status_code == 200


def test_csv_is_exact_and_holds_no_formula(service: Running, root: Caller) -> None:
    root("PUT", "/prices", json={"currency": "EUR", "prices": PRICES})
    root("PATCH", "/tenants/biology", json={"title": "=HYPERLINK(A1)"})
    service.start("@evil", groups=("biology",))
    use(service, "biology", "@evil", cpu=1)
    query = {"from": "2026-11-01", "to": "2026-11-30"}
    answer = root("GET", "/usage.csv", params=query | {"by": "person"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 4
    assert {row["user"] for row in rows} == {"ada", "eve", "bob", "'@evil"}
    assert {row["title"] for row in rows if row["tenant"] == "biology"} == {"'=HYPERLINK(A1)"}
    assert sum(Decimal(row["cost"]) for row in rows) == Decimal("6.48")
    assert next(row for row in rows if row["user"] == "ada")["memory_gib_hours"] == "400"


def test_what_a_deleted_team_used_stays_in_the_books(service: Running, root: Caller) -> None:
    root("POST", "/tenants", json={"name": "old", "title": "Old team"})
    use(service, "old", "zoe", cpu=5)
    service.agent().poll()
    assert root("POST", "/tenants/old/deletion").status_code == 200
    assert root("DELETE", "/tenants/old?confirm=old").status_code == 204
    assert "Old team" not in {each["title"] for each in ask(root, to="2026-11-02")["items"]}, "unused: not there"
    root("POST", "/tenants", json={"name": "untitled"})
    use(service, "untitled", "max", cpu=2)
    assert root("POST", "/tenants/untitled/deletion").status_code == 200
    assert root("DELETE", "/tenants/untitled?confirm=untitled").status_code == 204
    context = service.inside
    for team in context.store.now(departures.under_way):
        context.store.now(departures.homes_gone, team.tenant_id)
        context.store.now(departures.emptied, team.tenant_id, context.clock())
    titles = {each["title"]: each["amounts"] for each in ask(root)["items"]}
    assert (titles["Old team"], titles["untitled"]) == ({"cpu": "5"}, {"cpu": "2"})
    people = {(each["title"], each["user"], each["amounts"]["cpu"]) for each in ask(root, by="person")["items"]}
    assert {("Old team", "zoe", "5"), ("untitled", "max", "2")} < people
    assert people == {(row["title"], row["user"], row["core_hours"]) for row in table(root, by="person")}


def test_a_page_of_people_reads_the_rows_of_these_only(service: Running, root: Caller) -> None:
    ids = sorted((root("GET", f"/tenants/{name}").json()["id"], name) for name in ("physics", "biology"))
    (first, name), (last, _) = ids[0], ids[-1]
    use(service, name, "zz", cpu=1)
    whole = Days(TODAY - timedelta(days=9), TODAY)
    wanted = [(first, "ada" if name == "physics" else "bob"), (last, "bob" if name == "physics" else "ada")]
    found = service.inside.store.now(usage_sums.by_person, whole, wanted)
    assert sorted(found) == wanted, "nobody who stands between them in another team"


def test_the_cost_of_this_month_is_a_metric(service: Running, root: Caller) -> None:
    context, today = service.inside, service.clock().date()
    root("PUT", "/prices", json={"currency": "EUR", "prices": PRICES})
    for day in (today, today.replace(day=1), today.replace(day=1) - timedelta(days=1)):
        use(service, "biology", "bob", day=day, cpu=25)
    context.store.now(lambda tx: measure_tenants(Work(tx, context, context.clock())))
    found = re.search(
        r'hubernate_tenant_cost{currency="EUR",tenant="biology"} ([0-9.]+)', context.metrics.text().decode()
    )
    assert found is not None
    before = Decimal("0.40") if (today.year, today.month) == (2026, 11) else Decimal(0)
    assert Decimal(found[1]) - before == 2, "what was used last month is not in it"
