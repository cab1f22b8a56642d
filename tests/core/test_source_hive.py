"""Which partitions are meant, and which source a table's rows lie in."""

from datetime import date
from time import process_time
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from hubernate_core.errors import Conflict, InvalidInput, NotAllowed
from hubernate_core.source_location import folder_in, holder
from hubernate_core.source_partition import NULL, Condition, fill, parse_condition, select
from hubernate_core.source_place import Place, clash

PLACE: TypeAdapter[Place] = TypeAdapter(Place)
TODAY = date(2026, 3, 1)
HIVE: dict[str, Any] = {"kind": "hive", "host": "hms.example.com", "databases": ["shop"]}


def place(**values: Any) -> Place:
    return PLACE.validate_python(values)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("dt={yesterday}", Condition("dt", "=", "2026-02-28")),
        ("DT >= '{today-7}'", Condition("dt", ">=", "2026-02-22")),
        ("day={yesterday:%Y%m%d}", Condition("day", "=", "20260228")),
        ("day={yesterday-1:%Y/%m}", Condition("day", "=", "2026/02")),
        ("country!=s=o", Condition("country", "!=", "s=o")),
        ("n<=5", Condition("n", "<=", "5")),
        (" n = two words ", Condition("n", "=", "two words")),
    ],
)
def test_a_condition_is_read_with_its_variables(text: str, wanted: Condition) -> None:
    assert parse_condition(text, TODAY) == wanted


