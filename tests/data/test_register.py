"""A team's admin registers a database by the form: fills in, is told what is wrong, tests, sees rows and columns."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from hubernate_hub.data.config import DataGateway
from support import postgres
from support.hub_static import StaticHub
from support.platform_service import PREFIX, running
from support.stores import OPEN, postgresql

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")
def test_an_admin_registers_tests_and_looks_at_a_database(tmp_path: Path) -> None:
    if postgres.missing():
        pytest.skip(postgres.missing())
    data, more = DataGateway(open_networks=OPEN), {"/hub/static": StaticHub()}
    with (
        postgresql() as database,
        running(tmp_path / "state", data=data, more=more) as service,
        sync_playwright() as playwright,
    ):
        service.start("ada", groups=("physics",))
        root = service.person("root", admin=True)
        root("PUT", "/tenants/physics/members/ada", json={"role": "admin"})
        service.hub.browser = "ada"
        expect.set_options(timeout=30_000)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        screen = browser.new_page(viewport={"width": 1200, "height": 1000})
        screen.goto(f"{service.url}{PREFIX}/sources")
        screen.get_by_role("link", name="Register a source").first.click()
        expect(screen.get_by_role("link", name="Folder of the platform")).to_have_count(0)
        screen.get_by_role("link", name="PostgreSQL").click()
        for label, value in {
            "Name": "crm",
            "Title": "Customers",
            "Host": "127.0.0.1",
            "Database": "shop",
            "User": "reader",
            "Password": "mistyped",
        }.items():
            screen.get_by_label(label).first.fill(value)
        screen.get_by_label("Port").fill(str(database.port))
        screen.get_by_label("TLS").select_option("off")
        screen.get_by_label("Database").fill("no such")
        screen.get_by_role("button", name="Register and test").click()
        expect(screen.get_by_role("alert")).to_contain_text("database: 'no such': use letters")
        screen.screenshot(path=tmp_path / "form.png", full_page=True)
        screen.get_by_label("Database").fill("shop")
        screen.get_by_role("button", name="Register and test").click()
        checks = screen.get_by_role("table").filter(has_text="Question")
        expect(checks.get_by_role("row", name="readable no")).to_be_visible()
        screen.get_by_text("Replace what opens it").click()
        screen.get_by_label("Password").fill(database.password)
        screen.get_by_role("button", name="Replace and test").click()
        for row in ("reachable yes", "exists yes", "readable yes"):
            expect(checks.get_by_role("row", name=row)).to_be_visible()
        screen.screenshot(path=tmp_path / "tested.png", full_page=True)
        assert database.password not in screen.content()
        screen.get_by_role("link", name="See what is in it").click()
        screen.get_by_role("link", name="customers").click()
        expect(screen.get_by_role("columnheader", name="paid numeric")).to_be_visible()
        expect(screen.get_by_role("cell", name="Ada")).to_be_visible()
        screen.screenshot(path=tmp_path / "sample.png", full_page=True)
        browser.close()
        assert root("GET", "/tenants/physics/sources/crm").json()["details"]["grants"]["tenant"] == "read"
