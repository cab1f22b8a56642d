"""When a schedule's times are, by cronsim: Debian cron's grammar and its ways with summer time. Pure.

A time that the clocks leave out runs as soon as they go on; one that they show twice runs once. Where minute or hour is
``*``, what runs every so often goes on doing so by the clock that never jumps.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from hubernate_core.errors import InvalidInput, shorten


def check(cron: str, zone: str, now: datetime) -> None:
    """Refuse what says no times.

    Raises:
        InvalidInput: no cron expression of five fields, one that never comes, or no zone.
    """
    if len(cron.split()) != 5:
        raise InvalidInput("cron", f"{shorten(cron, 60)!r}: five fields, such as '0 7 * * 1-5' for weekdays at seven")
    try:
        next(_after(cron, zone, now))
    except CronSimError as problem:
        raise InvalidInput("cron", f"{shorten(cron, 60)!r}: {problem}; '0 7 * * 1-5' is weekdays at seven") from problem
    except StopIteration as problem:
        raise InvalidInput("cron", f"{shorten(cron, 60)!r} never comes") from problem


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as problem:  # an unknown name, one that is a path, a folder's
        raise InvalidInput("zone", f"there is no zone {shorten(name, 60)!r}; write such as Europe/Berlin") from problem


def in_zone(moment: datetime, zone: str) -> datetime:
    """`moment` as the zone's clocks show it.

    Raises:
        InvalidInput: there is no such zone.
    """
    return moment.astimezone(_zone(zone))


def following(cron: str, zone: str, after: datetime, count: int = 1) -> list[datetime]:
    """The next times behind `after`, UTC. Raises as `check`."""
    return list(islice(_after(cron, zone, after), count))


def newest(cron: str, zone: str, planned: datetime, now: datetime) -> datetime | None:
    """The newest time that is not behind `now`, UTC; `planned`, the first that is not decided yet, is one of them.

    None: `planned` is still to come.
    """
    if planned > now:
        return None
    # Backwards first, so that a year of minutes costs nothing; in the hour that clocks show twice that stops too early.
    back = CronSim(cron, in_zone(now.replace(microsecond=0) + timedelta(seconds=1), zone), reverse=True)
    found = max(planned, next(back).astimezone(UTC))
    for each in _after(cron, zone, found):
        if each > now:
            break
        found = each
    return found


def _after(cron: str, zone: str, after: datetime) -> Iterator[datetime]:
    last = after.astimezone(UTC)
    for each in CronSim(cron, in_zone(after, zone)):
        moment = each.astimezone(UTC)
        if moment > last:  # in the hour that clocks show twice it begins with what was already
            last = moment
            yield moment
