"""Tables of a real Hive metastore through the gateway; rows in an object store, and in a double of WebHDFS."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc as po
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

import hubernate
from hubernate_core.errors import InvalidInput
from hubernate_hub.store.schema import source_views
from support import hadoop
from support.hadoop import Where
from support.metastore_4 import metastore_4
from support.platform_service import PREFIX
from support.relay import relay
from support.stores import Bucket, object_store
from support.webhdfs import webhdfs

from .conftest import Platform

TODAY = datetime.now(UTC).date().isoformat()
YESTERDAY = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
SALES = {"id": "int", "name": "string", "paid": "decimal(10,2)"}


@dataclass(frozen=True)
class Warehouse:
    """A metastore's port, and where the rows are."""

    port: int
    bucket: Bucket
    hdfs: Path

    def source(self, **place: Any) -> dict[str, Any]:
        base = {"kind": "hive", "host": "127.0.0.1", "port": self.port, "databases": ["shop"], "tls": "off"}
        return {"name": "warehouse", "place": base | {"user": "team"} | place}


def parquet(ids: list[int], **columns: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array(ids, pa.int32()), "Name": [f"n{each}" for each in ids]} | columns), out)
    return out.getvalue()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    if hadoop.missing():
        pytest.skip(hadoop.missing())
    folder = tmp_path_factory.mktemp("hive")
    (folder / "s3").mkdir()
    (folder / "hdfs" / "data").mkdir(parents=True)
    folders = {"s3a://data": folder / "s3", "s3a://elsewhere": folder / "s3", "hdfs://cluster": folder / "hdfs"}
    with object_store() as bucket, hadoop.metastore(folder / "metastore", folders) as port:
        _fill(bucket, folder / "hdfs", port)
        yield Warehouse(port, bucket, folder / "hdfs")


def _fill(bucket: Bucket, hdfs: Path, port: int) -> None:
    root = "s3a://data/team/sales"
    with hadoop.Writer(port) as hive:
        hive.database("shop", "s3a://data/team/shop")
        hive.database("secret", "s3a://data/team/secret")
        hive.table("shop", "sales", SALES, Where(root), keys={"dt": "date", "country": "string"})
        for day, country, ids in (("2020-01-01", "DE", [1]), (YESTERDAY, "DE", [2, 3]), (YESTERDAY, "são", [4])):
            part = f"dt={day}/country={country}"
            hive.partition("shop", "sales", [day, country], SALES, Where(f"{root}/{part}"))
            bucket.put(f"team/sales/{part}/000000_0", parquet(ids))
            bucket.put(f"team/sales/{part}/_SUCCESS", b"x")
        plain = {"id": "int", "note": "string"}
        hive.table("shop", "notes", plain, Where("s3a://data/team/notes", "text"))
        bucket.put("team/notes/000000_0", b"1\x01two words\n2\x01\\N\n")
        hive.table("shop", "counts", plain, Where("hdfs://cluster/data/counts", "orc"))
        out = io.BytesIO()
        po.write_table(pa.table({"id": pa.array([7], pa.int32()), "note": ["from ORC"]}), out)
        (hdfs / "data/counts/part.orc").write_bytes(out.getvalue())
        hive.table("shop", "away", plain, Where("s3a://elsewhere/team/away"))
        hive.table("shop", "beside", plain, Where("s3a://data/team-secret"))
        hive.table("shop", "empty", plain, Where("s3a://data/team/empty"), keys={"dt": "string"})
        hive.table("shop", "lake", plain, Where("s3a://data/team/x"), parameters={"table_type": "ICEBERG"})
        hive.table("shop", "looks", plain, Where("s3a://data/team/x"), kind="VIRTUAL_VIEW")
        hive.table("shop", "rows", plain, Where("s3a://data/team/x", "avro"))
        hive.table("secret", "salaries", plain, Where("s3a://data/team/secret/salaries"))


@pytest.fixture
def shop(platform: Platform, warehouse: Warehouse) -> Platform:
    platform.add(warehouse.bucket.source(), warehouse.bucket.credential)
    platform.add(warehouse.source())
    return platform


def rows(platform: Platform, path: str, **query: Any) -> pa.Table:
    answer = platform.notebook("GET", "/warehouse/rows", params={"path": path} | query)
    assert answer.status_code == 200, answer.text
    return pa.ipc.open_stream(answer.content).read_all()


def test_tables_and_partitions_are_listed(shop: Platform) -> None:
    checks = shop.root("POST", "/tenants/physics/sources/warehouse/test").json()["checks"]
    assert {each["question"]: each["ok"] for each in checks} == {"reachable": True, "exists": True, "readable": True}
    first = shop.notebook("GET", "/warehouse/entries?limit=3").json()
    assert [each["path"] for each in first["entries"]] == ["shop.away", "shop.beside", "shop.counts"]
    assert {each["type"] for each in first["entries"]} == {"table"}
    then = shop.notebook("GET", "/warehouse/entries", params={"after": first["next"]}).json()
    assert "shop.sales" in [each["path"] for each in then["entries"]] and not then["next"]
    found = shop.notebook("GET", "/warehouse/entries?path=shop.sales").json()["entries"]
    names = [each["path"] for each in found]
    assert names[0].startswith(f"shop.sales/dt={YESTERDAY}/country=s") and names[2].startswith("shop.sales/dt=2020")
    for name in names:
        assert rows(shop, name).num_rows in (1, 2), "what is listed can be read by its name"


