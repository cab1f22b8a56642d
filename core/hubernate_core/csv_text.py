"""Tables as CSV (RFC 4180) that a spreadsheet takes for nothing but text and numbers."""

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_csv(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`rows` below their `heading`.

    A cell that a spreadsheet would compute, or that hides behind a tab, gets an apostrophe in front (OWASP, "CSV
    Injection"): names of people and teams are chosen by people.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_plain(each) for each in heading])
    writer.writerows([_plain(each) for each in row] for row in rows)
    return text.getvalue()


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
