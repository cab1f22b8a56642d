"""What a form shows of a notebook's cell tagged ``parameters``: read, never run."""

import json
from typing import Any

import pytest

from hubernate_server.notebook_parameters import parameters_of


def notebook(source: Any, tags: Any = ("parameters",)) -> str:
    cell = {"cell_type": "code", "source": source, "metadata": {"tags": tags}}
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "x = 1", "metadata": {}}, cell]})


def test_plain_assignments_are_its_parameters() -> None:
    source = [
        "n = 3\n",
        "rate: float = -0.5  # of learning\n",
        "names = ['a', None]\n",
        "print(n)\n",
        "deep = {'a': [1]}",
    ]
    assert parameters_of(notebook(source)) == {"n": 3, "rate": -0.5, "names": ["a", None], "deep": {"a": [1]}}


@pytest.mark.parametrize(
    "source",
    ["a = open('/etc/passwd')", "a = b = 1", "a, b = 1, 2", "a: int", "a = b'x'", "a = 1e999", "x.y = 1", "a = (", ""],
)
def test_what_is_no_plain_value_is_left_out(source: str) -> None:
    assert parameters_of(notebook(source)) == {}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"cells": 3}', '{"cells": [3]}', notebook("a = 1", tags=3)])
def test_what_is_no_such_notebook_has_none(content: str) -> None:
    assert parameters_of(content) == {}
