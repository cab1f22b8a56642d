"""How every benchmark reports: a row on a terminal, otherwise a JSON object a line (the interface of `make bench`)."""

import json
import sys


def report(figure: str, value: float, unit: str, against: str) -> None:
    """Print one measured figure at once, so that a benchmark cut short still shows what it had.

    Args:
        figure: ``benchmark.name``, such as ``gate.throughput_ratio``.
        value: the median of the rounds; three significant digits are printed on a terminal, all of them as JSON.
        unit: ``x`` for a ratio, otherwise a unit such as ``s``, ``ms``, ``MB``; ``share`` for a part of one.
        against: what it was measured beside, in the same run; empty for an absolute figure.
    """
    if sys.stdout.isatty():
        beside = f"  against {against}" if against else ""
        line = f"{figure:<36} {value:>10.3g} {unit:<6}{beside}"
    else:
        line = json.dumps({"figure": figure, "value": round(value, 6), "unit": unit, "against": against})
    print(line, flush=True)


def note(text: str) -> None:
    """Say how a benchmark goes on; never on standard output, which holds figures only."""
    print(text, file=sys.stderr, flush=True)
