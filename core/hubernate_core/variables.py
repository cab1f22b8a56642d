"""Variables of time in what people write: ``{today}``, ``{yesterday}``, ``{today-7:%Y%m%d}``. One grammar for
partitions of sources and for schedules. Pure.
"""

import re
from datetime import date, datetime, timedelta

_DAY = re.compile(r"\{(date|today|yesterday)(?:-([0-9]{1,4}))?(?::((?:%[YmdjHu]|[-_/.])+))?\}")
_MOMENT = "{datetime}"


def fill_days(text: str, today: date) -> str:
    """`text` with its days filled in: ``{today}`` (or ``{date}``), ``{yesterday}``, so many days before by ``-N``, as
    ISO dates or by a format behind a colon. What is no variable stays as it is.
    """

    def day(found: re.Match[str]) -> str:
        back = int(found[2] or 0) + (found[1] == "yesterday")
        then = today - timedelta(days=back)
        return then.strftime(found[3]) if found[3] else then.isoformat()

    return _DAY.sub(day, text)


def fill_moment(text: str, planned: datetime) -> str:
    """As `fill_days`, by the day that `planned` has in its own zone; ``{datetime}`` is all of it, ISO with offset."""
    return fill_days(text, planned.date()).replace(_MOMENT, planned.isoformat(timespec="seconds"))
