"""Jobs from a real notebook, in its own environment: saved once, run by digest, with its packages and its home."""

import json
from typing import Any

import pytest

from support.installation import Installation
from support.person import Person

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(900)]

_SUBMIT = """
import json, os, pathlib, hubernate
folder = pathlib.Path.home() / "jobs"; folder.mkdir(exist_ok=True); os.chdir(folder)
(folder / "helper.py").write_text("def shout(x): return x.upper()")
(folder / "train.py").write_text('''
import cowsay, helper, pathlib, sys
print(helper.shout(cowsay.__name__), sys.argv[1:], pathlib.Path.home().joinpath("data.txt").read_text())
pathlib.Path("model").mkdir(); pathlib.Path("model/weights").write_text("0.5")
try:
    pathlib.Path.home().joinpath("new").write_text("x")
except OSError as problem:
    print(problem.strerror)
''')
job = hubernate.submit("train.py", args=["--epochs", "3"], outputs=["model"]).wait(300)
print(json.dumps([vars(job.info), b"".join(job.read_log()).decode()]))
"""
_NOTEBOOK = """
import json, os, pathlib, hubernate
os.chdir(pathlib.Path.home() / "jobs")
cell = lambda source, **more: {"cell_type": "code", "source": source, "metadata": more, "outputs": [],
                               "execution_count": None, "id": str(abs(hash(source)))[:8]}
cells = [cell("n = 1", tags=["parameters"]), cell("import helper, cowsay; print(helper.shout(cowsay.__name__) * n)"),
         cell("1 / 0")]
pathlib.Path("report.ipynb").write_text(json.dumps({"cells": cells, "metadata": {"kernelspec": {"name": "python3",
    "display_name": "Python 3"}}, "nbformat": 4, "nbformat_minor": 5}))
job = hubernate.submit("report.ipynb", parameters={"n": 2}).wait(300)
written = json.loads(job.outputs()[0].read()) if job.outputs() else None
print(json.dumps([vars(job.info), b"".join(job.read_log()).decode(), written]))
"""

_FUNCTION = """
import json, os, pathlib, hubernate
os.chdir(pathlib.Path.home() / "jobs")
def measure(word, times):
    import cowsay, helper
    return {"said": helper.shout(cowsay.__name__ + word) * times}
job = hubernate.submit(measure, "!", times=2)
print(json.dumps([job.result(300), vars(job.info)]))
"""


def run(person: Person, code: str) -> Any:
    """What the last line of `code` prints, as JSON."""
    return json.loads(person.run(code).strip().splitlines()[-1])


def test_a_job_runs_in_the_notebooks_own_environment(platform: Installation) -> None:
    ada = platform.person("ada").at("jobs")
    ada.start(profile="base", tenant="research")
    ada.shell("pip install --quiet cowsay && echo -n from the home folder > ~/data.txt")
    first, log = run(ada, _SUBMIT)
    assert first["state"] == "succeeded", (first, log)
    assert log == "COWSAY ['--epochs', '3'] from the home folder\nRead-only file system\n"
    assert first["outputs"] == [{"path": "model/weights", "size": 3}]
    saved = ada.checkpoints()
    assert [each["id"] for each in saved] == [first["checkpoint_id"]]
    assert first["image"].endswith("@" + saved[0]["digest"]), "the very image, by its digest"
    second, _ = run(ada, _SUBMIT)
    assert (second["state"], second["image"]) == ("succeeded", first["image"])
    assert len(ada.checkpoints()) == 1, "nothing changed, so nothing was saved again"
    report, log, written = run(ada, _NOTEBOOK)
    assert (report["state"], report["exit_code"]) == ("failed", 1), (report, log)
    assert "ZeroDivisionError" in log
    cells = {"".join(each["source"]): each["outputs"] for each in written["cells"]}
    assert cells["import helper, cowsay; print(helper.shout(cowsay.__name__) * n)"][0]["text"] == ["COWSAYCOWSAY\n"]
    assert len(ada.checkpoints()) == 1
    result, function = run(ada, _FUNCTION)
    assert result == {"said": "COWSAY!COWSAY!"}, function
    assert function["image"] == first["image"]
    ada.run("import sys, pathlib; pathlib.Path(sys.prefix, 'changed').write_text('x')")
    third, _ = run(ada, _SUBMIT)
    assert third["image"] != first["image"], "what changed is saved"
    assert ada.run("print('still here')").strip() == "still here", "the notebook went on all the time"
    ada.stop()
