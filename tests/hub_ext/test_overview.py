"""The overview for a platform admin, a team's admin and a member: what needs help first, charts, who sees what."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import event

from hubernate_core.cost import unit_of
from hubernate_core.metering import Key
from hubernate_core.operation import Step
from hubernate_hub.store import usage
from hubernate_hub.ui.charts import Series, chart, short
from support.hub_static import StaticHub
from support.platform_service import PREFIX, Caller, Running, running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PRICES = {"currency": "EUR", "prices": {"cpu": "0.04", "memory": "0.005", "checkpoint_bytes": "0.002"}}


def use(service: Running, team: str, user: str, days: int = 30, **units: int) -> None:
    """`user` used so much on each of the last days, with quieter weekends."""
    root = service.person("root", admin=True)
    team_id = root("GET", f"/tenants/{team}").json()["id"]
    today = datetime.now(UTC).date()
    counts: dict[Key, int] = {}
    for ago in range(days):
        day = today - timedelta(days=ago)
        share = (0.15 if day.weekday() > 4 else 1.0) * (1 + 0.35 * ((ago * 7919) % 11 - 5) / 5)
        for name, number in units.items():
            for key in ((team_id, user), (team_id, ""), ("", "")):
                counts[(*key, day, name)] = int(number * share * unit_of(name).size)
    service.inside.store.now(usage.add, counts)


def fail_a_save(service: Running, user: str, reason: str = "the registry is full", **more: str) -> str:
    server = service.start(user, **more)  # type: ignore[arg-type]
    root = service.person("root", admin=True)
    assert root("POST", f"/servers/{server.id}/operations", json={"kind": "save"}).status_code == 202
    agent = service.agent()
    agent.say(agent.order(), Step.FAILED, reason=reason)
    return server.id


def page(service: Running, caller: Caller, path: str) -> tuple[int, str]:
    answer = service.ask("GET", path, caller.token, headers={"accept": "text/html"})
    return answer.status_code, re.sub(r"\s+", " ", answer.text)


def test_what_needs_somebody_comes_first_until_it_is_saved(tmp_path: Path, database: str) -> None:
    with running(tmp_path, db_url=database) as service:
        root = service.person("root", admin=True)
        assert "could not be saved" not in page(service, root, "/overview")[1]
        server = fail_a_save(service, "ada", "the registry <is> full")
        shown = page(service, root, "/overview")[1]
        assert "1 could not be saved" in shown and "the registry &lt;is&gt; full" in shown
        assert shown.index("could not be saved") < shown.index("Running"), "it comes first"
        assert "1 could not be saved" in page(service, root, "/admin")[1]
        assert "Try again" in page(service, root, "/failed")[1]
        assert page(service, root, "/admin?q=ada&state=running")[1].count("<article") == 1
        assert root("GET", "/servers?everyone=true").json()["total"] == 1
        root("POST", f"/servers/{server}/operations", json={"kind": "save"})
        assert "1 could not be saved" in page(service, root, "/overview")[1], "tried again, and not saved yet"
        agent = service.agent()
        agent.finish(agent.order())
        assert "could not be saved" not in page(service, root, "/overview")[1]
        assert "Every environment that was to be saved is saved" in page(service, root, "/failed")[1]


def test_who_sees_which_failed_saves_and_whose_cost(service: Running) -> None:
    root = service.person("root", admin=True)
    root("PUT", "/prices", json=PRICES)
    root("PUT", "/tenants/physics/members/ada", json={"role": "admin"})
    ada, eve = service.person("ada", groups=("physics",)), service.person("eve", groups=("physics",))
    fail_a_save(service, "eve", "disk of physics")
    fail_a_save(service, "bob", "disk of biology", groups=("biology",))  # type: ignore[arg-type]
    use(service, "physics", "eve", days=1, cpu=100)
    service.request_start("nina", groups=("physics",), profile="base")
    use(service, "physics", "nina", days=1, cpu=1000)
    own = page(service, ada, "/failed")[1]
    assert "disk of physics" in own and "disk of biology" not in own
    team = page(service, ada, "/teams/physics")[1]
    assert "disk of physics" in team and "disk of biology" not in team
    assert re.search(r"nina</th>((?!</tr>).)* EUR</td>", team), "what each person costs"
    for path in ("/overview", "/failed", "/admin"):
        assert page(service, eve, path)[0] == 403
    assert page(service, ada, "/overview")[0] == 403
    mine = page(service, eve, "/teams/physics")[1]
    assert "Your own last 30 days" in mine and "Cost<br>" not in mine and "disk of physics" not in mine
    cost = re.search(r"Cost</span> <strong>([0-9.,]+) EUR", mine)
    assert cost is not None and Fraction(cost[1]) < 10, "hers, not nina's"


def queries(service: Running, caller: Caller, path: str) -> int:
    """How many statements a page needs."""
    statements: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    engine = service.inside.store._engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        assert page(service, caller, path)[0] == 200
    finally:
        event.remove(engine, "before_cursor_execute", count)
    return len(statements)


def test_lists_are_searched_and_paged(service: Running) -> None:
    root = service.person("root", admin=True)
    root("PUT", "/prices", json=PRICES)
    fail_a_save(service, "ada")
    paths = ("/overview", "/admin", "/failed", "/teams")
    few = {path: queries(service, root, path) for path in paths}
    for number in range(55):
        root("POST", "/tenants", json={"name": f"team-{number:02d}"})
        assert service.request_start(f"user{number:02d}", groups=("physics",), profile="base").status_code == 200
    assert {path: queries(service, root, path) for path in paths} == few, "however much there is"
    first = page(service, root, "/overview")[1]
    following = re.search(r'href="[^"]*/(overview\?cursor=[^"#]+)', first)
    assert following is not None
    second = page(service, root, "/" + following[1].replace("&amp;", "&"))[1]
    assert "team-54" in second and "team-54" not in first and "team-00" in first
    assert "team-07" in page(service, root, "/overview?q=m-07")[1]
    assert "No team has “nothing”" in page(service, root, "/overview?q=nothing")[1]
    servers = page(service, root, "/admin")[1]
    following = re.search(r'href="[^"]*/(admin\?cursor=[^"#]+)', servers)
    assert following is not None
    rest = page(service, root, "/" + following[1].replace("&amp;", "&"))[1]
    assert [name in servers for name in ("ada", "user23", "user24")] == [True, True, False]
    assert "user24" in rest and "user23" not in rest
    assert "user33" in page(service, root, "/admin?q=r33&state=starting")[1]
    assert "user33" not in page(service, root, "/admin?q=r33&state=asleep")[1]
    assert page(service, root, "/admin?cursor=%00")[0] == 422
    assert page(service, root, "/overview?days=31")[0] in (400, 422)


def test_a_chart_says_in_words_what_it_shows() -> None:
    today = datetime(2026, 11, 25, tzinfo=UTC).date()
    values = {today: Fraction(1, 3), today - timedelta(days=2): Fraction(1500)}
    made = chart(Series("x", "Core-hours", values), today - timedelta(days=6), today, today)
    assert made.summary == "2 of 7 days with use; the most on 23 November: 1,500."
    assert (made.total, made.last, made.columns[-1].value) == ("1,500", "today", "0.333")
    assert made.columns[4].height == 100 and made.columns[-1].height == 1, "a little is not nothing"
    empty = chart(Series("x", "Cost", {}, "EUR"), today, today, today)
    assert (empty.summary, empty.total, empty.columns[0].height) == ("Nothing in these days.", "0.00 EUR", 0)
    priced = chart(Series("x", "Cost", {today: Fraction(1234505, 1000)}, "EUR"), today, today, today)
    assert priced.total == "1234.51 EUR", "as every other sum of money: half up, by the same words"
    assert [short(Fraction(each)) for each in ("0", "0.0001", "0.3149", "12.34", "99999.6")] == [
        "0", "under 0.001", "0.315", "12.3", "100,000",
    ]  # fmt: skip


def test_the_form_of_prices_has_what_is_counted_here_and_what_has_a_price(service: Running) -> None:
    root, context = service.person("root", admin=True), service.inside
    profiles = json.loads((service.folder / "profiles.json").read_text())
    profiles[0]["kubernetes"] = {"devices": {"amd.com/gpu": 1}}
    (service.folder / "profiles.json").write_text(json.dumps(profiles))
    context.catalogue.refresh(strict=True)

    def resources() -> list[str]:
        return re.findall(r'data-price="([^"]+)"', page(service, root, "/overview")[1])

    assert resources() == ["servers", "jobs", "cpu", "memory", "checkpoint_bytes"]
    context.settings.backend = "kubernetes"
    try:
        assert resources() == ["servers", "jobs", "cpu", "memory", "amd.com/gpu", "storage", "checkpoint_bytes"]
    finally:
        context.settings.backend = "docker"
    later = {"currency": "EUR", "prices": {"nvidia.com/gpu": "2", "storage": "1"}}
    root("PUT", "/prices", json=later)
    root("PUT", "/prices", json=later | {"prices": {"cpu": "7"}, "since": "2999-01-31"})
    assert resources() == ["servers", "jobs", "cpu", "memory", "nvidia.com/gpu", "storage", "checkpoint_bytes"]
    assert "Another list begins on 31 January 2999" in page(service, root, "/overview")[1]


@contextmanager
def browsing() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def look(screen: Page, folder: Path, name: str) -> None:
    """Pictures at the desk and on a phone, light and dark; nothing sticks out on the phone."""
    for width, theme in ((1200, "light"), (1200, "dark"), (390, "light"), (390, "dark")):
        screen.set_viewport_size({"width": width, "height": 900})
        screen.evaluate(f"document.documentElement.dataset.bsTheme = '{theme}'")
        screen.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True)
    assert screen.evaluate("document.documentElement.scrollWidth") <= 390
    screen.set_viewport_size({"width": 1200, "height": 900})


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")
def test_three_people_look_at_use_and_cost(tmp_path: Path) -> None:
    quota = {"servers": 4, "cpu": "8", "memory": "16Gi", "per_user": {"servers": 2}}
    names = ("astronomy", "biology", "chemistry", "economics", "geology", "physics")
    tenants = [{"name": name, "title": name.title(), "quota": quota} for name in names]
    more = {"/hub/static": StaticHub()}
    with running(tmp_path, state={"tenants": tenants}, more=more) as service, browsing() as browser:
        root = service.person("root", admin=True)
        root("PUT", "/prices", json=PRICES)
        root("PUT", "/tenants/physics/members/ada", json={"role": "admin"})
        for number, name in enumerate(names):
            for person in ("ada", "eve", "grace")[: 1 + number % 3]:
                service.start(person if name == "physics" else f"{person}-{name}", groups=(name,))
                use(
                    service, name, person, cpu=40 + 9 * number, memory=160 + 30 * number, servers=20, checkpoint_bytes=6
                )
        fail_a_save(service, "eve", "the registry has no space left", name="second", groups=("physics",))  # type: ignore[arg-type]
        screen = browser.new_page(viewport={"width": 1200, "height": 900})
        problems: list[str] = []
        screen.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)

        service.hub.browser = "root"
        screen.goto(f"{service.url}{PREFIX}/overview")
        expect(screen.get_by_role("heading", name="1 could not be saved")).to_be_visible()
        expect(screen.get_by_role("img", name="Cost by day")).to_be_visible()
        screen.locator("figure").first.get_by_text("As a table").click()
        expect(screen.get_by_role("table", name="Cost by day").get_by_role("row")).to_have_count(31)
        screen.locator("figure").first.get_by_text("As a table").click()
        look(screen, tmp_path, "overview")
        with screen.expect_download() as download:
            screen.get_by_role("link", name="CSV").click()
        assert "physics,Physics,," in download.value.path().read_text()
        screen.get_by_role("link", name="7 days").click()
        expect(screen.get_by_role("heading", name="The last 7 days")).to_be_visible()
        screen.get_by_label("Find a team").fill("phys")
        screen.get_by_label("Find a team").press("Enter")
        expect(screen.get_by_role("row")).to_have_count(2)
        screen.get_by_role("link", name="Look, try again or discard").click()
        expect(screen.get_by_role("heading", name="Failed saves")).to_be_visible()
        look(screen, tmp_path, "failed")
        screen.get_by_role("button", name="Try again").click()
        expect(screen.get_by_text("Looking for changes")).to_be_visible()
        agent = service.agent()
        agent.finish(agent.order())
        screen.goto(f"{service.url}{PREFIX}/failed")
        expect(screen.get_by_text("Every environment that was to be saved is saved")).to_be_visible()
        screen.goto(f"{service.url}{PREFIX}/admin")
        look(screen, tmp_path, "admin")

        for name, title in (("ada", "The last 30 days"), ("eve", "Your own last 30 days")):
            screen.context.clear_cookies()
            service.hub.browser = name
            service.person(name, groups=("physics",))
            screen.goto(f"{service.url}{PREFIX}/teams/physics")
            expect(screen.get_by_role("heading", name=title)).to_be_visible()
            expect(screen.get_by_role("link", name="Overview")).to_have_count(0)
            look(screen, tmp_path, f"team-as-{name}")
        assert screen.get_by_role("heading", name="Limits and rules").count() == 0, "eve is no admin"
        browser_errors = [each for each in problems if "404" not in each]
        assert browser_errors == [], "no style or script was refused"


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")
def test_a_platform_admin_sets_prices_on_the_overview(tmp_path: Path) -> None:
    with running(tmp_path, more={"/hub/static": StaticHub()}) as service, browsing() as browser:
        root = service.person("root", admin=True)
        use(service, "physics", "ada", cpu=40, memory=160)
        service.hub.browser = "root"
        screen = browser.new_page(viewport={"width": 1200, "height": 900})
        answers = [False, True]
        screen.on("dialog", lambda box: box.accept() if answers.pop(0) else box.dismiss())
        screen.goto(f"{service.url}{PREFIX}/overview")
        cores, save = (
            screen.get_by_role("textbox", name="Core-hours"),
            screen.get_by_role("button", name="Put in force"),
        )
        expect(screen.get_by_role("textbox", name="GiB-days of homes")).to_have_count(0)
        screen.get_by_label("Currency").fill("EUR")
        cores.fill("0,04")
        save.click()
        expect(screen.get_by_role("status")).to_contain_text("'0,04' is no price")
        assert root("GET", "/prices").json()["items"] == []
        cores.fill("0.04")
        save.click()
        expect(screen.get_by_role("img", name="Cost by day")).to_be_visible()
        assert root("GET", "/prices").json()["items"] == [
            {"currency": "EUR", "prices": {"cpu": "0.04"}, "since": None}
        ], "as without a first day: for all time"
        screen.get_by_text("change what things cost").click()
        expect(cores).to_have_value("0.04")
        look(screen, tmp_path, "prices")
        screen.get_by_role("textbox", name="GiB-hours of memory").fill("0.005")
        save.click()
        expect(cores).not_to_be_visible()
        today = service.clock().date().isoformat()
        assert [each["since"] for each in root("GET", "/prices").json()["items"]] == [None, today]
        screen.get_by_text("change what things cost").click()
        screen.get_by_label("First day (UTC)").fill("")
        save.click()
        assert len(root("GET", "/prices").json()["items"]) == 2, "the past is priced anew only by who says so"
        save.click()
        expect(save).not_to_be_visible()
        assert len(root("GET", "/prices").json()["items"]) == 1
