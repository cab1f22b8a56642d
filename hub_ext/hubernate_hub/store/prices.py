"""Price lists."""

from datetime import date

from sqlalchemy import delete, insert, select

from hubernate_core.cost import PriceList

from .database import Tx
from .usage_schema import price_lists


def all_lists(tx: Tx) -> tuple[PriceList, ...]:
    """Every list, by its first day."""
    rows = tx.execute(select(price_lists).order_by(price_lists.c.first_day))
    return tuple(
        PriceList(currency=row.currency, prices=row.prices, since=None if row.first_day == date.min else row.first_day)
        for row in rows
    )


def replace_all(tx: Tx, lists: tuple[PriceList, ...]) -> None:
    """Make these the lists."""
    tx.execute(delete(price_lists))
    for each in lists:
        prices = each.model_dump(mode="json")["prices"]
        tx.execute(insert(price_lists).values(first_day=each.first_day, currency=each.currency, prices=prices))
