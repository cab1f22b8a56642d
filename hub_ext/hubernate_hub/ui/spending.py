"""What was used over the last days and what it cost, as charts and words."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from fractions import Fraction

from hubernate_core import cost
from hubernate_core.names import TenantId

from ..context import Work
from ..services.costs import Books, summed
from ..store import usage_sums
from ..store.usage_sums import Scope, Used
from .charts import Chart, Series, chart, short


class Span(IntEnum):
    """How many days the charts go back."""

    WEEK = 7
    MONTH = 30
    QUARTER = 90


@dataclass(frozen=True)
class Spending:
    """The charts of `scope`. `prices`: what one unit costs now."""

    days: int
    first: date
    last: date
    charts: list[Chart]
    prices: list[tuple[str, str]]
    currency: str
    scope: str = ""
    spans: tuple[int, ...] = tuple(int(each) for each in Span)


@dataclass(frozen=True)
class Share:
    """One person's part of a team's use."""

    cost: str
    core_hours: str


def title_of(resource: str) -> str:
    """What a resource is counted in, as a heading; a device keeps its name as it is."""
    name = cost.unit_of(resource).name
    return name if "/" in resource else name[0].upper() + name[1:]


class Lately:
    """The last `days` days of the present transaction, today among them."""

    def __init__(self, work: Work, days: Span) -> None:
        self._work, self._length = work, int(days)
        self.last = work.now.date()
        self.first = self.last - timedelta(days=self._length - 1)
        self.books = Books(work)
        self._days = self.books.days(self.first, self.last)

    def spending(self, scope: Scope, team: str = "") -> Spending:
        """The charts of what `scope` used: its cost first, then every resource of which there was any."""
        by_day = usage_sums.by_day(self._work.tx, scope, self._days)
        sums = {day: summed(used) for day, used in by_day.items()}
        used = {name for each in sums.values() for name in each}
        series = [_resource(name, sums) for name in cost.in_order(used) if name in used]
        if self.books.lists:
            costs = {day: self.books.exact(each) for day, each in by_day.items()}
            series.insert(0, Series("cost", "Cost", costs, self.books.currency))
        charts = [chart(each, self.first, self.last, self.last) for each in series]
        return Spending(self._length, self.first, self.last, charts, self._prices(), self.books.currency, team)

    def cost_of(self, scope: Scope, tenants: list[TenantId]) -> dict[TenantId, str]:
        """The cost of each of `tenants`; empty where there are no prices."""
        if not self.books.lists:
            return {}
        used = usage_sums.by_tenant(self._work.tx, scope, self._days, tenants)
        return {tenant: self.money(used.get(tenant, {})) for tenant in tenants}

    def shares(self, tenant: TenantId, users: list[str]) -> dict[str, Share]:
        """What each of `users` used of a tenant; nobody who used nothing."""
        found = usage_sums.of_people(self._work.tx, tenant, self._days, users)
        return {user: self._share(used) for user, used in found.items()}

    def _share(self, used: Used) -> Share:
        cores = Fraction(summed(used).get("cpu", 0), cost.unit_of("cpu").size)
        return Share(self.money(used), short(cores))

    def money(self, used: Used) -> str:
        """The cost of a sum, with its currency."""
        return f"{cost.money(self.books.exact(used))} {self.books.currency}" if self.books.lists else ""

    def _prices(self) -> list[tuple[str, str]]:
        now = [each for each in self.books.lists if each.first_day <= self.last]
        prices = now[-1].prices if now else {}
        return [(cost.unit_of(name).name, str(prices[name])) for name in cost.in_order(prices) if name in prices]


def _resource(name: str, sums: dict[date, dict[str, int]]) -> Series:
    unit = cost.unit_of(name)
    values = {day: Fraction(each[name], unit.size) for day, each in sums.items() if name in each}
    return Series(unit.column.replace("/", "-").replace(".", "-"), title_of(name), values)
