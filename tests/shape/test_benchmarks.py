"""Every benchmark can be run by its name, and the page of measured figures names them all."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_and_the_command_name_the_same_benchmarks() -> None:
    refused = subprocess.run([ROOT / "tools/bench", "?"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    runnable = set(refused.stderr.partition("none of: ")[2].split())
    page = (ROOT / "docs/reference/benchmarks.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, flags=re.MULTILINE)) == runnable
