"""A notebook run as a job from JupyterLab: right-click, form, live log, output opened; and the job shown in a cell."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from support.browser import Visitor, visiting
from support.installation import Installation

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.browser, pytest.mark.timeout(900)]

_CELLS = (
    ("steps = 1\ntitle = 'Sales'", ["parameters"]),
    ("import helper, pathlib, time\nprint(helper.shout(title), steps)", []),
    # Until its person saw it: so nothing here depends on how fast the machine is.
    ("while not pathlib.Path.home().joinpath('panel-jobs/go').exists():\n    time.sleep(0.2)", []),
    ("pathlib.Path('out').mkdir()\npathlib.Path('out/table.csv').write_text('item,price\\napple,3\\n')", []),
)
_MAKE = """
import json, pathlib
folder = pathlib.Path.home() / "panel-jobs"; folder.mkdir(exist_ok=True); folder.joinpath("go").unlink(missing_ok=True)
folder.joinpath("helper.py").write_text("def shout(text): return text.upper()")
folder.joinpath("report.ipynb").write_text({notebook!r})
"""


def _notebook() -> str:
    cells = [
        {"cell_type": "code", "id": f"c{at}", "source": source, "metadata": {"tags": tags}, "outputs": []}
        | {"execution_count": None}
        for at, (source, tags) in enumerate(_CELLS)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def test_a_notebook_becomes_a_job_by_a_right_click(platform: Installation) -> None:
    ada = platform.person("ada").at_rest()
    ada.start(profile="base", tenant="research", start="clean")
    ada.run(_MAKE.format(notebook=_notebook()))
    with visiting(platform.url, "jobs-panel") as visitor:
        visitor.log_in("ada", platform.accounts()["user_password"])
        visitor.page.goto(f"{platform.url}/user/ada/lab")
        visitor.lab_is_open()
        _submit(visitor)
        _watch(visitor)
        ada.run("import pathlib; pathlib.Path.home().joinpath('panel-jobs/go').write_text('')")
        _open_output(visitor)
        _in_a_cell(visitor)
    ada.stop()


def _submit(visitor: Visitor) -> None:
    page = visitor.page
    page.locator(".jp-DirListing-item").filter(has_text="panel-jobs").dblclick()
    page.locator(".jp-DirListing-item").filter(has_text="report.ipynb").click(button="right")
    visitor.picture("menu")
    page.get_by_role("menuitem", name=re.compile("Run as Job")).click()
    form = page.get_by_role("form", name="Run as job")
    expect(form.get_by_label("Value of title")).to_have_value("Sales")
    expect(form).to_contain_text("2 files")
    form.get_by_label("Value of steps").fill("7")
    form.get_by_label("Outputs").fill("out")
    visitor.picture("form")
    form.get_by_role("button", name="Submit").click()


def _watch(visitor: Visitor) -> None:
    page = visitor.page
    job = _job(page)
    expect(job).to_contain_text(re.compile("running for"), timeout=240_000)
    expect(page.get_by_role("log")).to_contain_text("SALES 7", timeout=120_000)
    expect(job.get_by_role("progressbar")).to_be_visible()
    page.get_by_role("tab", name="Jobs").click()
    mine = page.get_by_role("listbox", name="My jobs")
    expect(mine.get_by_role("option", name=re.compile("report.ipynb.*running"))).to_be_visible()
    visitor.picture("live")
    page.get_by_role("button", name="Team’s").click()
    line = page.get_by_role("list", name="The team’s jobs")
    expect(line.get_by_role("listitem").filter(has_text=re.compile("You.*running"))).to_be_visible()
    page.get_by_role("button", name="Mine").click()


def _open_output(visitor: Visitor) -> None:
    page = visitor.page
    expect(_job(page)).to_contain_text("succeeded after", timeout=120_000)
    outputs = page.locator(".hbn-JobView").get_by_role("list", name="Outputs")
    expect(outputs.get_by_role("listitem")).to_have_count(2)
    visitor.picture("outputs")
    outputs.get_by_role("button", name="out/table.csv").click()
    expect(page.locator(".jp-CSVViewer").filter(visible=True)).to_be_visible()
    visitor.picture("opened")


def _in_a_cell(visitor: Visitor) -> None:
    page = visitor.page
    visitor.menu("File", "New Launcher")
    visitor.new_notebook()
    visitor.run_cell("import hubernate\nhubernate.jobs()[0]")
    shown = page.locator(".jp-OutputArea-output").get_by_role("region", name=re.compile("^Job "))
    expect(shown).to_contain_text("report.ipynb")
    expect(shown).to_contain_text("succeeded after")
    expect(shown).to_contain_text("all cells ran")
    visitor.picture("in-a-cell")


def _job(page: Page) -> Locator:
    return page.locator(".hbn-JobView").get_by_role("region", name="Job", exact=True)
