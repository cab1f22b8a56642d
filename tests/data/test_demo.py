"""The demo notebook is executed, in a kernel, against a file and a database of the team."""

import io
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

import hubernate
from hubernate_core.errors import NotFound
from support import postgres
from support.platform_service import PREFIX
from support.relay import relay
from support.stores import postgresql

from .conftest import Platform


def test_the_demo_runs(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if postgres.missing():
        pytest.skip(postgres.missing())
    out = io.BytesIO()
    pd.DataFrame({"price": [1.5, 2.5], "city": ["Ulm", "Aachen"]}).to_parquet(out)
    (platform.folder / "team" / "sales.parquet").write_bytes(out.getvalue())
    platform.add({"name": "files", "place": {"kind": "files", "folder": "shared", "prefix": "team"}})
    monkeypatch.chdir(tmp_path)
    with postgresql() as database, relay(f"{platform.service.url}{PREFIX}", platform.ada_token) as url:
        platform.add(database.source("crm"), {"password": database.password})
        monkeypatch.setenv("HUBERNATE_RELAY", url)
        notebook = nbformat.read(hubernate.demo(), as_version=4)
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = nbformat.writes(notebook)
    for told in ("files/sales.parquet", "2 rows of price", "Aachen", "public.customers", "Ada"):
        assert told in shown, told
    assert database.password not in shown


def test_a_demo_of_ones_own_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("team-data.ipynb").write_text("mine")
    assert hubernate.demo().read_text() == "mine"
    with pytest.raises(NotFound, match="team-data"):
        hubernate.demo("nothing")
