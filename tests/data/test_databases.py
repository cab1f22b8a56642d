"""PostgreSQL and MariaDB as sources: schema, sample, tables and SQL as Arrow, and nothing but reading."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from support import postgres
from support.stores import Database, mariadb, mariadb_missing, postgresql

from .conftest import Platform

KINDS = {"postgresql": (postgres.missing, postgresql), "mariadb": (mariadb_missing, mariadb)}


@pytest.fixture(scope="module", params=sorted(KINDS))
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    missing, start = KINDS[request.param]
    if missing():
        pytest.skip(missing())
    with start() as found:
        yield found


@pytest.fixture
def crm(platform: Platform, database: Database) -> Platform:
    platform.add(database.source("crm"), {"password": database.password})
    return platform


def arrow(answer: Any) -> pa.Table:
    assert answer.status_code == 200, answer.text
    return pa.ipc.open_stream(answer.content).read_all()


def sql(platform: Platform, query: str, **fields: Any) -> Any:
    return platform.notebook("POST", "/crm/sql", json={"query": query} | fields)


def test_tables_schema_and_sample(crm: Platform, database: Database) -> None:
    schema = "public" if database.kind == "postgresql" else "shop"
    listed = crm.notebook("GET", "/crm/entries").json()["entries"]
    assert [(each["path"], each["type"]) for each in listed] == [(f"{schema}.customers", "table")]
    found = crm.notebook("GET", "/crm/schema?path=customers").json()["found"]
    assert [(each["name"], each["nullable"]) for each in found["columns"]] == [
        ("id", False),
        ("name", False),
        ("paid", True),
        ("at", True),
    ]
    sample = crm.notebook("GET", f"/crm/sample?path={schema}.customers").json()["found"]
    assert sample["rows"] == [[1, "Ada", "12.50", "2026-01-02 03:04:05"], [2, "Grüße %s", None, None]]
    assert crm.notebook("GET", "/crm/sample?path=nothing").status_code == 404
    assert crm.notebook("GET", "/crm/sample").status_code == 404


def test_rows_and_sql_come_as_arrow(crm: Platform) -> None:
    whole = arrow(crm.notebook("GET", "/crm/rows?path=customers"))
    assert whole.schema.field("paid").type == pa.decimal128(10, 2)
    assert whole.column("name").to_pylist() == ["Ada", "Grüße %s"]
    some = arrow(crm.notebook("GET", "/crm/rows?path=customers&columns=name&limit=1"))
    assert some.to_pylist() == [{"name": "Ada"}]
    assert crm.notebook("GET", "/crm/rows?path=customers&columns=nothing").status_code == 422
    found = arrow(sql(crm, "-- a comment\nSELECT count(*) AS n FROM customers WHERE name LIKE '%%s';"))
    assert found.to_pylist() == [{"n": 1}]
    empty = arrow(sql(crm, "SELECT id, name FROM customers WHERE id > 100"))
    assert (empty.num_rows, empty.column_names) == (0, ["id", "name"])


def test_many_rows_stream(crm: Platform, database: Database) -> None:
    series = {
        "postgresql": "SELECT n, 'row ' || n AS t FROM generate_series(1, 100000) AS s(n)",
        "mariadb": f"WITH d AS ({' UNION ALL '.join(f'SELECT {digit} AS n' for digit in range(10))}), s AS"
        " (SELECT 1 + a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n AS n"
        " FROM d, d AS a, d AS b, d AS c, d AS e)"
        " SELECT n, concat('row ', n) AS t FROM s ORDER BY n",
    }
    found = arrow(sql(crm, series[database.kind]))
    assert found.num_rows == 100_000 and found.column("t")[99_999].as_py() == "row 100000"
    assert arrow(sql(crm, series[database.kind], limit=10_000)).num_rows == 10_000


WRITES = (
    "INSERT INTO customers VALUES (3, 'x', 1, NULL)",
    "SELECT 1; DROP TABLE customers",
    "SELECT 1; COMMIT; DELETE FROM customers",
    "WITH gone AS (DELETE FROM customers RETURNING *) SELECT * FROM gone",
    "COMMIT",
    "SET TRANSACTION READ WRITE",
    "COPY customers TO PROGRAM 'id'",
    "SELECT * FROM customers INTO OUTFILE '/tmp/hubernate-x'",
    "SELECT load_file('/etc/passwd')",
    "SELECT pg_read_file('/etc/passwd')",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE customers",
    "EXPLAIN ANALYZE DELETE FROM customers",
    "CALL x()",
    "",
    "   ",
)


@pytest.mark.parametrize("query", WRITES)
def test_nothing_but_reading(crm: Platform, query: str) -> None:
    answer = sql(crm, query)
    assert answer.status_code in (403, 422), answer.text
    assert arrow(sql(crm, "SELECT count(*) AS n FROM customers")).to_pylist() == [{"n": 2}]


def test_a_wrong_page_is_not_the_databases_failure(crm: Platform) -> None:
    for after in ("x", "-1", "²", "9" * 30):
        answer = crm.notebook("GET", "/crm/entries", params={"after": after})
        assert answer.status_code == 422 and "after" in answer.json()["detail"], after
    assert crm.notebook("GET", "/crm").json()["state"] == "closed"


def test_a_wrong_query_says_what_the_database_says(crm: Platform) -> None:
    answer = sql(crm, "SELECT nonsense FROM customers")
    assert answer.status_code == 422 and "nonsense" in answer.json()["detail"]


def test_a_wrong_password_is_told_without_it(platform: Platform, database: Database) -> None:
    platform.add(database.source("crm"), {"password": "planted-canary-1"})
    answer = platform.notebook("GET", "/crm/sample?path=customers")
    assert answer.status_code == 403 and "canary" not in answer.text
    checks = platform.root("POST", "/tenants/physics/sources/crm/test")
    assert checks.json()["checks"][-1] | {"answer": "", "advice": ""} == {
        "question": "readable", "ok": False, "answer": "", "advice": ""}  # fmt: skip
    assert "canary" not in checks.text


def test_a_slow_query_is_ended_by_the_database(crm: Platform, database: Database) -> None:
    crm.service.inside.data.settings.deadline_s = 3
    slow = "SELECT pg_sleep(60)" if database.kind == "postgresql" else "SELECT sleep(60) AS s FROM customers"
    answer = sql(crm, slow)
    # 422: the question was too large, which opens no breaker for the others.
    ended = answer.status_code == 422 and "longer than it may" in answer.json()["detail"]
    # MariaDB's sleep answers 1 when it is interrupted, and MariaDB calls that an answer.
    assert ended or arrow(answer).to_pylist()[0] == {"s": 1}, answer.text


def test_connections_must_be_encrypted_where_nobody_opened_the_network(platform: Platform, database: Database) -> None:
    platform.service.inside.data.settings.open_networks = []
    platform.add(database.source("crm"), {"password": database.password})
    answer = platform.notebook("GET", "/crm/sample?path=customers")
    assert answer.status_code == 403 and "did not open" in answer.json()["detail"]
