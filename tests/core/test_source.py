"""What an admin may write about a source, and what nothing may connect to (B18-B20)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hubernate_core.errors import InvalidInput
from hubernate_core.source import Credential, Grants, Level, SourceSpec, check_credential
from hubernate_core.source_network import parse_opening, why_closed
from hubernate_core.source_path import contains, join_path, split_path
from hubernate_core.source_place import Place, clash
from hubernate_core.source_view import Column, Schema, drift

PLACE: TypeAdapter[Place] = TypeAdapter(Place)
S3: dict[str, Any] = {"kind": "s3", "bucket": "data"}
SQL: dict[str, Any] = {"kind": "postgresql", "host": "db.example.com", "database": "shop", "user": "reader"}


def place(**values: Any) -> Place:
    return PLACE.validate_python(values)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://x/", "ftp://x/", "http://", "http:///x", "//host/x", "host/x", "javascript:x",
        "http://user@host/", "http://user:canary@host/", "http://host#@evil/", "http://host/?x=1", "http://host\\@evil/",
        "http://0x7f.1/", "http://2130706433/", "http://127.1/", "http://0177.0.0.1/", "http://localhost./", "http://[::1]/",
        "http://[::ffff:a9fe:a9fe]/", "http://ex ample/", "http://exämple/", "http://host:0/", "http://host:/", "http://host:99999/",
        "http://host:x/", "http://host/../x", "http://host/a/./b", "http://host/%2e%2e/", "http://host//x", "http://ho\nst/",
    ],
)  # fmt: skip
def test_urls_that_are_not_plain_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        place(kind="http", url=url)
    assert "canary" not in str(refused.value)
    with pytest.raises((InvalidInput, ValidationError)):
        place(**S3, endpoint=url)


def test_plain_urls_are_taken() -> None:
    for url in ("https://data.example.com/sets/", "http://10.0.0.5:8080/a/b", "https://xn--exmple-cua.com/"):
        assert place(kind="http", url=url)
    assert place(**S3, endpoint="https://oss-cn-hangzhou.aliyuncs.com")
    with pytest.raises(InvalidInput):
        place(**S3, endpoint="https://host/with/a/path")


@pytest.mark.parametrize(
    "change",
    [
        {"host": "/var/run/postgresql"}, {"host": "a,b"}, {"host": "a b"}, {"host": "A.example"}, {"host": ""},
        {"parameters": {"options": "-c x=y"}}, {"parameters": {"sslmode": "disable"}}, {"parameters": {"service": "x"}},
        {"parameters": {"init_command": "x"}}, {"parameters": {"local_infile": "1"}}, {"parameters": {"passfile": "x"}},
        {"parameters": {"application_name": "x' y"}}, {"tls": "disable"}, {"port": 70000}, {"port": -1},
        {"database": "x?sslmode=disable"}, {"user": "x:y@host/"}, {"password": "x"}, {"url": "postgresql://x"},
    ],
)  # fmt: skip
def test_databases_are_parts_and_nothing_is_smuggled_in(change: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, ValidationError)):
        place(**(SQL | change))


PATHS = ["..", "a/../b", "/a", "a//b", "./a", "a/.", "a\x00b", "a\nb", "x" * 1025, "/".join("a" * 65), "\ud800"]


@pytest.mark.parametrize("path", PATHS)
def test_paths_stay_inside(path: str) -> None:
    with pytest.raises(InvalidInput):
        split_path(path)
    with pytest.raises(InvalidInput):
        place(**S3, prefix=path)


@given(st.lists(st.text(min_size=1, max_size=20), max_size=8))
def test_a_path_that_is_taken_is_exactly_its_components(parts: list[str]) -> None:
    try:
        found = split_path("/".join(parts))
    except InvalidInput:
        return
    assert join_path(found) == "/".join(found) and ".." not in found and "" not in found


def test_containment_is_by_components() -> None:
    assert contains(("data",), ("data", "x")) and not contains(("data",), ("data-secret",))
    assert clash(place(**S3, prefix="a"), place(**S3, prefix="a/b")) and clash(place(**S3), place(**S3, prefix="a"))
    assert not clash(place(**S3, prefix="a"), place(**S3, prefix="ab"))
    assert not clash(place(**S3, prefix="a"), place(**S3, prefix="a", endpoint="https://other.example.com"))
    assert clash(place(**SQL), place(**SQL, port=5432, tls="require"))


HDFS: dict[str, Any] = {"kind": "hdfs", "url": "http://nn1.example.com:9870", "prefix": "data/team"}


@pytest.mark.parametrize(
    "change",
    [
        {"url": "hdfs://nn1:8020"}, {"url": "http://nn1:9870/?user.name=hdfs"}, {"url": "http://hdfs@nn1:9870"},
        {"url": ""},
        {"standby_url": "nn2:9870"}, {"prefix": "../x"}, {"prefix": "/data"}, {"prefix": ".reserved/.inodes/16385"},
        {"user": "a&op=DELETE"}, {"user": "a b"}, {"authority": "hdfs://nn1"}, {"authority": "nn1:8020/x"},
        {"token": "x"},
    ],
)  # fmt: skip
def test_hdfs_is_a_plain_url_and_a_folder(change: dict[str, Any]) -> None:
    assert place(**HDFS, standby_url="http://nn2.example.com:9870", user="team", authority="nameservice1")
    with pytest.raises((InvalidInput, ValidationError)):
        place(**(HDFS | change))


def test_one_cluster_has_several_names() -> None:
    pair = place(**HDFS, standby_url="http://nn2.example.com:9870")
    other = HDFS | {"url": "http://nn2.example.com:9870"}
    assert clash(pair, place(**(other | {"prefix": "data"}))) and not clash(
        pair, place(**(other | {"prefix": "data/t"}))
    )


CLOSED = [
    ("127.0.0.1", 80), ("10.0.0.1", 443), ("192.168.1.1", 1), ("172.17.0.1", 8082), ("100.64.0.1", 80), ("0.0.0.0", 1),
    ("169.254.169.254", 80), ("::1", 80), ("::ffff:169.254.169.254", 80), ("::ffff:10.0.0.1", 80), ("fd00::1", 80),
    ("fe80::1%eth0", 80), ("fd00:ec2::254", 80), ("100.100.100.200", 80), ("224.0.0.1", 80), ("2002:7f00:1::", 80),
    ("8.8.8.8", 22), ("8.8.8.8", 6443), ("8.8.8.8", 10250), ("8.8.8.8", 2375), ("name.example.com", 80), ("", 80),
    ("64:ff9b::a00:1", 80), ("64:ff9b::a9fe:a9fe", 80), ("fec0::1", 80), ("168.63.129.16", 80),
]  # fmt: skip


@pytest.mark.parametrize(("address", "port"), CLOSED)
def test_inner_addresses_are_closed(address: str, port: int) -> None:
    assert why_closed(address, port, ())


def test_what_the_admin_opened_is_open_and_no_more() -> None:
    opened = tuple(map(parse_opening, ("10.0.0.0/8", "127.0.0.1/32,port=9000", "0.0.0.0/0", "::/0")))
    assert not why_closed("10.1.2.3", 5432, opened) and not why_closed("8.8.8.8", 443, ())
    assert not why_closed("127.0.0.1", 9000, opened)
    assert why_closed("169.254.169.254", 80, opened), "metadata is never part of something larger"
    assert why_closed("168.63.129.16", 80, opened) and why_closed("64:ff9b::a9fe:a9fe", 80, opened)
    assert not why_closed("64:ff9b::808:808", 443, ()), "a public address by NAT64"
    assert why_closed("10.1.2.3", 6443, opened), "nor are the cluster's ports"
    assert not why_closed("169.254.169.254", 80, (parse_opening("169.254.169.254/32,port=80"),))
    assert why_closed("127.0.0.1", 9001, (parse_opening("127.0.0.1/32,port=9000"),))
    for text in ("10.0.0.1/8", "10.0.0.0", "x", "10.0.0.0/8,port=0", "10.0.0.0/8 ,port=1"):
        with pytest.raises(InvalidInput):
            parse_opening(text)


def test_credentials_fit_their_place_and_are_never_shown() -> None:
    held = Credential.model_validate({"values": {"password": "planted-canary"}})
    check_credential(place(**SQL), held)
    assert "canary" not in f"{held!r} {held} {held.model_dump()} {held.model_dump_json()}"
    for values in (
        {},
        {"password": "x", "token": "y"},
        {"token": "y"},
        {"password": "a\nplanted-canary"},
        {"password": ""},
    ):
        with pytest.raises(InvalidInput) as refused:
            check_credential(place(**SQL), Credential.model_validate({"values": values}))
        assert "canary" not in str(refused.value)


def test_grants_give_the_higher_level() -> None:
    grants = Grants.model_validate({"tenant": "read", "members": {"Ada": "write", "bob": "none"}})
    assert grants.level_of("ada") is Level.WRITE and grants.level_of("bob") is Level.READ
    assert Level.WRITE.allows(Level.READ) and not Level.READ.allows(Level.WRITE)
    with pytest.raises(ValidationError):
        SourceSpec.model_validate({"name": "x", "place": S3, "grant": "read"})
    for name in ("", "X", "a b", "-a", "a--b", "a" * 41, "a/b", "ä", "a\n"):
        with pytest.raises(InvalidInput):
            SourceSpec.model_validate({"name": name, "place": S3})


def test_drift_is_told_in_words() -> None:
    before = Schema(columns=(Column(name="a", type="int64"), Column(name="b", type="string")))
    after = Schema(columns=(Column(name="a", type="double"), Column(name="c", type="string")))
    assert drift(before, after) == ("column b is gone", "column c (string) is new", "column a was int64, is double")
    assert drift(before, before) == ()
