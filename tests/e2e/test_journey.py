"""What a person does, in a browser, with nothing faked: log in, work, stop, come back, save, go back, tidy up."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from support.browser import Visitor, visiting
from support.installation import Installation, installed, wait_until
from support.person import Person

pytestmark = [pytest.mark.browser, pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(900)]

_NOTEBOOK = "journey.ipynb"
_SIZE = r"\d+(\.\d+)? [kMG]B"
_LARGE = "import os; open('/opt/env/{name}', 'wb').write(os.urandom({size} << 20)); print('written')"
_LOOK = (
    "import importlib.util, pathlib\n"
    "found = [importlib.util.find_spec('cowsay'), *map(pathlib.Path.exists, map(pathlib.Path, "
    "['/opt/env/mine.txt', '/opt/env/later.bin', '/home/jovyan/notes.txt']))]\n"
    "print(*map(bool, found))"
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A platform that nobody has worked on: the journey is a first day."""
    with installed(tmp_path_factory.mktemp("journey")) as running:
        yield running


def test_from_login_to_a_resumed_environment_and_back_in_time(platform: Installation) -> None:
    accounts = platform.accounts()
    ada = platform.person("ada")
    with visiting(platform.url, "journey") as visitor:
        visitor.log_in("ada", accounts["user_password"])
        first_start(visitor)
        work(visitor)
        stop_from_home(visitor, platform, ada)
        continue_where_it_was(visitor)
        save_now(visitor, platform, ada)
        stop_from_environments(visitor, platform, ada)
        go_back_in_time(visitor)
        delete_checkpoints(visitor, platform, ada)


def first_start(visitor: Visitor) -> None:
    page = visitor.page
    expect(page.get_by_role("radio", name="Python")).to_be_visible()
    visitor.page.goto(f"{visitor.url}/hub/home")
    visitor.picture("home")
    visitor.go_to("Environments")
    expect(page.get_by_role("heading", name="No environment yet")).to_be_visible()
    visitor.picture("environments-empty")
    page.get_by_role("link", name="Start my first environment").click()
    page.get_by_role("radio", name="Python").check()
    visitor.picture("start-form")
    page.get_by_role("button", name="Start").click()
    watch_the_start(visitor, "start")


def watch_the_start(visitor: Visitor, name: str) -> None:
    """Real progress, then JupyterLab by itself."""
    expect(visitor.page.locator("#progress-log > *").first).to_be_visible(timeout=60_000)
    visitor.picture(f"{name}-progress")
    visitor.lab_is_open()


def work(visitor: Visitor) -> None:
    visitor.picture("jupyterlab")
    visitor.new_notebook()
    assert "installed" in visitor.run_cell("!pip install --quiet cowsay && echo installed")
    visitor.run_cell("open('/opt/env/mine.txt', 'w').write('outside home')")
    visitor.run_cell("import pathlib; (pathlib.Path.home() / 'notes.txt').write_text('at home')")
    assert "written" in visitor.run_cell(_LARGE.format(name="large.bin", size=200))
    assert visitor.run_cell(_LOOK) == "True True False True"
    visitor.save_notebook(_NOTEBOOK)
    visitor.picture("worked")


def stop_from_home(visitor: Visitor, platform: Installation, ada: Person) -> None:
    visitor.hub_control_panel()
    expect(visitor.page.get_by_text("Running")).to_be_visible()
    visitor.picture("hub-control-panel")
    visitor.page.get_by_role("button", name="Save and stop").click()
    visitor.page.wait_for_url("**/hub/spawn-pending/**")
    said = watch_the_stop(visitor, platform, ada)
    assert re.search(rf"Cop(ying|ied) {_SIZE} of changes", said), said
    assert re.search(rf"{_SIZE} uploaded|Uploaded {_SIZE}", said), said
    visitor.picture("stopped")


def watch_the_stop(visitor: Visitor, platform: Installation, ada: Person) -> str:
    """Everything the page said until it was over. It never says stopped, or offers Start, before it is true (P8)."""
    server = ada.platform_server()["id"]
    said: list[str] = []

    def over() -> bool:
        box = visitor.page.locator("main, #hbn-stop, #hbn-home").first
        shown = box.inner_text()
        if not said or said[-1] != shown:
            said.append(shown)
            if len(said) in (2, 4, 8, 16):
                visitor.picture("stopping")
        start = visitor.page.get_by_role("link", name="Start", exact=True)
        kept = bool(platform.containers("notebook", server))
        recorded = bool(ada.checkpoints())
        assert kept or recorded, f"the container is gone and nothing is recorded; the page says: {shown}"
        if "Stopped" in shown or start.is_visible():
            assert not platform.containers("notebook", server), f"the page is ahead of the engine: {shown}"
            assert recorded, f"the page is ahead of the record: {shown}"
        return start.is_visible()

    wait_until("the page offers Start", over, timeout_s=180, every_s=0.15)
    return "\n".join(said)


