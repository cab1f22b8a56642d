"""`hubernate.spark()` in the image of profile "spark": one server for all kernels, which reads the team's sources."""

import io
from pathlib import Path

import pandas as pd
import pytest

from hubernate.limits import cpus, memory_bytes
from support import postgres
from support.platform_service import PREFIX
from support.relay import relay
from support.spark_image import GIB, InImage, in_image
from support.stores import postgresql

from .conftest import Platform

_ASK = """
import hubernate
try:
    hubernate.spark()
except Exception as problem:
    print(type(problem), problem)
"""
_AGAIN = """
import time, hubernate
hubernate.spark()
began = time.perf_counter()
hubernate.spark()
print(time.perf_counter() - began)
"""


@pytest.mark.docker
@pytest.mark.timeout(1500)
def test_spark_reads_the_teams_sources_and_is_started_once(platform: Platform) -> None:
    if postgres.missing():
        pytest.skip(postgres.missing())
    _sales(platform.folder / "team" / "sales")
    platform.add({"name": "lake", "place": {"kind": "files", "folder": "shared", "prefix": "team"}})
    with (
        postgresql() as database,
        relay(f"{platform.service.url}{PREFIX}", platform.ada_token) as url,
        in_image("spark", url, 3 * GIB) as kernel,
    ):
        platform.add(database.source("crm"), {"password": database.password})
        _read(kernel)
        first = _server(kernel)
        assert float(kernel.run(_AGAIN)) < 1
        assert _server(kernel) == first, "another kernel uses the same server"
        assert first.count("SparkConnectServer") == 1
        assert database.password not in kernel.command("sh", "-c", "cat /proc/*/environ /proc/*/cmdline; ls -R /tmp")
        for address in kernel.command("sh", "-c", "cat /proc/$(pgrep -f SparkConnectServer)/cmdline").split("\0"):
            assert "0.0.0.0" not in address


def _sales(folder: Path) -> None:
    for year in (2025, 2026):
        out = io.BytesIO()
        pd.DataFrame({"city": ["Ulm", "Aachen"] * 50, "price": [float(n) for n in range(100)]}).to_parquet(out)
        (folder / f"year={year}").mkdir(parents=True)
        (folder / f"year={year}" / "a.parquet").write_bytes(out.getvalue())
    (folder / "year=2027").mkdir()
    (folder / "year=2027" / "a.parquet").write_bytes(b"never read: the filter leaves it out")


def _read(kernel: InImage) -> None:
    found = kernel.run(
        "import hubernate\n"
        "sales = hubernate.table('lake/sales').to_spark().filter('year = 2026 and price >= 98')\n"
        "print(sorted((row.city, row.price, row.year) for row in sales.collect()))\n"
        "spark = hubernate.spark()\n"
        "spark.sql(\"create temporary view customers using hub options (path 'crm/public.customers')\")\n"
        "print([tuple(row) for row in spark.sql('select id, name from customers order by id').collect()])\n"
        "print(spark.conf.get('spark.driver.memory'))\n"
    )
    assert found.splitlines() == [
        "[('Aachen', 99.0, 2026), ('Ulm', 98.0, 2026)]",
        "[(1, 'Ada'), (2, 'Grüße %s')]",
        f"{int(3 * GIB * 0.4) // 1024**2}m",
    ]


def _server(kernel: InImage) -> str:
    return kernel.command("pgrep", "-af", "SparkConnectServer")


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_without_spark_or_memory_it_says_what_to_do() -> None:
    with in_image("base", "http://127.0.0.1:1", GIB) as kernel:
        said = kernel.run(_ASK)
        assert "NotFound" in said and "profile 'spark'" in said and "java" in said
    with in_image("spark", "http://127.0.0.1:1", GIB) as kernel:
        said = kernel.run(_ASK)
        assert "InvalidInput" in said and "needs a server with 1.5 GiB; this one has 1.0" in said


@pytest.mark.parametrize(
    ("files", "memory", "processors"),
    [
        ({"memory.max": "3221225472\n", "cpu.max": "50000 100000\n"}, 3 * GIB, 1),
        ({"memory.max": "max\n", "cpu.max": "max 100000\n"}, None, None),
        ({"memory/memory.limit_in_bytes": "1073741824\n", "cpu/cpu.cfs_quota_us": "-1\n"}, GIB, None),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None, None),
    ],
)
def test_the_containers_limits_are_read(
    tmp_path: Path, files: dict[str, str], memory: int | None, processors: int | None
) -> None:
    nowhere = tmp_path / "nowhere"
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert memory_bytes(tmp_path) == (memory or memory_bytes(nowhere))
    assert cpus(tmp_path) == (processors or cpus(nowhere))
