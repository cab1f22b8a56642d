"""What was used and what it costs, for whoever may see it: by tenant, by person, by day."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction

from pydantic import BaseModel, ConfigDict, Field

from hubernate_core import cost
from hubernate_core.cost import PriceList

from ..actor import Actor
from ..context import Work
from ..store import prices, usage, usage_sums
from ..store.usage_sums import Days, Scope, Used
from .deeds import Deed, note


class By(StrEnum):
    """What each line is of."""

    TENANT = "tenant"
    PERSON = "person"
    DAY = "day"


class Spent(BaseModel):
    """Amounts in their units, as decimal texts, and their cost."""

    model_config = ConfigDict(frozen=True)
    amounts: dict[str, str] = Field(description="by resource, in the unit that `units` names; decimal texts")
    cost: str = Field(description="by the price list, as '12.50'; empty: there is none")


class Line(Spent):
    """One tenant, person or day."""

    tenant: str = ""
    title: str = ""
    user: str = Field("", description="whose part of the team's use it is; empty: everybody's")
    day: date | None = None


@dataclass(frozen=True)
class Question:
    """Whose use, over which days, one line for what, and where the page begins."""

    scope: Scope
    first: date
    last: date
    by: By = By.TENANT
    after: str = ""
    limit: int = 100


@dataclass(frozen=True)
class Answer:
    """Lines, and where the next page begins (empty: it was the last)."""

    total: Spent
    currency: str
    counted_until: datetime | None
    lines: list[Line] = field(default_factory=list)
    next: str = ""


def change_prices(work: Work, actor: Actor, new: PriceList) -> tuple[PriceList, ...]:
    """Put a list in force; all there are then.

    Raises:
        InvalidInput: another currency than what stays in force before it.
    """
    known = prices.all_lists(work.tx)
    lists = cost.with_list(known, new)
    if lists != known:
        prices.replace_all(work.tx, lists)
        before, after = ([each.model_dump(mode="json") for each in some] for some in (known, lists))
        note(work, actor, Deed("prices.change", "prices", before=before, after=after))
    return lists


class Books:
    """The price lists, and sums by them, within one transaction."""

    def __init__(self, work: Work) -> None:
        self._work, self.lists = work, prices.all_lists(work.tx)

    @property
    def currency(self) -> str:
        """Of every sum; empty where there are no prices."""
        return self.lists[-1].currency if self.lists else ""

    def days(self, first: date, last: date) -> Days:
        """The days, with the price lists' edges."""
        return Days(first, last, tuple(each.first_day for each in self.lists))

    def spent(self, used: Used) -> Spent:
        """Amounts and cost of a sum."""
        return Spent(amounts=self.amounts(used), cost=cost.money(self.exact(used)) if self.lists else "")

    def exact(self, used: Used) -> Fraction:
        """The cost before it is rounded."""
        return cost.cost(used, self.lists)

    def amounts(self, used: Used) -> dict[str, str]:
        """By resource, in units."""
        sums = summed(used)
        return {name: cost.quantity(name, sums[name]) for name in cost.in_order(sums) if name in sums}

    def answer(self, question: Question) -> Answer:
        """The answer to `question`: the total of all, and one page of lines."""
        days = self.days(question.first, question.last)
        lines, following = _LINES[question.by](self, self._work, question, days)
        total = self.spent(usage_sums.total(self._work.tx, question.scope, days))
        return Answer(total, self.currency, usage.last_read(self._work.tx), lines, following)

    def line(self, used: Used, **what: object) -> Line:
        """One line."""
        return Line.model_validate(what | self.spent(used).model_dump())


def summed(used: Used) -> dict[str, int]:
    """Metered amounts by resource, whatever price list was in force."""
    sums: dict[str, int] = {}
    for (_, resource), amount in used.items():
        sums[resource] = sums.get(resource, 0) + amount
    return sums


def _by_tenant(books: Books, work: Work, question: Question, days: Days) -> tuple[list[Line], str]:
    scope, limit = question.scope, question.limit
    found = usage_sums.named(work.tx, scope, after=question.after, limit=limit + 1)
    shown = found[:limit]
    used = usage_sums.by_tenant(work.tx, scope, days, [each.id for each in shown])
    lines = [
        books.line(
            used.get(each.id, {}), tenant=each.name, title=each.title, user=scope.user if each.id in scope.own else ""
        )
        for each in shown
        if each.id in used or not each.deleted
    ]
    return lines, shown[-1].name if len(found) > limit else ""


def _by_person(books: Books, work: Work, question: Question, days: Days) -> tuple[list[Line], str]:
    limit = question.limit
    tenant, _, user = question.after.partition("/")
    found = usage_sums.people(work.tx, question.scope, after=(tenant, user), limit=limit + 1)
    shown = found[:limit]
    used = usage_sums.by_person(work.tx, days, shown)
    known = usage_sums.with_ids(work.tx, {tenant for tenant, _ in shown})
    lines = [
        books.line(used[key], tenant=known[key[0]].name, title=known[key[0]].title, user=key[1])
        for key in shown
        if key in used
    ]
    return lines, "/".join(shown[-1]) if len(found) > limit else ""


def _by_day(books: Books, work: Work, question: Question, days: Days) -> tuple[list[Line], str]:
    used = usage_sums.by_day(work.tx, question.scope, days)
    return [books.line(used[day], day=day) for day in sorted(used)], ""


_LINES = {By.TENANT: _by_tenant, By.PERSON: _by_person, By.DAY: _by_day}