def test_a_schema_has_the_partition_columns_and_a_sample_is_the_newest(shop: Platform) -> None:
    schema = shop.notebook("GET", "/warehouse/schema?path=shop.sales").json()["found"]
    assert [(each["name"], each["type"], each["partition"]) for each in schema["columns"]] == [
        ("id", "int", False), ("name", "string", False), ("paid", "decimal(10,2)", False),
        ("dt", "date", True), ("country", "string", True)]  # fmt: skip
    sample = shop.notebook("GET", "/warehouse/sample?path=sales").json()
    assert sample["path"] == "shop.sales"
    assert sample["found"]["rows"] == [[4, "n4", None, YESTERDAY, "são"]], "'paid' is newer than the file"
    old = shop.notebook("GET", "/warehouse/sample", params={"path": "shop.sales/dt=2020-01-01"}).json()
    assert old["found"]["rows"] == [[1, "n1", None, "2020-01-01", "DE"]]
    none = shop.notebook("GET", "/warehouse/sample", params={"path": "shop.sales/dt={today}"}).json()
    assert none["found"]["rows"] == [] and "no such partition" in none["found"]["note"]
    store = shop.service.inside.store
    kept = store.now(lambda tx: [row.path for row in tx.execute(select(source_views))])
    assert "shop.sales/dt=2020-01-01" in kept and not any(f"dt={TODAY}" in path for path in kept)


def test_rows_come_as_arrow_of_the_partitions_that_are_meant(shop: Platform) -> None:
    whole = rows(shop, "shop.sales")
    assert [str(each.type) for each in whole.schema] == [
        "int32",
        "string",
        "decimal128(10, 2)",
        "date32[day]",
        "string",
    ]
    assert sorted(whole["id"].to_pylist()) == [1, 2, 3, 4]
    some = rows(shop, "shop.sales", where=["dt>={yesterday}", "country=DE"], columns=["country", "id"])
    assert some.to_pydict() == {"country": ["DE", "DE"], "id": [2, 3]}
    assert rows(shop, "shop.sales/dt={yesterday}", limit=1).num_rows == 1
    assert rows(shop, "shop.sales", where=["dt={today}"]).num_rows == 0
    for query, told in (
        ({"where": "name=n1"}, "no partition column"),
        ({"where": "dt"}, "not a condition"),
        ({"columns": "x"}, "no column"),
    ):
        answer = shop.notebook("GET", "/warehouse/rows", params={"path": "shop.sales"} | query)
        assert answer.status_code == 422 and told in answer.json()["detail"], answer.text


def test_text_and_orc_are_read_and_files_in_hdfs(shop: Platform, warehouse: Warehouse) -> None:
    assert rows(shop, "shop.notes").to_pydict() == {"id": [1, 2], "note": ["two words", None]}
    sample = shop.notebook("GET", "/warehouse/sample?path=shop.notes").json()["found"]
    assert sample["rows"] == [[1, "two words"], [2, None]]
    with webhdfs(warehouse.hdfs) as cluster:
        place = {"kind": "hdfs", "url": cluster.url, "prefix": "data", "user": "team", "authority": "cluster"}
        shop.add({"name": "cluster", "place": place})
        assert rows(shop, "shop.counts").to_pydict() == {"id": [7], "note": ["from ORC"]}


@pytest.mark.parametrize("table", ["away", "beside", "counts"])
def test_rows_elsewhere_than_in_a_source_are_refused_with_words(shop: Platform, table: str) -> None:
    schema = shop.notebook("GET", f"/warehouse/schema?path=shop.{table}")
    assert len(schema.json()["found"]["columns"]) == 2, "what it is can be seen"
    for verb in ("rows", "sample"):
        answer = shop.notebook("GET", f"/warehouse/{verb}?path=shop.{table}")
        assert answer.status_code == 403 and "no source that you may read covers" in answer.json()["detail"]


def test_a_table_opens_nothing_that_its_reader_could_not(shop: Platform, warehouse: Warehouse) -> None:
    bob = shop.service.start("bob").ticket.relay_token
    grants = {"tenant": "none", "members": {"ada": "read"}}
    closed = warehouse.bucket.source() | {"grants": grants}
    assert shop.root("PUT", "/tenants/physics/sources/lake", json=closed).status_code == 200
    seen = shop.notebook("GET", "/warehouse/sample?path=shop.sales")
    assert seen.status_code == 200 and seen.json()["found"]["rows"]
    for verb in ("rows", "sample"):
        answer = shop.notebook("GET", f"/warehouse/{verb}?path=shop.sales", token=bob)
        assert answer.status_code == 403 and "n4" not in answer.text, "nor what was kept for others"
    assert shop.notebook("GET", "/warehouse/schema?path=shop.sales", token=bob).status_code == 200
    for verb in ("", "/rows?path=shop.sales", "/sample?path=shop.sales", "/entries"):
        assert shop.notebook("GET", f"/warehouse{verb}", token=shop.eve_token).status_code == 404


