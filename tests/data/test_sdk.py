"""What a person types in a notebook: through the gate's relay, against a real object store and real databases."""

import io
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from IPython.core.interactiveshell import InteractiveShell

import hubernate
from hubernate.fs import HubFileSystem
from hubernate_core.errors import InvalidInput, NotFound
from support import postgres
from support.platform_service import PREFIX, running
from support.relay import relay
from support.stores import Bucket, object_store, postgresql

from .conftest import Platform, people, settings

CANARY = "planted-canary-of-the-sdk"


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with object_store() as found:
        yield found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> Iterator[tuple[Platform, str]]:
    """One platform for the module, with ada's relay."""
    folder: Path = tmp_path_factory.mktemp("platform")
    (folder / "shared" / "team").mkdir(parents=True)
    with running(folder / "state", data=settings(folder / "shared")) as service:
        platform = people(service, folder / "shared")
        platform.add(bucket.source() | {"title": "The lake", "grants": {"tenant": "write"}}, bucket.credential)
        platform.add({"name": "files", "place": {"kind": "files", "folder": "shared", "prefix": "team"}})
        with relay(f"{service.url}{PREFIX}", platform.ada_token) as url:
            yield platform, url


@pytest.fixture
def notebook(whole: tuple[Platform, str], monkeypatch: pytest.MonkeyPatch) -> Platform:
    """This process is ada's kernel."""
    monkeypatch.setenv("HUBERNATE_RELAY", whole[1])
    return whole[0]


def parquet(rows: int, **columns: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"id": range(rows)} | columns), out, row_group_size=10_000)
    return out.getvalue()


def test_the_teams_sources_are_there(notebook: Platform) -> None:
    assert {(each.name, each.kind, each.level) for each in hubernate.sources()} == {
        ("lake", "s3", "write"),
        ("files", "files", "read"),
    }


def test_pandas_reads_and_writes(notebook: Platform, bucket: Bucket) -> None:
    bucket.put("team/2026/x.parquet", parquet(1000))
    assert len(pd.read_parquet("hub://lake/2026/x.parquet")) == 1000
    pd.DataFrame({"a": [1, 2]}).to_csv("hub://lake/out/a b.csv", index=False)
    assert bucket.get("team/out/a b.csv") == b"a\n1,2\n".replace(b"1,2", b"1\n2")
    assert pd.read_csv("hub://lake/out/a b.csv")["a"].tolist() == [1, 2]
    pd.DataFrame({"a": [1, 2]}).to_parquet("hub://lake/out/a.parquet")
    assert pd.read_parquet("hub://lake/out/a.parquet")["a"].tolist() == [1, 2]
    (notebook.folder / "team" / "x.csv").write_text("a,b\n1,ü\n")
    assert pd.read_csv("hub://files/x.csv")["b"].tolist() == ["ü"]


def test_files_are_listed_and_found(notebook: Platform, bucket: Bucket) -> None:
    for name in ("g/1.txt", "g/2.txt", "g/deep/3.txt"):
        bucket.put(f"team/{name}", name.encode())
    fs = HubFileSystem()
    assert sorted(fs.glob("hub://lake/g/*.txt")) == ["lake/g/1.txt", "lake/g/2.txt"]
    assert sorted(fs.find("lake/g")) == ["lake/g/1.txt", "lake/g/2.txt", "lake/g/deep/3.txt"]
    assert fs.cat(["lake/g/1.txt", "lake/g/2.txt"]) == {"lake/g/1.txt": b"g/1.txt", "lake/g/2.txt": b"g/2.txt"}
    assert fs.exists("lake/g") and fs.isdir("lake/g") and not fs.exists("lake/nothing")
    assert fs.info("lake/g/1.txt")["size"] == 7
    assert fs.ls("hub://", detail=False) == ["files", "lake"]
    with pytest.raises(FileNotFoundError):
        fs.ls("nothing/x")


def test_only_what_is_asked_for_is_fetched(notebook: Platform, bucket: Bucket) -> None:
    content = parquet(500_000, text=[f"row {number}" for number in range(500_000)])
    bucket.put("team/large.parquet", content)
    before = moved(notebook)
    found = pd.read_parquet("hub://lake/large.parquet", columns=["id"], filters=[("id", "<", 10)])
    assert len(found) == 10
    assert 0 < moved(notebook) - before < len(content) / 3


def moved(platform: Platform) -> int:
    counts = platform.root("GET", "/tenants/physics/source-reads").json()["items"]
    return sum(int(each["moved"]) for each in counts)


