"""A notebook as a job: parameters, local modules, and what it computed kept when a cell fails.

The runner is run by this environment's Python, with a real kernel; that it is sent and started is in tests/e2e.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from hubernate_hub.jobs.programs import run_notebook

RUNNER = Path(run_notebook.__file__)


def run(folder: Path, cells: list[tuple[str, list[str]]], **parameters: Any) -> tuple[int, str, Any]:
    """A notebook of `cells` (source, tags): exit code, log, and the notebook as it was written."""
    made = [nbformat.v4.new_code_cell(source, metadata={"tags": tags}) for source, tags in cells]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=metadata), folder / "report.ipynb")
    (folder / "work.json").write_text(json.dumps({"notebook": "report.ipynb", "parameters": parameters}))
    done = subprocess.run(
        [sys.executable, str(RUNNER), "work.json"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr, nbformat.read(folder / "report.ipynb", as_version=4)


def text_of(cell: Any) -> str:
    return "".join(each.text for each in cell.outputs if each.output_type == "stream")


@pytest.mark.timeout(120)
def test_parameters_come_after_their_defaults_and_modules_are_found(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def double(x): return 2 * x")
    cells = [
        ("n = 1; name = 'nobody'; more = None", ["parameters"]),
        ("import helper; print(helper.double(n), name, more)", []),
    ]
    code, log, written = run(tmp_path, cells, n=21, name='it\'s "me"\n', more={"a": [1.5, None, True]})
    assert code == 0, log
    assert "[all cells ran]" in log
    assert [each.metadata.tags for each in written.cells] == [["parameters"], ["injected-parameters"], []]
    assert text_of(written.cells[2]) == "42 it's \"me\"\n {'a': [1.5, None, True]}\n"
    assert "[cell 3 of 3]\n42" in log


@pytest.mark.timeout(120)
def test_what_was_computed_is_kept_when_a_cell_fails(tmp_path: Path) -> None:
    code, log, written = run(tmp_path, [("print('first')", []), ("1 / 0", []), ("print('never')", [])])
    assert code == 1
    assert "[cell 2 of 3 failed]" in log
    assert "ZeroDivisionError" in log
    assert text_of(written.cells[0]) == "first\n"
    assert written.cells[1].outputs[0].ename == "ZeroDivisionError"
    assert written.cells[2].outputs == []


def test_a_second_run_replaces_the_parameters_of_the_first() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(n)")])
    once = run_notebook.with_parameters(notebook, {"n": 1})
    twice = run_notebook.with_parameters(once, {"n": 2})
    assert [each.source for each in twice.cells] == ["# Parameters\nn = 2", "print(n)"]
