"""A team's admin in front of headless Chromium: reads the bars, changes limits, adds and removes a member."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from support.hub_static import StaticHub
from support.platform_service import PREFIX, running

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
