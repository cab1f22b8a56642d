"""Runs a function in a job's container, by the Python of the person's environment.

It stands alone: it is sent with the job, so that it fits an environment of any age. What came of the function is one
file: a line of JSON, whose ``error`` is empty where it returned, and then what it returned.
"""

import json
import os
import sys
import time
import traceback
from numbers import Real
from pathlib import Path
from typing import Any

CALL, RESULT = Path("function.call").absolute(), Path("function.result").absolute()
"""Wherever the function goes to."""
_ERROR_MAX = 64 * 1024
"""Characters kept of a traceback, its end."""
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def run(parameters: dict[str, Any]) -> int:
    """The exit code."""
    RESULT.unlink(missing_ok=True)  # of an attempt before, or sent among the files: not of this one
    try:
        import cloudpickle
    except ImportError:
        return fail("cloudpickle is not in this environment: run pip install cloudpickle in the notebook, submit again")
    with CALL.open("rb") as file:
        called_by = json.loads(file.readline())["python"]
        if called_by != _PYTHON:
            return fail(
                f"the function was sent from Python {called_by}, and this environment has {_PYTHON}: submit it in an"
                " environment with the same, such as env='current'"
            )
        try:
            function, args, kwargs = cloudpickle.load(file)
        except Exception as problem:  # noqa: BLE001  whatever a person's own classes raise
            return fail(f"the function or its arguments could not be read here.\n{told(problem)}")
    try:
        value = function(*args, **kwargs, **parameters)
    except BaseException as problem:  # noqa: BLE001  also sys.exit: a function that did not return has no result
        return fail(told(problem))
    part = RESULT.with_suffix(".part")
    try:
        with part.open("wb") as file:
            file.write(header(""))
            cloudpickle.dump(value, file)
    except Exception as problem:  # noqa: BLE001  as above
        return fail(f"it returned, and what it returned ({type(value).__name__}) could not be kept.\n{told(problem)}")
    part.replace(RESULT)
    try:
        measure(value if isinstance(value, dict) else {"result": value})
    except Exception as problem:  # noqa: BLE001  it returned, which is worth more than a point
        sys.stderr.write(f"The numbers it returned could not be kept as metrics: {problem}\n")
    return 0


def measure(values: dict[Any, Any]) -> None:
    """Keep numbers that were returned as metrics, so that jobs can be compared by them."""
    lines = [
        json.dumps({"name": name, "value": float(value), "step": None, "at": time.time()})
        for name, value in values.items()
        if isinstance(name, str) and isinstance(value, Real) and not isinstance(value, bool)
    ]
    with Path(os.environ.get("HUBERNATE_METRICS", os.devnull)).open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def fail(error: str) -> int:
    """Leave `error` for the person, in the log and as the result; the exit code."""
    sys.stdout.flush()
    sys.stderr.write(f"{error.rstrip()}\n")
    RESULT.write_bytes(header(error[-_ERROR_MAX:]))
    return 1


def told(problem: BaseException) -> str:
    """The traceback from the person's function on."""
    own = problem.__traceback__
    return "".join(traceback.format_exception(type(problem), problem, own.tb_next if own else None))


def header(error: str) -> bytes:
    """The first line of the result."""
    return json.dumps({"error": error, "python": _PYTHON}).encode() + b"\n"


if __name__ == "__main__":
    # Modules are looked for where the job's files are, as beside the notebook, and not beside this program.
    sys.path[0] = str(Path.cwd())
    sys.exit(run(json.loads(Path(sys.argv[1]).read_text())["parameters"]))
