"""A team's data in a real notebook: by the gate's relay, with nothing to log in with, and only for that team."""

import ast
from pathlib import Path

import pytest

from support.installation import Installation
from support.person import Person

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(600)]

_READ = """
import pandas as pd, hubernate
print("sales" in [each.name for each in hubernate.sources()], pd.read_csv("hub://sales/2026/june.csv")["price"].sum())
"""


def folder_of(platform: Installation) -> Path:
    """Where the platform's folder ``data`` is on this machine."""
    line = next(each for each in (platform.state / "service.py").read_text().splitlines() if "folders" in each)
    found: dict[str, str] = ast.literal_eval(line.partition("=")[2].strip())
    return Path(found["data"])


def test_a_notebook_reads_its_teams_data_and_no_other(platform: Installation) -> None:
    root, ada, linus = (platform.person(name) for name in ("admin", "ada", "linus"))
    june = folder_of(platform) / "sales" / "2026" / "june.csv"
    june.parent.mkdir(parents=True)
    june.write_text("item,price\na,1.5\nb,2.5\n")
    source = {"name": "sales", "place": {"kind": "files", "folder": "data", "prefix": "sales"}}
    made = root.api("POST", "/tenants/research/sources", json={"source": source})
    assert made.status_code == 201, made.text
    read_by(ada, "research", "True 4.0")
    # Their unnamed server: the tests of idling leave linus as many named ones as a person may have.
    linus.at_rest().start(profile="base", tenant="analytics", start="clean")  # whatever others left in it
    with pytest.raises(AssertionError, match="FileNotFoundError"):
        linus.run(_READ)
    assert linus.run("import hubernate; print(hubernate.sources())").strip() == "[]"
    linus.stop()


def read_by(person: Person, tenant: str, expected: str) -> None:
    at = person.at("data")
    at.start(profile="base", tenant=tenant)
    assert at.run(_READ).strip() == expected
    at.stop()