@pytest.mark.parametrize(
    "text", ["", "dt", "dt~x", "1=2", "dt={tomorrow}", "dt={today", "dt={today:%s}", "dt={today-x}"]
)
def test_what_is_no_condition_is_refused_by_field(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_condition(text, TODAY)
    assert refused.value.field == "where"


def test_a_long_condition_holds_nobody_up() -> None:
    began = process_time()
    with pytest.raises(InvalidInput):
        parse_condition("a=" + " " * 100_000 + "\0", TODAY)
    assert process_time() - began < 1
    assert parse_condition("a=" + " " * 900 + "b", TODAY).value == "b"


def test_variables_stand_in_paths_too() -> None:
    assert fill("shop.sales/dt={yesterday}", TODAY, "path") == "shop.sales/dt=2026-02-28"


NAMES = ["n=2/c=DE", "n=10/c=DE", "n=9/c=s%C3%A3o", f"n={NULL}/c=DE", f"n=9/c={NULL}"]
COLUMNS = [("n", "int"), ("c", "string")]


def test_partitions_are_compared_by_their_type_newest_first() -> None:
    def chosen(*conditions: str) -> list[str]:
        return [name for name, _ in select(NAMES, COLUMNS, [parse_condition(each, TODAY) for each in conditions])]

    assert chosen() == ["n=10/c=DE", "n=9/c=s%C3%A3o", f"n=9/c={NULL}", "n=2/c=DE", f"n={NULL}/c=DE"]
    assert chosen("n>=9") == ["n=10/c=DE", "n=9/c=s%C3%A3o", f"n=9/c={NULL}"]
    assert chosen("c=são") == ["n=9/c=s%C3%A3o"] and chosen("n=09", "c!=DE") == ["n=9/c=s%C3%A3o"]
    assert chosen(f"n={NULL}") == [f"n={NULL}/c=DE"], "a row without a value is compared with nothing else"
    for wrong in ("x=1", "n=abc", "n=nan"):
        with pytest.raises(InvalidInput):
            chosen(wrong)
    with pytest.raises(InvalidInput, match="no partition column"):
        select([], [], [Condition("n", "=", "1")])


S3 = place(kind="s3", bucket="lake", prefix="team/data")
HDFS = place(kind="hdfs", url="http://nn1:9870", standby_url="http://nn2:9870", prefix="data")
NAMED = place(kind="hdfs", url="https://knox:8443/gateway/x", prefix="data", authority="nameservice1")


@pytest.mark.parametrize(
    ("held", "location", "wanted"),
    [
        (S3, "s3a://lake/team/data/sales/dt=1", ("sales", "dt=1")), (S3, "s3://lake/team/data", ()),
        (S3, "s3n://lake/team/data/x#y/50%25/", ("x#y", "50%25")), (S3, "s3a://lake//team//data/x", ("x",)),
        (S3, "s3a://lake/team/data-secret", None), (S3, "s3a://lake/team", None), (S3, "s3a://other/team/data/x", None),
        (S3, "s3a://lake@evil/team/data/x", None), (S3, "hdfs://lake/team/data/x", None), (S3, "/team/data/x", None),
        (HDFS, "hdfs://nn1:8020/data/x", ("x",)), (HDFS, "hdfs://nn2/data", ()), (HDFS, "hdfs://nn3/data/x", None),
        (HDFS, "hdfs:///data/x", None), (HDFS, "hdfs://nn1/database/x", None), (HDFS, "s3a://nn1/data/x", None),
        (NAMED, "hdfs://nameservice1/data/x", ("x",)), (NAMED, "hdfs://knox:8443/data/x", None),
        (place(kind="http", url="http://lake/"), "s3a://lake/team/data/x", None),
    ],
)  # fmt: skip
def test_a_location_is_a_folder_of_the_source_that_covers_it(held: Place, location: str, wanted: Any) -> None:
    assert folder_in(held, location) == wanted


@pytest.mark.parametrize("path", ["team/data/../secret", "team/data/./x", "team/data/x\n"])
def test_a_location_does_not_lead_out(path: str) -> None:
    with pytest.raises(InvalidInput):
        folder_in(S3, f"s3a://lake/{path}")


def test_thousands_of_partitions_are_found_in_one_source() -> None:
    many = {f"s{at}": place(kind="s3", bucket="lake", prefix=f"team/{at}") for at in range(200)}
    began = process_time()
    name, folders = holder(many, [f"s3a://lake/team/199/sales/d={at}" for at in range(10_000)], "shop.sales")
    assert (name, folders[7], len(folders)) == ("s199", ("sales", "d=7"), 10_000)
    assert process_time() - began < 2
    with pytest.raises(InvalidInput, match="over 1000 folders"):
        holder(many, [f"s3a://lake/team/199/d={at}/h=0" for at in range(1001)], "shop.sales")


@pytest.mark.parametrize(
    ("locations", "error", "told"),
    [
        (["s3a://lake/team/x"], NotAllowed, "no source that you may read covers"),
        (["s3a://lake/team/data/x", "s3a://lake/team/x"], NotAllowed, "no source that you may read covers"),
        (["s3a://lake/team/data/x", "s3a://lake/beside/x"], InvalidInput, "beside, near"),
        (["s3a://lake/team/data/x", "s3a://lake/team/data/both/x"], Conflict, "far, near"),
    ],
)
def test_a_table_lies_in_exactly_one_source(locations: list[str], error: type[Exception], told: str) -> None:
    far = place(kind="s3", bucket="lake", endpoint="https://far.example.com", prefix="team/data/both")
    beside = place(kind="s3", bucket="lake", prefix="beside")
    with pytest.raises(error, match=told):
        holder({"near": S3, "far": far, "beside": beside, "hdfs": HDFS}, locations, "shop.sales")


@pytest.mark.parametrize(
    "change",
    [
        {"host": "thrift://hms:9083"}, {"host": "HMS"}, {"port": 0}, {"databases": []}, {"databases": ["*"]},
        {"password": "x"},
        {"databases": ["shop.sales"]}, {"user": "a b"}, {"tls": "require"},
    ],
)  # fmt: skip
def test_a_metastore_is_parts(change: dict[str, Any]) -> None:
    assert clash(place(**HIVE), place(**(HIVE | {"databases": ["hr", "shop"]})))
    assert not clash(place(**HIVE), place(**(HIVE | {"databases": ["hr"]})))
    with pytest.raises((InvalidInput, ValidationError)):
        place(**(HIVE | change))
