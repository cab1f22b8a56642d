"""When a failed operation is tried again by itself: later each time, never given up."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ..store.operations import OperationRow, failures_in_a_row

LONGEST = timedelta(hours=1)


def due(
    rows: Sequence[OperationRow], now: datetime, first_after_s: float, *, longest_s: float = LONGEST.total_seconds()
) -> bool:
    """Whether enough time has passed since the newest of `rows` (newest first) failed, or it did not fail.

    The wait starts at `first_after_s` seconds and doubles with every failure in a row, up to `longest_s`, an hour.
    """
    failures, failed_at = failures_in_a_row(rows)
    if failed_at is None:
        return True
    wait = min(timedelta(seconds=first_after_s * 2.0 ** min(failures - 1, 20)), timedelta(seconds=longest_s))
    return now - failed_at >= wait
