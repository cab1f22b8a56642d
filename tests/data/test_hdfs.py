"""HDFS by WebHDFS through the gateway, against a double of ours that other people's clients hold to the protocol."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.webhdfs import WebHDFS

from support import hadoop
from support.webhdfs import WebHdfs, webhdfs

from .conftest import Platform
from .misbehaving import misbehaving


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[WebHdfs]:
    (tmp_path / "hdfs" / "data" / "team").mkdir(parents=True)
    with webhdfs(tmp_path / "hdfs") as double:
        yield double


def spec(cluster: WebHdfs, name: str = "lake", **place: str) -> dict[str, Any]:
    base = {"kind": "hdfs", "url": cluster.url, "prefix": "data/team", "user": "team"}
    return {"name": name, "place": base | place}


@pytest.fixture
def lake(platform: Platform, cluster: WebHdfs) -> Platform:
    platform.add(spec(cluster))
    return platform


def test_the_double_is_understood_by_a_client_that_is_not_ours(cluster: WebHdfs) -> None:
    team = cluster.folder / "data" / "team"
    (team / "a b=1%").mkdir()
    content = os.urandom(200_000)
    (team / "a b=1%" / "x.bin").write_bytes(content)
    other = WebHDFS("127.0.0.1", cluster.port, user="team", skip_instance_cache=True)
    assert other.ls("/data/team", detail=False) == ["/data/team/a b=1%"]
    assert other.info("/data/team/a b=1%/x.bin")["size"] == 200_000
    assert other.cat_file("/data/team/a b=1%/x.bin") == content
    with other.open("/data/team/a b=1%/x.bin", block_size=10_000) as file:
        file.seek(150_000)
        assert file.read(100) == content[150_000:150_100]
    with pytest.raises(FileNotFoundError):
        other.info("/data/team/nothing")
    with pytest.raises(PermissionError):
        WebHDFS("127.0.0.1", cluster.port, user="eve", skip_instance_cache=True).ls("/data/team")


@pytest.mark.skipif(bool(hadoop.missing()), reason=hadoop.missing())
def test_the_double_is_understood_by_hadoop_itself(cluster: WebHdfs, tmp_path: Path) -> None:
    cluster.names_types, content = False, os.urandom(200_000)
    (cluster.folder / "data" / "team" / "x.bin").write_bytes(content)
    listed = hadoop.fs_shell(tmp_path, "-ls", f"webhdfs://127.0.0.1:{cluster.port}/data/team")
    assert listed.returncode == 0 and b"200000" in listed.stdout, listed.stderr
    shown = hadoop.fs_shell(tmp_path, "-cat", f"webhdfs://127.0.0.1:{cluster.port}/data/team/x.bin")
    assert shown.stdout == content, shown.stderr


def test_files_are_listed_and_read_in_parts_and_by_version(lake: Platform, cluster: WebHdfs) -> None:
    content = os.urandom(3_000_000)
    names = ["a=1", "100%", "two words", "ünïcödé 文", "%2e%2e", "a&b?c#d", "a+b;c"]
    for name in names:
        (cluster.folder / "data/team" / name).write_bytes(content)
    (cluster.folder / "data/team/folder").mkdir()
    listed = lake.notebook("GET", "/lake/entries").json()["entries"]
    assert sorted(each["path"] for each in listed) == sorted([*names, "folder"])
    assert {each["type"] for each in listed if each["path"] == "folder"} == {"folder"}
    for name in names:
        assert lake.notebook("GET", "/lake/object", params={"path": name}).content == content, name
    where = {"path": "two words"}
    whole = lake.notebook("GET", "/lake/object", params=where)
    for header, wanted in (("bytes=1000000-1999999", content[1_000_000:2_000_000]), ("bytes=-3", content[-3:])):
        part = lake.notebook("GET", "/lake/object", params=where, headers={"range": header})
        assert (part.status_code, part.content) == (206, wanted)
    assert lake.notebook("GET", "/lake/object", params=where, headers={"range": "bytes=9000000-"}).status_code == 416
    assert lake.notebook("HEAD", "/lake/object", params=where).headers["content-length"] == "3000000"
    (cluster.folder / "data/team/two words").write_bytes(b"new")
    old = lake.notebook("GET", "/lake/object", params=where, headers={"if-match": whole.headers["etag"]})
    assert old.status_code == 409
    assert lake.notebook("GET", "/lake/object?path=nothing").status_code == 404
    assert lake.notebook("GET", "/lake/object?path=folder").status_code == 422


def test_only_the_asked_part_is_asked_of_the_data_node(lake: Platform, cluster: WebHdfs) -> None:
    (cluster.folder / "data/team/x").write_bytes(os.urandom(1_000_000))
    lake.notebook("GET", "/lake/object?path=x", headers={"range": "bytes=10-19"})
    (asked,) = cluster.read
    assert "offset=10&length=10" in asked


@pytest.mark.parametrize("batches", [True, False])
def test_a_long_listing_comes_in_pages(lake: Platform, cluster: WebHdfs, batches: bool) -> None:
    cluster.batch, cluster.knows_batches = 7, batches
    for number in range(25):
        (cluster.folder / "data/team" / f"{number:03}").touch()
    found: list[str] = []
    after = ""
    while True:
        page = lake.notebook("GET", "/lake/entries", params={"limit": 10, "after": after}).json()
        assert len(page["entries"]) <= 10
        found += [each["path"] for each in page["entries"]]
        after = page["next"]
        if not after:
            break
    assert found == [f"{number:03}" for number in range(25)]


def test_a_preview_has_schema_and_partitions(lake: Platform, cluster: WebHdfs) -> None:
    folder = cluster.folder / "data/team/sales/year=2026"
    folder.mkdir(parents=True)
    (folder.parent / "_SUCCESS").touch()
    pq.write_table(pa.table({"id": range(1000)}), out := io.BytesIO())
    (folder / "part-0.parquet").write_bytes(out.getvalue())
    (cluster.folder / "data/team/notes.csv").write_text("a,b\n1,x\n")
    schema = lake.notebook("GET", "/lake/schema?path=sales").json()["found"]
    assert [(each["name"], each["partition"]) for each in schema["columns"]] == [("id", False), ("year", True)]
    assert schema["rows"] == 1000
    sample = lake.notebook("GET", "/lake/sample?path=sales").json()["found"]
    assert sample["rows"][1] == [1, "2026"] and len(sample["rows"]) == 100
    assert lake.notebook("GET", "/lake/sample?path=notes.csv").json()["found"]["rows"] == [["1", "x"]]


@pytest.mark.parametrize("path", ["../secret", "/secret", "a/../../secret", "./x", "a//b", "..", "-secret/x"])
def test_nothing_outside_is_reached(lake: Platform, cluster: WebHdfs, path: str) -> None:
    (cluster.folder / "data/team-secret").mkdir()
    for name in ("secret", "data/secret", "data/team-secret/x"):
        (cluster.folder / name).write_text("not yours")
    for verb in ("object", "info", "entries", "sample"):
        answer = lake.notebook("GET", f"/lake/{verb}", params={"path": path})
        assert answer.status_code in (404, 422) and "not yours" not in answer.text, (verb, answer.text)
    assert all("/webhdfs/v1/data/team/" in each and ".." not in each for each in cluster.asked)


def test_a_data_node_is_judged_as_every_address(lake: Platform, cluster: WebHdfs) -> None:
    (cluster.folder / "data/team/x").write_text("hello")
    with misbehaving("127.0.0.2") as inner:
        cluster.data_node = f"http://127.0.0.2:{inner.port}"
        answer = lake.notebook("GET", "/lake/object?path=x")
        assert answer.status_code == 403 and "did not open" in answer.json()["detail"]
        assert inner.asked == []
        checks = lake.root("POST", "/tenants/physics/sources/lake/test").json()["checks"]
        assert [each["ok"] for each in checks] == [True, True, False] and "data nodes" in checks[-1]["advice"]
    for elsewhere in ("http://169.254.169.254", "file:///etc", "http://team@127.0.0.1:1"):
        cluster.data_node = elsewhere
        assert lake.notebook("GET", "/lake/object?path=x").status_code == 403, elsewhere


def test_a_name_node_on_standby_is_passed_over(lake: Platform, cluster: WebHdfs, tmp_path: Path) -> None:
    (cluster.folder / "data/team/x").write_text("hello")
    cluster.standby = True
    alone = lake.notebook("GET", "/lake/object?path=x")
    assert alone.status_code == 503 and "standby_url" in alone.json()["detail"]
    with webhdfs(cluster.folder) as other:
        pair = spec(cluster, standby_url=other.url)
        assert lake.root("PUT", "/tenants/physics/sources/lake", json=pair).status_code == 200
        assert [lake.notebook("GET", "/lake/object?path=x").text for _ in range(3)] == ["hello"] * 3


def test_a_token_opens_and_is_shown_nowhere(platform: Platform, cluster: WebHdfs) -> None:
    (cluster.folder / "data/team/x").write_text("hello")
    (cluster.folder / "data/team/closed").write_text("hello")
    platform.add(spec(cluster, user=""), {"token": cluster.token})
    assert platform.notebook("GET", "/lake/object?path=x").text == "hello"
    refused = platform.notebook("GET", "/lake/object?path=closed")
    assert refused.status_code == 403 and "AccessControlException" in refused.json()["detail"]
    answers = [refused, platform.notebook("GET", "/lake"), platform.root("GET", "/tenants/physics/sources/lake")]
    path = "/tenants/physics/sources/lake/credential"
    assert platform.root("PUT", path, json={"values": {"token": "ended-canary"}}).status_code == 200
    ended = platform.notebook("GET", "/lake/object?path=x")
    assert ended.status_code == 403 and "InvalidToken" in ended.json()["detail"]
    answers += [ended, platform.root("POST", "/tenants/physics/sources/lake/test")]
    assert not [each.text for each in answers if "canary" in each.text or "secret/above" in each.text]


def test_a_test_answers_each_question_by_itself(lake: Platform, cluster: WebHdfs) -> None:
    def asked() -> dict[str, bool | None]:
        answer = lake.root("POST", "/tenants/physics/sources/lake/test")
        checks = answer.json()["checks"]
        assert checks[-1]["ok"] is not False or checks[-1]["advice"]
        return {each["question"]: each["ok"] for each in checks}

    assert asked() == {"reachable": True, "exists": True, "readable": None}
    (cluster.folder / "data/team/x").write_text("hello")
    assert asked() == {"reachable": True, "exists": True, "readable": True}
    cluster.user = "other"
    assert asked() == {"reachable": True, "exists": None, "readable": False}
    cluster.user = "team"
    lake.root("PUT", "/tenants/physics/sources/lake", json=spec(cluster, prefix="data/nothing"))
    assert asked() == {"reachable": True, "exists": False}
    lake.root("PUT", "/tenants/physics/sources/lake", json=spec(cluster, url="http://127.0.0.1:9"))
    assert asked() == {"reachable": False}


def test_whose_name_is_used_is_for_the_platform_to_say(platform: Platform, cluster: WebHdfs) -> None:
    assert platform.root("PUT", "/tenants/physics/members/lead", json={"role": "admin"}).status_code == 200
    lead = platform.service.person("lead")
    refused = lead("POST", "/tenants/physics/sources", json={"source": spec(cluster)})
    assert refused.status_code == 403 and "platform admin" in refused.json()["detail"]
    bare = {"source": spec(cluster, user="")}
    token = bare | {"credential": {"values": {"token": cluster.token}}}
    for body in (bare, token):
        assert lead("POST", "/tenants/physics/sources", json=body).status_code == 403, body
    assert platform.root("POST", "/tenants/physics/sources", json=token).status_code == 201
    again = platform.root("POST", "/tenants/physics/sources", json={"source": spec(cluster, "more", prefix="data")})
    assert again.status_code == 409, "the same data twice"
    writing = spec(cluster, "writing", prefix="other") | {"grants": {"tenant": "write"}}
    answer = platform.root("POST", "/tenants/physics/sources", json={"source": writing})
    assert answer.status_code == 422 and "read only" in answer.json()["detail"]
