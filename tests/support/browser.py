"""A person in front of headless Chromium: looks, clicks and types, and keeps a picture of every step."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, Dialog, Locator, Page, expect, sync_playwright

from support.installation import ROOT

_CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
_ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_START_MS, _RUN_MS = 180_000, 120_000


@dataclass
class Visitor:
    """Somebody at one browser. `page` is the tab they look at, `asked` what boxes asked them (all accepted),
    `unanswered` the requests of theirs that broke, for whoever has to find out why a journey failed."""

    url: str
    page: Page
    pictures: Path
    asked: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    _taken: int = 0

    def picture(self, name: str) -> None:
        """Keep what is on the screen as ``NN-NAME.png``."""
        self._taken += 1
        self.page.screenshot(path=self.pictures / f"{self._taken:02d}-{name}.png")

    def log_in(self, name: str, password: str) -> None:
        """By the form."""
        self.page.goto(self.url)
        self.page.get_by_label("Username:").fill(name)
        self.page.locator("#password_input").fill(password)
        self.picture("login")
        self.page.get_by_role("button", name="Sign in").click()

    def go_to(self, entry: str) -> None:
        """Click an entry of the bar and wait for its page: the one before may have buttons of the same name."""
        link = self.page.locator("#thenavbar").get_by_role("link", name=entry, exact=True)
        target = link.get_attribute("href") or ""
        link.click()
        self.page.wait_for_url(f"**{target}*")

    def look_at(self, page: Page) -> None:
        """Turn to `page`, a tab nobody looked at before."""
        self.page = page
        # JupyterLab may list the folder while a notebook in it is being renamed; a person clicks that away.
        stale = page.get_by_role("dialog").filter(has_text="Directory not found")
        page.add_locator_handler(stale, lambda box: box.get_by_role("button", name="Close").click())
        # Chromium drops what it loads when an interface of this machine comes or goes, such as another test's network.
        page.add_locator_handler(
            page.get_by_role("dialog").filter(has_text="Error Loading Theme"), lambda _box: page.reload()
        )
        page.on("dialog", self._accept)
        page.on("requestfailed", lambda request: self.unanswered.append(f"{request.url}: {request.failure}"))

    def _accept(self, dialog: Dialog) -> None:
        self.asked.append(dialog.message)
        dialog.accept()

    # JupyterLab

    def lab_is_open(self) -> None:
        """Wait until JupyterLab can be worked in."""
        self.page.wait_for_url(re.compile(r"/user/[^/]+/lab"), timeout=_START_MS)
        expect(self.page.locator("#jp-main-dock-panel")).to_be_visible(timeout=60_000)
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0, timeout=60_000)

    def menu(self, *path: str) -> None:
        """Click through JupyterLab's menus, for instance ``menu("File", "New Launcher")``."""
        self.page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{path[0]}$")).click()
        for entry in path[1:]:
            label = self.page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{entry}"))
            label.filter(visible=True).first.click()

    def new_notebook(self) -> None:
        """From the launcher, by its card."""
        self.page.locator(".jp-LauncherCard[data-category='Notebook']").filter(visible=True).first.click()
        self._notebook_shown("Untitled")

    def save_notebook(self, name: str = "") -> None:
        """File → Save Notebook; the first time JupyterLab asks for a `name`."""
        self.menu("File", "Save Notebook")
        if name:
            dialog = self.page.get_by_role("dialog")
            dialog.locator("input").first.fill(name)
            dialog.get_by_role("button", name="Rename").click()
            expect(dialog).to_have_count(0)
            self._notebook_shown(name)
        expect(self.page.locator("#jp-main-dock-panel .lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)

    def open_notebook(self, name: str) -> None:
        """From the file browser; one that is open already comes to the front."""
        self.page.locator(".jp-DirListing-item").filter(has_text=name).dblclick()
        self._notebook_shown(name)

    def _notebook_shown(self, name: str) -> None:
        tab = self.page.locator("#jp-main-dock-panel .lm-TabBar-tab.jp-mod-current", has_text=name)
        expect(tab).to_be_visible(timeout=60_000)
        expect(self.page.locator(".jp-Notebook").filter(visible=True)).to_be_visible(timeout=60_000)

    def run_cell(self, code: str) -> str:
        """Type `code` into the last cell, run it, and read what stands below it once it is done."""
        notebook = self.page.locator(".jp-NotebookPanel").filter(visible=True)
        self._empty_cell(notebook)
        number = notebook.locator(".jp-CodeCell").count() - 1
        ran = notebook.locator(".jp-CodeCell").nth(number)
        ran.locator(".cm-content").click()
        self.page.keyboard.insert_text(code)
        self._press_run(ran)
        expect(ran.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]"), timeout=_RUN_MS)
        return "\n".join(ran.locator(".jp-OutputArea-output").all_inner_texts()).strip()

    def _empty_cell(self, notebook: Locator) -> None:
        """Scroll down until the empty cell at the end is there: JupyterLab shows a notebook bit by bit."""
        for _ in range(20):
            notebook.locator(".jp-Notebook").hover()
            self.page.mouse.wheel(0, 20_000)
            with contextlib.suppress(AssertionError):
                last = notebook.locator(".jp-CodeCell").last.locator(".cm-content")
                expect(last).to_have_text("", timeout=2_000)
                return

    def _press_run(self, cell: Locator) -> None:
        """JupyterLab ignores a run before the notebook has its kernel; a person presses again, and so does this."""
        for _ in range(20):
            cell.locator(".cm-content").click()
            self.page.keyboard.press("Shift+Enter")
            with contextlib.suppress(AssertionError):
                expect(cell.locator(".jp-InputPrompt")).not_to_have_text("[ ]:", timeout=3_000)
                return

    def hub_control_panel(self) -> None:
        """File → Hub Control Panel, which is another tab."""
        with self.page.context.expect_page() as opened:
            self.menu("File", "Hub Control Panel")
        self.page.close()
        self.look_at(opened.value)
        self.page.wait_for_load_state()


@contextlib.contextmanager
def visiting(url: str, folder: str) -> Iterator[Visitor]:
    """A fresh browser at `url`, its pictures in `folder` below ``HUBERNATE_SCREENSHOTS`` (default: screenshots/)."""
    pictures = Path(os.environ.get("HUBERNATE_SCREENSHOTS") or ROOT / "screenshots") / folder
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob("[0-9][0-9]-*.png"):
        old.unlink()
    installed = next((path for path in _CHROMIUM if Path(path).exists()), None)
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=_ARGS)
        context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(30_000)
        visitor = Visitor(url, context.new_page(), pictures)
        visitor.look_at(visitor.page)
        try:
            yield visitor
        except BaseException:
            visitor.picture("where-it-failed")
            print("\n".join(["requests without an answer:", *visitor.unanswered]))
            raise
        finally:
            browser.close()
