"""S3 through the gateway, against a server that checks signatures and policies."""

import io
import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from support.platform_service import eventually
from support.stores import Bucket, object_store

from .conftest import Platform


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with object_store() as found:
        yield found


@pytest.fixture
def lake(platform: Platform, bucket: Bucket) -> Platform:
    platform.add(bucket.source() | {"grants": {"tenant": "write"}}, bucket.credential)
    return platform


def test_objects_are_listed_read_and_written(lake: Platform, bucket: Bucket) -> None:
    content = os.urandom(3_000_000)
    bucket.put("team/2026/a b=1%/x.bin", content)
    bucket.put("other/secret", b"not yours")
    assert lake.notebook("GET", "/lake/entries").json()["entries"][0]["path"] == "2026"
    (folder,) = lake.notebook("GET", "/lake/entries?path=2026").json()["entries"]
    assert (folder["path"], folder["type"]) == ("2026/a b=1%", "folder")
    where = {"path": "2026/a b=1%/x.bin"}
    whole = lake.notebook("GET", "/lake/object", params=where)
    assert whole.content == content and whole.headers["etag"]
    part = lake.notebook("GET", "/lake/object", params=where, headers={"range": "bytes=1000000-1999999"})
    assert (part.status_code, part.content) == (206, content[1_000_000:2_000_000])
    assert lake.notebook("GET", "/lake/object", params=where, headers={"range": "bytes=-3"}).content == content[-3:]
    assert lake.notebook("GET", "/lake/object", params=where, headers={"range": "bytes=9000000-"}).status_code == 416
    assert lake.notebook("HEAD", "/lake/object", params=where).headers["content-length"] == "3000000"
    assert lake.notebook("GET", "/lake/object?path=2026/nothing").status_code == 404
    sent = lake.notebook("PUT", "/lake/object?path=out/y.bin", content=content)
    assert sent.status_code == 200 and sent.json()["size"] == len(content)
    assert bucket.get("team/out/y.bin") == content


def test_a_large_upload_is_there_at_once_or_never(lake: Platform, bucket: Bucket) -> None:
    content = os.urandom(40_000_000)
    assert lake.notebook("PUT", "/lake/object?path=large.bin", content=content).status_code == 200
    assert bucket.get("team/large.bin") == content

    def broken() -> Any:
        yield content
        raise RuntimeError("the notebook died")

    with pytest.raises(RuntimeError):
        lake.notebook("PUT", "/lake/object?path=half.bin", content=broken())
    assert lake.notebook("GET", "/lake/info?path=half.bin").status_code == 404
    listed = bucket.client.list_multipart_uploads
    eventually("no parts lie about and cost money", lambda: "Uploads" not in listed(Bucket=bucket.name))


def test_a_test_answers_each_question_by_itself(platform: Platform, bucket: Bucket) -> None:
    bucket.put("team/readme.txt", b"hello")
    closed = f"http://127.0.0.1:{bucket.port + 1 if bucket.port < 65535 else 1}"
    wrong = bucket.credential | {"secret_access_key": secrets.token_hex(20)}
    cases: list[tuple[str, dict[str, Any], dict[str, str], dict[str, bool | None]]] = [
        ("fine", {}, bucket.credential, {"reachable": True, "exists": True, "readable": True}),
        ("wrong-key", {}, wrong, {"reachable": True, "exists": True, "readable": False}),
        ("no-bucket", {"bucket": "nothing"}, bucket.credential, {"reachable": True}),
        ("nobody", {"endpoint": closed}, bucket.credential, {"reachable": False}),
    ]
    for name, place, credential, wanted in cases:
        platform.add(bucket.source(name, **place), credential)
        answer = platform.root("POST", f"/tenants/physics/sources/{name}/test")
        assert answer.status_code == 200, answer.text
        found = {each["question"]: each["ok"] for each in answer.json()["checks"]}
        assert wanted.items() <= found.items(), (name, answer.json())
        last = answer.json()["checks"][-1]
        assert last["ok"] is not False or last["advice"], name
        assert platform.root("DELETE", f"/tenants/physics/sources/{name}").status_code == 204


def test_the_store_decides_too(platform: Platform, bucket: Bucket) -> None:
    """A key that may do less than the grant says: the store's refusal is told as one."""
    bucket.put("outside/x", b"not yours")
    platform.add(bucket.source(prefix="outside"), bucket.credential)
    refused = platform.notebook("GET", "/lake/object?path=x")
    assert refused.status_code == 403 and "refused" in refused.json()["detail"]


def test_a_changed_credential_counts_from_the_next_call(lake: Platform, bucket: Bucket) -> None:
    bucket.put("team/x", b"hello")
    assert lake.notebook("GET", "/lake/object?path=x").text == "hello"
    wrong = bucket.credential | {"secret_access_key": secrets.token_hex(20)}
    path = "/tenants/physics/sources/lake/credential"
    assert lake.root("PUT", path, json={"values": wrong}).status_code == 200
    assert lake.notebook("GET", "/lake/object?path=x").status_code == 403
    assert lake.root("PUT", path, json={"values": bucket.credential}).status_code == 200
    assert lake.notebook("GET", "/lake/object?path=x").text == "hello"


def test_another_place_does_not_get_the_credential(lake: Platform, bucket: Bucket) -> None:
    spec = bucket.source(endpoint="http://127.0.0.1:9")
    changed = lake.root("PUT", "/tenants/physics/sources/lake", json=spec).json()
    assert changed["has_credential"] is False


def test_parquet_is_sampled_with_its_schema_and_partitions(lake: Platform, bucket: Bucket) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"id": range(1000), "name": [f"n{number}" for number in range(1000)]})
    out = io.BytesIO()
    pq.write_table(table, out)
    bucket.put("team/sales/year=2026/country=s%C3%A3o/part-0.parquet", out.getvalue())
    bucket.put("team/sales/_SUCCESS", b"")
    schema = lake.notebook("GET", "/lake/schema?path=sales").json()
    columns = [(each["name"], each["type"], each["partition"]) for each in schema["found"]["columns"]]
    assert columns == [("id", "int64", False), ("name", "string", False), ("year", "string", True),
                       ("country", "string", True)]  # fmt: skip
    assert schema["found"]["rows"] == 1000
    sample = lake.notebook("GET", "/lake/sample?path=sales").json()
    assert sample["found"]["rows"][:2] == [[0, "n0", "2026", "são"], [1, "n1", "2026", "são"]]
    assert len(sample["found"]["rows"]) == 100
    pq.write_table(table.drop(["name"]).append_column("price", pa.array([1.5] * 1000)), out := io.BytesIO())
    bucket.put("team/sales/year=2026/country=s%C3%A3o/part-0.parquet", out.getvalue())
    assert lake.notebook("GET", "/lake/schema?path=sales").json()["drift"] == []
    fresh = lake.notebook("GET", "/lake/schema?path=sales&fresh=true").json()
    assert fresh["drift"] == ["column name is gone", "column price (double) is new"]
