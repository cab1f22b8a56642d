"""A team's data in JupyterLab: found in the Data panel, looked at, read by the code that it writes."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from support.browser import Visitor, visiting
from support.installation import Installation

from .test_data import folder_of

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.browser, pytest.mark.timeout(600)]


def test_a_person_finds_looks_at_and_reads_data_in_jupyterlab(platform: Installation) -> None:
    root, ada = platform.person("admin"), platform.person("ada")
    folder = folder_of(platform) / "panel"
    (folder / "sales" / "2026").mkdir(parents=True)
    (folder / "sales" / "2026" / "may.csv").write_text("item,price\n" + "".join(f"i{n},{n}.5\n" for n in range(200)))
    (folder / "many").mkdir()
    for number in range(120):
        (folder / "many" / f"part-{number:03d}.csv").write_text("a\n1\n")
    place = {"kind": "files", "folder": "data", "prefix": "panel"}
    body = {"source": {"name": "panel", "title": "Sales", "place": place, "grants": {"tenant": "write"}}}
    made = root.api("POST", "/tenants/research/sources", json=body)
    assert made.status_code == 201, made.text
    ada.at_rest().start(profile="base", tenant="research", start="clean")
    with visiting(platform.url, "panel") as visitor:
        visitor.log_in("ada", platform.accounts()["user_password"])
        visitor.page.goto(f"{platform.url}/user/ada/lab?reset")  # not what an earlier test left open
        visitor.lab_is_open()
        visitor.new_notebook()
        visitor.page.get_by_role("tab", name="Data").click()
        _by_keyboard(visitor)
        _page_by_page(visitor)
        _upload(visitor, folder)
        _dark(visitor)
    ada.stop()


def _item(visitor: Visitor, name: str) -> Locator:
    tree = visitor.page.get_by_role("tree", name="Sources")
    return tree.get_by_role("treeitem", name=re.compile(f"^{name}"))


def _by_keyboard(visitor: Visitor) -> None:
    """Open, look, insert and run, without the mouse but for the first click."""
    page = visitor.page
    _item(visitor, "panel").click()
    expect(_item(visitor, "sales")).to_be_visible()
    visitor.picture("sources")
    _item(visitor, "sales").focus()
    page.keyboard.press("ArrowRight")
    expect(_item(visitor, "2026")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(_item(visitor, "may.csv")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    grid = page.get_by_role("region", name="The first rows")
    expect(grid.get_by_role("columnheader", name=re.compile("price.*0.5 – 99.5 · mean 50"))).to_be_visible()
    expect(grid.get_by_role("row")).to_have_count(101)
    details = page.get_by_role("region", name="Selected")
    expect(details).to_contain_text("2 columns")
    visitor.picture("preview")
    details.get_by_role("button", name="pandas").press("Enter")
    code = page.locator(".jp-CodeCell").first
    expect(code.locator(".cm-content")).to_contain_text('may = pd.read_csv("hub://panel/sales/2026/may.csv")')
    page.keyboard.press("Shift+Enter")
    expect(code.locator(".jp-OutputArea-output")).to_contain_text("i4", timeout=120_000)
    visitor.picture("read")


def _page_by_page(visitor: Visitor) -> None:
    _item(visitor, "many").click()
    expect(_item(visitor, "part-099")).to_be_visible()
    expect(_item(visitor, "part-100")).to_have_count(0)
    visitor.page.get_by_role("button", name="Show more").click()
    expect(_item(visitor, "part-119")).to_be_visible()
    _item(visitor, "many").click()


def _upload(visitor: Visitor, folder: Path) -> None:
    page = visitor.page
    _item(visitor, "sales").click()
    for expected in ("new.csv uploaded", "new.csv was not uploaded"):
        with page.expect_file_chooser() as chosen:
            page.get_by_role("button", name="Upload").click()
        chosen.value.set_files([{"name": "new.csv", "mimeType": "text/csv", "buffer": b"a\n" + b"1\n" * 100_000}])
        expect(page.get_by_role("region", name="Selected")).to_contain_text(expected)
    assert (folder / "sales" / "new.csv").stat().st_size == 200_002


def _dark(visitor: Visitor) -> None:
    visitor.menu("Settings", "Theme")
    visitor.page.locator(".lm-Menu-itemLabel", has_text=re.compile("^JupyterLab Dark$")).click()
    expect(visitor.page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    visitor.picture("dark")
