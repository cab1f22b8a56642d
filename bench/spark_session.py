"""How long a person waits for `hubernate.spark()`, in a container of the image of profile "spark".

    python bench/spark_session.py [--rounds 5]

`spark-session.first_s`: the first kernel's, which starts the server. `spark-session.again_s`: a new kernel's, imports
included, while the server runs; `spark-session.same_kernel_s`: asked once more in a kernel that has a session.
"""

import argparse
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]

from figures import report  # noqa: E402
from support.spark_image import GIB, in_image  # noqa: E402

_TIMED = """
import time
began = time.perf_counter()
import hubernate
hubernate.spark()
new = time.perf_counter()
hubernate.spark()
print(new - began, time.perf_counter() - new)
"""


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description="How long a Spark session takes.")
    options.add_argument("--rounds", type=int, default=5, help="kernels after the first (default 5)")
    rounds = options.parse_args().rounds
    with in_image("spark", "http://127.0.0.1:1", 3 * GIB) as kernel:
        times = [tuple(map(float, kernel.run(_TIMED).split())) for _ in range(rounds + 1)]
    report("spark-session.first_s", times[0][0], "s", "")
    report("spark-session.again_s", statistics.median(new for new, _ in times[1:]), "s", "")
    report("spark-session.same_kernel_s", statistics.median(same for _, same in times), "s", "")


if __name__ == "__main__":
    main()
