"""The JupyterLab extension's pure parts, run by Node.js as TypeScript's compiler leaves them."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

_EXTENSION = Path(__file__).parents[2] / "server_ext/labextension"
_RUN = """
const compiler = require("typescript"), file = require("fs").readFileSync(process.argv[1], "utf8");
const options = { module: compiler.ModuleKind.CommonJS, target: compiler.ScriptTarget.ES2022 };
const module_ = { exports: {} };
new Function("exports", compiler.transpile(file, options))(module_.exports);
console.log(JSON.stringify(new Function("m", `return ${process.argv[2]}`)(module_.exports)));
"""

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (_EXTENSION / "node_modules/typescript").is_dir(),
    reason="Node.js or TypeScript is not there (cd server_ext/labextension && npm ci --ignore-scripts)",
)


def value_of(file: str, expression: str) -> Any:
    """What an expression of the module ``m`` gives."""
    command = ["node", "-e", _RUN, str(_EXTENSION / "src/jobs" / file), expression]
    done = subprocess.run(command, cwd=_EXTENSION, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def test_an_axis_has_few_round_numbers_whatever_the_values() -> None:
    pairs = [[0, 1], [-3, 17], [1e-9, 2e-9], [0.3, 0.1 + 0.2], [1e16, 1e16 + 2], [5, 5], [0, 0], [-1e308, 1e308]]
    found = value_of("scale.ts", f"{json.dumps(pairs)}.map(m.bounds).map(([low, high]) => m.ticks(low, high))")
    assert found[0] == [0, 0.5, 1]
    assert found[1] == [0, 5, 10, 15]
    assert all(1 < len(each) <= 12 for each in found[:-1]), found
    # Drawn at two ends of the axis, 0.3 and 0.1 + 0.2 would look like all there is between them.
    assert found[3][-1] - found[3][0] > 0.01


def test_only_parameters_that_were_changed_are_sent() -> None:
    own = '{"rate": 1.0, "seed": 12345678901234567890, "title": "Sales", "of": [1, 2]}'
    shown = f"Object.fromEntries(Object.entries({own}).map(([name, each]) => [name, m.meant(m.written(each))]))"
    assert value_of("parameters.ts", f"m.changed({shown}, {own})") == {}
    edited = f"m.changed({{...{shown}, title: m.meant('7'), more: m.meant('plain')}}, {own})"
    assert value_of("parameters.ts", edited) == {"title": 7, "more": "plain"}