def continue_where_it_was(visitor: Visitor) -> None:
    visitor.page.get_by_role("link", name="Start", exact=True).click()
    choice = visitor.page.get_by_role("radio", name="Continue where you left off")
    expect(choice).to_be_checked()
    offer = visitor.page.locator(".hbn-choice", has=choice).inner_text()
    assert re.search(rf"saved (just now|\d+ min ago) · {_SIZE}", offer), offer
    visitor.picture("start-form-continue")
    visitor.page.get_by_role("button", name="Start").click()
    watch_the_start(visitor, "resume")
    visitor.open_notebook(_NOTEBOOK)
    assert visitor.run_cell(_LOOK) == "True True False True"
    visitor.picture("resumed")


def save_now(visitor: Visitor, platform: Installation, ada: Person) -> None:
    """Save now, with a name, while it runs; then something newer is made."""
    server = ada.platform_server()["id"]
    assert "written" in visitor.run_cell(_LARGE.format(name="more.bin", size=200))
    visitor.save_notebook()
    visitor.hub_control_panel()
    container = platform.containers("notebook", server)[0].id
    visitor.go_to("Environments")
    page = visitor.page
    page.get_by_text("Save now").click()
    page.get_by_label("Name this checkpoint").fill("before the upgrade")
    visitor.picture("save-now")
    page.get_by_role("button", name="Save without stopping").click()
    progress = page.locator(".hbn-progress")
    expect(progress).to_be_visible()
    expect(progress).to_contain_text(re.compile(rf"Copying {_SIZE} of changes while you work on: {_SIZE} uploaded"))
    visitor.picture("saving")
    expect(progress).to_have_count(0, timeout=120_000)
    expect(page.get_by_role("cell", name="before the upgrade")).to_be_visible()
    visitor.picture("saved")
    assert platform.containers("notebook", server)[0].id == container, "a save leaves the server running"
    page.get_by_role("link", name="Open").click()
    visitor.lab_is_open()
    visitor.open_notebook(_NOTEBOOK)
    assert "written" in visitor.run_cell(_LARGE.format(name="later.bin", size=120))


def stop_from_environments(visitor: Visitor, platform: Installation, ada: Person) -> None:
    visitor.save_notebook()
    visitor.hub_control_panel()
    visitor.go_to("Environments")
    visitor.page.get_by_role("button", name="Save and stop").click()
    expect(visitor.page.locator(".hbn-progress")).to_be_visible()
    said = watch_the_stop(visitor, platform, ada)
    assert re.search(rf"{_SIZE} of changes", said), said
    expect(visitor.page.locator("tr[data-checkpoint]")).to_have_count(3, timeout=30_000)
    visitor.page.locator("tr[data-checkpoint] details > summary").first.click()
    visitor.picture("asleep")


def go_back_in_time(visitor: Visitor) -> None:
    """An earlier checkpoint: what was made after it is not there, and nothing is deleted by going back."""
    visitor.page.get_by_role("link", name="Start", exact=True).click()
    visitor.page.get_by_role("radio", name="Start from an earlier checkpoint").check()
    visitor.page.get_by_label("Earlier checkpoint", exact=True).select_option(index=0)
    expect(visitor.page.get_by_label("Earlier checkpoint", exact=True)).to_contain_text("before the upgrade")
    visitor.picture("start-form-earlier")
    visitor.page.get_by_role("button", name="Start").click()
    watch_the_start(visitor, "earlier")
    visitor.open_notebook(_NOTEBOOK)
    assert visitor.run_cell(_LOOK) == "True True False True", "later.bin is from after that checkpoint"


def delete_checkpoints(visitor: Visitor, platform: Installation, ada: Person) -> None:
    """Each asks; the last one asks twice."""
    visitor.save_notebook()
    visitor.hub_control_panel()
    visitor.go_to("Environments")
    visitor.page.get_by_role("button", name="Save and stop").click()
    watch_the_stop(visitor, platform, ada)
    rows = visitor.page.locator("tr[data-checkpoint]")
    expect(rows).to_have_count(4, timeout=30_000)
    for left in (3, 2, 1):
        visitor.asked.clear()
        rows.last.get_by_role("button", name="Delete").click()
        expect(rows).to_have_count(left)
        assert len(visitor.asked) == 1 and "Delete the checkpoint" in visitor.asked[0], visitor.asked
    visitor.picture("one-left")
    visitor.asked.clear()
    rows.last.get_by_role("button", name="Delete").click()
    expect(rows).to_have_count(0)
    assert len(visitor.asked) == 2 and "only checkpoint" in visitor.asked[1], visitor.asked
    visitor.picture("none-left")
    wait_until("no checkpoint is recorded", lambda: not ada.checkpoints())
