"""A team's admin in front of headless Chromium: reads the bars, changes limits, adds and removes a member."""

import json
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, expect, sync_playwright

from hubernate_hub.context import Work
from hubernate_hub.services.retention import settle
from support.hub_static import StaticHub
from support.platform_service import PREFIX, eventually, running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")
def test_an_admin_governs_a_team_by_its_page(tmp_path: Path) -> None:
    quota = {"servers": 4, "cpu": "8", "memory": "16Gi", "per_user": {"servers": 2}}
    state = {"tenants": [{"name": "physics", "title": "Physics", "quota": quota}]}
    with running(tmp_path, state=state, more={"/hub/static": StaticHub()}) as service, sync_playwright() as playwright:
        for name, groups in (("ada", ("physics",)), ("eve", ("physics",)), ("grace", ("physics",))):
            service.start(name, groups=groups)
        root = service.person("root", admin=True)
        root("PUT", "/tenants/physics/members/ada", json={"role": "admin"})
        service.hub.browser = "ada"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        screen = browser.new_page(viewport={"width": 1200, "height": 1000})
        problems: list[str] = []
        screen.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        screen.on("dialog", lambda box: box.accept())
        screen.goto(f"{service.url}{PREFIX}/teams")
        screen.screenshot(path=tmp_path / "teams.png", full_page=True)
        screen.get_by_role("link", name="Physics").click()
        expect(screen.get_by_text("12 GiB of 16 GiB")).to_be_visible()
        screen.get_by_label("Sleeps after idling for").fill("PT30M")
        screen.get_by_role("button", name="Who would sleep?").click()
        expect(screen.get_by_text("by the rules you try: nothing was changed")).to_be_visible()
        expect(screen.get_by_text("after 30 minutes without activity").first).to_be_visible()
        screen.screenshot(path=tmp_path / "tried.png", full_page=True)
        each = screen.get_by_role("group", name="Each person at most")
        each.get_by_label("Running servers").fill("1")
        screen.get_by_role("button", name="Save").click()
        expect(screen.get_by_text("tenant.change")).to_be_visible()
        found = root("GET", "/tenants/physics").json()
        assert (found["culling"]["idle_after"], found["quota"]["per_user"]["servers"]) == ("PT30M", 1)
        assert found["quota"]["memory"] == "16Gi", "what was not changed was not sent"
        screen.get_by_label("Name, as the hub spells it").fill("nina")
        screen.get_by_role("button", name="Add").click()
        row = screen.get_by_role("row", name="nina member")
        expect(row).to_be_visible()
        screen.screenshot(path=tmp_path / "team.png", full_page=True)
        screen.evaluate("document.documentElement.dataset.bsTheme = 'dark'")
        screen.set_viewport_size({"width": 400, "height": 800})
        screen.screenshot(path=tmp_path / "team-dark-phone.png", full_page=True)
        assert screen.evaluate("document.documentElement.scrollWidth") <= 400, "nothing sticks out on a phone"
        row.get_by_role("button", name="Remove").click()
        expect(row).to_have_count(0)
        root("PATCH", "/tenants/physics", json={"title": "Meanwhile"})
        screen.get_by_label("Sleeps after idling for").fill("PT45M")
        screen.get_by_role("button", name="Save").click()
        expect(screen.get_by_role("status")).to_contain_text("was changed since you read it")
        browser.close()
        assert [each for each in problems if "412" not in each and "404" not in each] == []


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")
def test_an_admin_looks_after_members_environments(tmp_path: Path) -> None:
    state = {"tenants": [{"name": "physics", "title": "Physics", "retention": {"keep_count": 1}}]}
    with running(tmp_path, state=state, more={"/hub/static": StaticHub()}) as service, sync_playwright() as playwright:
        eve = service.start("eve")
        root = service.person("root", admin=True)
        root("PUT", "/tenants/physics/members/ada", json={"role": "admin"})
        agent = service.agent()
        for _ in range(2):
            root("POST", f"/servers/{eve.id}/operations", json={"kind": "save"})
            agent.finish(agent.order(), largest=[{"path": "/opt/env/torch", "size": 3_000_000}])
            service.clock.move(minutes=1)
        context = service.inside
        context.store.now(lambda tx: settle(Work(tx, context, context.clock()), eve.ticket.tenant_id))
        service.person("ada", groups=("physics",))
        service.hub.browser = "ada"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        screen = browser.new_page(viewport={"width": 1200, "height": 1000})
        asked: list[str] = []

        def answer(box: Dialog) -> None:
            asked.append(box.message)
            box.accept("lab" if box.type == "prompt" else "")

        screen.on("dialog", answer)
        screen.goto(f"{service.url}{PREFIX}/teams/physics")
        goes = screen.get_by_role("row", name="there are newer ones")
        expect(goes).to_contain_text("eve")
        goes.get_by_role("button", name="Pin").click()
        expect(goes).to_have_count(0)
        (pinned,) = [each for each in root("GET", f"/servers/{eve.id}/checkpoints").json()["items"] if each["pinned"]]
        root("PATCH", f"/checkpoints/{pinned['id']}", json={"pinned": False})
        context.store.now(lambda tx: settle(Work(tx, context, context.clock()), eve.ticket.tenant_id))
        screen.get_by_role("link", name="Environments of all members").click()
        screen.get_by_text("Checkpoints").last.click()
        older = screen.get_by_role("row").filter(has_text="ago").last
        expect(older).to_contain_text("goes in")
        older.get_by_role("button", name="Pin", exact=True).click()
        expect(screen.get_by_text("pinned", exact=True)).to_be_visible()
        expect(screen.get_by_text("goes in")).to_have_count(0)
        screen.get_by_role("button", name="Offer to the team").first.click()
        expect(screen.get_by_role("status")).to_contain_text("lab is being prepared")
        assert "eve changed outside the home folder" in asked[-1]
        screen.screenshot(path=tmp_path / "members.png", full_page=True)
        screen.get_by_role("button", name="Save and stop").click()
        expect(screen.get_by_role("article")).to_contain_text("an admin asked for it")
        agent.finish(agent.order(eve.seen()))
        start = screen.get_by_role("button", name="Start", exact=True)
        expect(start).to_be_visible(timeout=30_000)
        start.click()
        eventually("the hub was asked", lambda: service.hub.asked("POST", "users/eve/server"))
        assert asked[-1].startswith("Start this environment of eve?")
        screen.goto(f"{service.url}{PREFIX}/teams/physics")
        expect(screen.get_by_role("row", name="lab lab eve")).to_contain_text("being prepared")
        screen.screenshot(path=tmp_path / "team-images.png", full_page=True)
        screen.set_viewport_size({"width": 400, "height": 800})
        assert screen.evaluate("document.documentElement.scrollWidth") <= 400, "nothing sticks out on a phone"
        screen.get_by_role("row", name="lab lab eve").get_by_role("button", name="Retire").click()
        expect(screen.get_by_text("Offer a checkpoint on the page")).to_be_visible()
        browser.close()
    assert service.hub.asked("POST", "users/eve/server") == 1


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")
def test_a_team_is_deleted_by_typing_its_name(tmp_path: Path) -> None:
    with running(tmp_path, more={"/hub/static": StaticHub()}) as service, sync_playwright() as playwright:
        root = service.person("root", admin=True)
        root("POST", "/tenants", json={"name": "chemistry", "members": [{"user": "eve"}]})
        service.agent().poll()  # a team goes only while it is known what runs
        service.hub.browser = "root"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        screen = browser.new_page()
        typed = ["physics", "chemistry"]
        screen.on("dialog", lambda box: box.accept(typed.pop(0)))
        screen.goto(f"{service.url}{PREFIX}/teams/chemistry")
        delete = screen.get_by_role("button", name="Delete…")
        with screen.expect_download() as written:
            delete.click()
        assert json.loads(Path(written.value.path()).read_text())["tenant"]["name"] == "chemistry"
        expect(screen.get_by_role("status")).to_contain_text("Nothing was removed")
        assert root("GET", "/tenants/chemistry").json()["suspended"]
        delete.click()
        expect(screen.get_by_role("heading", name="Teams")).to_be_visible()
        browser.close()
        assert root("GET", "/tenants/chemistry").status_code == 404
        assert len(root("GET", "/departures").json()["items"]) == 1


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")
def test_a_long_page_keeps_live_what_is_on_the_screen(tmp_path: Path) -> None:
    with running(tmp_path, more={"/hub/static": StaticHub()}) as service, sync_playwright() as playwright:
        for number in range(12):
            service.start(f"user{number:02d}")
        service.person("root", admin=True)
        service.hub.browser = "root"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        screen = browser.new_page(viewport={"width": 1200, "height": 800})
        asked: list[str] = []
        screen.on("request", lambda sent: asked.append(sent.url.split("?")[0]) if "/fragment/" in sent.url else None)
        screen.clock.install()
        screen.goto(f"{service.url}{PREFIX}/admin")
        cards = screen.get_by_role("article")
        expect(cards).to_have_count(12)
        first, last = (each.get_attribute("data-server") for each in (cards.first, cards.last))
        with screen.expect_request(f"**/fragment/servers/{first}*"):
            screen.clock.run_for(10_000)
        screen.wait_for_load_state("networkidle")
        assert 0 < len(set(asked)) < 12 and not any(str(last) in each for each in asked)
        cards.last.scroll_into_view_if_needed()
        with screen.expect_request(f"**/fragment/servers/{last}*"):
            screen.clock.run_for(10_000)
        with screen.expect_navigation():  # as when the browser goes back to a page that it kept
            screen.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        browser.close()