@pytest.mark.parametrize("path", ["secret.salaries", "secret.salaries/x=1", "shop.nothing", "SECRET.salaries", "."])
def test_a_database_that_is_not_the_sources_does_not_exist(shop: Platform, path: str) -> None:
    for verb in ("schema", "sample", "rows", "entries"):
        answer = shop.notebook("GET", f"/warehouse/{verb}", params={"path": path})
        assert answer.status_code in (404, 422) and "note" not in answer.text, answer.text


@pytest.mark.parametrize(("table", "told"), [("lake", "iceberg"), ("looks", "view"), ("rows", "AvroSerDe")])
def test_what_cannot_be_read_as_files_says_so(shop: Platform, table: str, told: str) -> None:
    answer = shop.notebook("GET", f"/warehouse/rows?path=shop.{table}")
    assert answer.status_code == 422 and told in answer.json()["detail"]
    sample = shop.notebook("GET", f"/warehouse/sample?path=shop.{table}").json()["found"]
    assert sample["columns"] == ["id", "note"] and sample["rows"] == [] and told in sample["note"]
    assert rows(shop, "shop.empty").num_rows == 0


def test_who_read_how_much_is_counted_for_both(shop: Platform) -> None:
    rows(shop, "shop.notes")
    counts = shop.root("GET", "/tenants/physics/source-reads").json()["items"]
    moved = {each["source"]: each["moved"] for each in counts if each["verb"] == "read"}
    assert moved["warehouse"] == moved["lake"] > 0


def test_a_metastore_is_the_platforms_to_open(platform: Platform, warehouse: Warehouse) -> None:
    assert platform.root("PUT", "/tenants/physics/members/lead", json={"role": "admin"}).status_code == 200
    lead = platform.service.person("lead")
    refused = lead("POST", "/tenants/physics/sources", json={"source": warehouse.source()})
    assert refused.status_code == 403 and "platform admin" in refused.json()["detail"]
    platform.service.inside.data.settings.open_networks = []
    platform.add(warehouse.source())
    answer = platform.notebook("GET", "/warehouse/entries")
    assert answer.status_code == 403 and "did not open" in answer.json()["detail"]


def test_a_notebook_reads_it_by_one_line(shop: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    with relay(f"{shop.service.url}{PREFIX}", shop.ada_token) as url:
        monkeypatch.setenv("HUBERNATE_RELAY", url)
        table = hubernate.table("warehouse/shop.sales")
        assert [column.name for column in table.schema if column.partition] == ["dt", "country"]
        frame = table.to_pandas(["id"], where=["dt={yesterday}", "country=DE"])
        assert frame["id"].tolist() == [2, 3]
        assert table.sample()["id"].tolist() == [4]
        with pytest.raises(InvalidInput):
            hubernate.table("lake/sales").to_arrow(where=["dt={yesterday}"])


def test_a_double_of_version_4_is_asked_by_the_newer_calls(platform: Platform) -> None:
    """No metastore of that version could be had: this tries that each older call has its successor."""
    descriptor = Where("s3a://data/team/sales").descriptor(SALES)
    table = {1: "sales", 2: "shop", 7: descriptor, 8: [{1: "dt", 2: "string", 3: ""}], 9: {"EXTERNAL": "TRUE"}}
    part = {1: ["2026-01-02"], 2: "shop", 3: "sales", 6: Where("s3a://data/team/sales/dt=2026-01-02").descriptor(SALES)}
    answers = {
        "get_all_databases": ["default", "shop"],
        "get_tables": ["sales"],
        "get_table_req": {1: table | {12: "EXTERNAL_TABLE"}},
        "fetch_partition_names_req": ["dt=2026-01-01", "dt=2026-01-02"],
        "get_partitions_by_names_req": {1: [part]},
    }
    with metastore_4(answers) as (port, called):
        platform.add(Warehouse(port, None, Path()).source(user=""))  # type: ignore[arg-type]
        assert platform.root("POST", "/tenants/physics/sources/warehouse/test").json()["checks"][-1]["ok"]
        schema = platform.notebook("GET", "/warehouse/schema?path=shop.sales").json()["found"]
        assert [each["name"] for each in schema["columns"]] == ["id", "name", "paid", "dt"]
        refused = platform.notebook("GET", "/warehouse/rows?path=shop.sales")
        assert refused.status_code == 403 and "s3a://data/team/sales/dt=2026-01-02" in refused.json()["detail"]
    assert {"get_table", "get_partition_names", "get_partitions_by_names"} <= set(called), "the older ones first"
    gone = platform.notebook("GET", "/warehouse/schema?path=shop.sales&fresh=true").json()
    assert gone["stale"] and "metastore" in gone["why_stale"], "what was seen is shown while it does not answer"
