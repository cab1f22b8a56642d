"""How long a person waits for the first 100 rows of a file in a store, as a notebook sees it.

    python bench/preview.py [--rounds 40]

`preview.parquet_p95_ms`, `preview.csv_p95_ms`: asked anew of the source, its worker warm. `preview.cached_p95_ms`: the
stored sample. The parquet file has ten columns and row groups of a million rows; the CSV file is as large.
"""

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from data_stage import stage
from figures import note, report

ROWS, COLUMNS = 1_000_000, 10


def parquet() -> bytes:
    """About 80 MB in one row group."""
    import numpy
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance, out = numpy.random.default_rng(1), io.BytesIO()
    pq.write_table(pa.table({f"c{at}": chance.random(ROWS) for at in range(COLUMNS)}), out, row_group_size=ROWS)
    return out.getvalue()


def csv() -> bytes:
    """About 80 MB of text."""
    line = ",".join(f"{at}.{at * 1234567:08d}" for at in range(COLUMNS)) + "\n"
    return (",".join(f"c{at}" for at in range(COLUMNS)) + "\n" + line * (80_000_000 // len(line))).encode()


def p95(rounds: int, once: Callable[[], object]) -> float:
    """Milliseconds that all but one in twenty stay below."""
    once()
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        once()
        took.append((time.perf_counter() - began) * 1000)
    note(f"p50 {statistics.median(took):.0f} ms, worst {max(took):.0f} ms")
    return statistics.quantiles(took, n=20)[-1]


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description="How long a preview takes.")
    options.add_argument("--rounds", type=int, default=40, help="previews of each kind (default 40)")
    rounds = options.parse_args().rounds
    with stage() as found:
        import hubernate

        for kind, content in (("parquet", parquet()), ("csv", csv())):
            found.put(f"x.{kind}", content)
            table = hubernate.table(f"lake/x.{kind}")
            assert len(table.sample(fresh=True)) == 100
            report(f"preview.{kind}_p95_ms", p95(rounds, partial(table.sample, fresh=True)), "ms", "")
        report("preview.cached_p95_ms", p95(rounds, table.sample), "ms", "")


if __name__ == "__main__":
    main()