def test_a_file_that_changes_while_it_is_read_is_an_error(notebook: Platform, bucket: Bucket) -> None:
    bucket.put("team/changing", os.urandom(100_000))
    with HubFileSystem().open("lake/changing", block_size=1000, cache_type="none") as file:
        file.read(10)
        bucket.put("team/changing", os.urandom(100_000))
        with pytest.raises(OSError, match="version"):
            file.read(10)


def test_a_write_that_fails_is_not_there(notebook: Platform, bucket: Bucket) -> None:
    for mode in ("wb", "wt"):
        with pytest.raises(ZeroDivisionError), hubernate.open("hub://lake/half", mode) as file:
            file.write(b"half" if mode == "wb" else "half")
            _ = 1 / 0
        assert not HubFileSystem().exists("lake/half")
    with hubernate.open("hub://lake/whole", "wt") as file:
        file.write("grün")
    assert bucket.get("team/whole") == "grün".encode()
    with pytest.raises(OSError, match="exists"), hubernate.open("hub://lake/whole", "xb") as file:
        file.write(b"again")
    with pytest.raises(PermissionError), hubernate.open("hub://files/x", "wb") as file:
        file.write(b"x")


def test_tables_of_files(notebook: Platform, bucket: Bucket) -> None:
    for year in (2025, 2026):
        bucket.put(f"team/sales/year={year}/part.parquet", parquet(100, price=[float(year)] * 100))
    table = hubernate.table("lake/sales")
    assert [(each.name, each.partition) for each in table.schema] == [("id", False), ("price", False), ("year", True)]
    assert len(table.sample()) == 100
    found = table.to_arrow(["id", "price"], filter=pc.field("year") == 2026)
    assert (found.num_rows, found.column("price")[0].as_py()) == (100, 2026.0)
    assert len(table.to_pandas(limit=7)) == 7
    assert table.drift == ()
    bucket.put("team/sales/year=2025/part.parquet", parquet(100, cost=[1.0] * 100))
    assert table.drift == ("column price is gone", "column cost (double) is new")


def test_tables_and_sql_of_a_database(notebook: Platform) -> None:
    if postgres.missing():
        pytest.skip(postgres.missing())
    with postgresql() as database:
        notebook.add(database.source("crm"), {"password": database.password})
        table = hubernate.table("crm/customers")
        assert [each.name for each in table.schema] == ["id", "name", "paid", "at"]
        assert table.to_arrow(["paid"], limit=1).to_pylist() == [{"paid": Decimal("12.50")}]
        result = hubernate.sql("SELECT name FROM customers ORDER BY id", source="crm")
        assert result.to_pandas()["name"].tolist() == ["Ada", "Grüße %s"]
        assert "Ada" in result._repr_html_()
        hub_sql_in_a_cell()
        with pytest.raises(InvalidInput, match="nonsense"):
            hubernate.sql("SELECT nonsense", source="crm").to_arrow()
        assert notebook.root("DELETE", "/tenants/physics/sources/crm").status_code == 204
        with pytest.raises(NotFound):
            table.to_arrow()


def hub_sql_in_a_cell() -> None:
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "hubernate")
    shown = shell.run_cell_magic("hubsql", "crm", "SELECT name FROM customers WHERE name LIKE 'A%'")
    assert shown["name"].tolist() == ["Ada"]
    assert shell.run_cell_magic("hubsql", "crm found", "SELECT count(*) AS n FROM customers") is None
    assert shell.user_ns["found"]["n"].tolist() == [2]
    for line in ("", "crm 1x", "crm a b"):
        with pytest.raises(InvalidInput, match="SOURCE"):
            shell.run_cell_magic("hubsql", line, "SELECT 1")


def test_from_a_laptop_with_a_token(notebook: Platform, monkeypatch: pytest.MonkeyPatch, bucket: Bucket) -> None:
    bucket.put("team/x.txt", b"hello")
    monkeypatch.setenv("HUBERNATE_URL", notebook.service.url)
    monkeypatch.setenv("HUBERNATE_TOKEN", notebook.ada.token)
    monkeypatch.delenv("HUBERNATE_TENANT", raising=False)
    with pytest.raises(InvalidInput, match="HUBERNATE_TENANT"):
        hubernate.sources()
    monkeypatch.setenv("HUBERNATE_TENANT", "physics")
    with hubernate.open("hub://lake/x.txt", "rt") as file:
        assert file.read() == "hello"
