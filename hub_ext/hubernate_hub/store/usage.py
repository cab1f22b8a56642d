"""What was used over time, and until when each meter was read."""

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hubernate_core.metering import Key

from .database import Tx
from .usage_schema import meters, usage

_AT_ONCE = 1000


def read_until(tx: Tx, meter: str) -> datetime | None:
    """Until when `meter` was read, held until the transaction ends; None: never."""
    return tx.execute(select(meters.c.until).where(meters.c.name == meter).with_for_update()).scalar_one_or_none()


def last_read(tx: Tx) -> datetime | None:
    """When use was counted last."""
    return tx.execute(select(meters.c.until).order_by(meters.c.until.desc()).limit(1)).scalar_one_or_none()


def set_read(tx: Tx, meter: str, until: datetime) -> None:
    """`meter` is read until a moment."""
    if not tx.execute(update(meters).where(meters.c.name == meter).values(until=until)).rowcount:
        tx.execute(insert(meters).values(name=meter, until=until))


def add(tx: Tx, counts: Mapping[Key, int]) -> None:
    """Add to what was used."""
    make = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    new = make(usage)
    known = [usage.c.tenant_id, usage.c.user, usage.c.day, usage.c.resource]
    upsert = new.on_conflict_do_update(index_elements=known, set_={"amount": usage.c.amount + new.excluded.amount})
    names = ("tenant_id", "user", "day", "resource")
    rows = [dict(zip(names, key, strict=True)) | {"amount": counts[key]} for key in sorted(counts)]
    for first in range(0, len(rows), _AT_ONCE):
        tx.execute(upsert, rows[first : first + _AT_ONCE])


def drop_before(tx: Tx, day: date) -> int:
    """Forget what was used before a day; how many rows that were."""
    return tx.execute(delete(usage).where(usage.c.day < day)).rowcount
