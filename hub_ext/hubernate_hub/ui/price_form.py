"""The form in which a platform admin sets prices: values only. What it sends is checked by ``PUT /prices``."""

from collections.abc import Sequence
from dataclasses import dataclass

from hubernate_core import cost
from hubernate_core.cost import PriceList

from ..context import Work
from .spending import title_of


@dataclass(frozen=True)
class PriceForm:
    """The list in force today, to be changed. `fields`: resource, what its price is for one of, and the price.

    `since`: first day of the new list; empty: for all time, as there is none yet. `later`: when another list begins,
    which the new one would replace. `version`: of the lists that it was made from.
    """

    currency: str
    fields: list[tuple[str, str, str]]
    since: str
    later: str
    version: str


def price_form(work: Work, lists: Sequence[PriceList]) -> PriceForm:
    """The form to change `lists`, with a field for all that is counted here, or has a price."""
    today, on_kubernetes = work.now.date(), work.context.settings.on_kubernetes
    now = next((each.prices for each in reversed(lists) if each.first_day <= today), {})
    names = cost.in_order({*now, *(work.context.catalogue.devices if on_kubernetes else ())})
    return PriceForm(
        currency=lists[-1].currency if lists else "",
        fields=[
            (name, title_of(name), str(now.get(name, "")))
            for name in names
            if on_kubernetes or name in now or name != "storage"  # a volume of the Docker engine has no size
        ],
        since=today.isoformat() if lists else "",
        version=cost.version_of(lists),
        later=next((f"{each.first_day:%-d %B %Y}" for each in lists if each.first_day > today), ""),
    )
