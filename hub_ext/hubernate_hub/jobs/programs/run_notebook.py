"""Runs a notebook in a job's container, by the platform's own Python there; its kernel is the person's.

It stands alone: it is sent with the job, so that it fits an environment of any age. Written after every cell, so that
what was computed is kept when a later cell fails, or when the job is ended.
"""

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def with_parameters(notebook: Any, parameters: dict[str, Any]) -> Any:
    """`notebook` with a cell that sets `parameters`, by papermill's convention: after the one tagged ``parameters``,
    in the place of one that an earlier run put there."""
    if not parameters:
        return notebook
    lines = [f"{name} = {value!r}" for name, value in parameters.items()]
    cell = nbformat.v4.new_code_cell("# Parameters\n" + "\n".join(lines), metadata={"tags": ["injected-parameters"]})
    cells = [each for each in notebook.cells if "injected-parameters" not in _tags(each)]
    at = next((number + 1 for number, each in enumerate(cells) if "parameters" in _tags(each)), 0)
    notebook.cells = [*cells[:at], cell, *cells[at:]]
    return notebook


def _tags(cell: Any) -> list[str]:
    tags = cell.metadata.get("tags", [])
    return tags if isinstance(tags, list) else []


def run(path: Path, parameters: dict[str, Any]) -> int:
    """The exit code."""
    notebook = with_parameters(nbformat.read(path, as_version=4), parameters)
    number = sum(1 for each in notebook.cells if each.cell_type == "code")
    done = 0

    def write(**_: Any) -> None:
        nbformat.write(notebook, path)

    def begun(cell: Any, **_: Any) -> None:
        if cell.cell_type == "code":
            say(f"cell {done + 1} of {number}")

    def ended(cell: Any, cell_index: int, execute_reply: Any) -> None:
        nonlocal done
        done += 1
        for output in cell.outputs:
            if output.output_type == "stream":
                sys.stdout.write(output.text)
        sys.stdout.flush()
        write()

    client = NotebookClient(
        notebook,
        timeout=None,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=begun,
        on_cell_executed=ended,
        on_cell_error=write,
    )
    try:
        client.execute()
    except CellExecutionError as problem:
        say(f"cell {done} of {number} failed")
        sys.stdout.write(f"{problem}\n")
        return 1
    finally:
        write()
    say("all cells ran")
    return 0


def say(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"[{line}]\n")
    sys.stdout.flush()


if __name__ == "__main__":
    work = json.loads(Path(sys.argv[1]).read_text())
    sys.exit(run(Path(work["notebook"]).resolve(), work["parameters"]))
