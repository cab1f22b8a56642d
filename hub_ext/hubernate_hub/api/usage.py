"""What was used over time and its cost. Platform admins see all, tenant admins their tenants, members their own."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from hubernate_core import cost
from hubernate_core.cost import PriceList
from hubernate_core.csv_text import as_csv
from hubernate_core.errors import InvalidInput, Stale
from hubernate_core.names import TenantId
from hubernate_core.tenant import Role

from ..context import Work
from ..services import costs
from ..services.costs import Books, By, Question
from ..store import members, prices, tenants
from ..store.usage_sums import Scope
from .access import Door, Standing, standing_in
from .auth import ContextOf
from .body import reads
from .door import Entered, needs
from .paging import Cursor, Limit, decode, encode
from .sessions import Person
from .versions import IfMatch, etag, is_match

router = APIRouter(prefix="/api/v1", tags=["usage"])
_DAYS_MAX, _LINES_MAX = 400, 100_000


class Wanted:
    """Days in UTC, both inclusive: by default the last 30, today with what was counted of it."""

    def __init__(
        self,
        first: Annotated[date | None, Query(alias="from", description="first UTC day; default: 29 days ago")] = None,
        last: Annotated[date | None, Query(alias="to", description="last UTC day, inclusive; default: today")] = None,
        by: Annotated[By, Query(description="what each line is of")] = By.TENANT,
        tenant: Annotated[str, Query(max_length=30, description="only this team; empty: all you may see")] = "",
    ) -> None:
        self.first, self.last, self.by, self.tenant = first, last, by, tenant

    def question(self, work: Work, door: Door, *, after: str = "", limit: int = 100) -> Question:
        """With the days filled in, for what the person may see.

        Raises:
            InvalidInput: the days are none, or too many.  NotFound: no such team of theirs.
        """
        last = self.last or work.now.date()
        first = self.first or (last - timedelta(days=29) if last > date.min + timedelta(days=29) else date.min)
        if first > last:
            raise InvalidInput("from", f"{first} is behind 'to', {last}")
        if (last - first).days >= _DAYS_MAX:
            raise InvalidInput("from", f"at most {_DAYS_MAX} days at once")
        return Question(scope_of(work, door, self.tenant), first, last, self.by, after, limit)


class UsageReport(BaseModel):
    """What was used from the first to the last UTC day. Lines are rounded each by itself, the total once."""

    model_config = ConfigDict(frozen=True)
    first: date
    last: date
    by: By
    counted_until: datetime | None = Field(description="when use was counted last; null: never yet")
    currency: str = Field(description="of every cost; empty: there are no prices")
    units: dict[str, str] = Field(description="by resource: what its amounts are")
    total: costs.Spent
    items: list[costs.Line]
    next: str | None = None


class Prices(BaseModel):
    """Every price list, by its first day. The version is the answer's ETag too."""

    items: list[PriceList]
    version: str


@router.get("/usage", openapi_extra=needs(Standing.MEMBER))
async def usage_report(
    context: ContextOf, door: Entered, wanted: Annotated[Wanted, Depends()], limit: Limit = 100, cursor: Cursor = ""
) -> UsageReport:
    """What was used over time and what it costs: platform admins all, team admins their teams, members their own."""

    def use(work: Work) -> UsageReport:
        question = wanted.question(work, door, after=decode(cursor), limit=limit)
        found = Books(work).answer(question)
        named = cost.in_order(found.total.amounts)
        return UsageReport(
            first=question.first,
            last=question.last,
            by=question.by,
            counted_until=found.counted_until,
            currency=found.currency,
            units={name: cost.unit_of(name).name for name in named},
            total=found.total,
            items=found.lines,
            next=encode(found.next) if found.next else None,
        )

    return await context.read(use)


@router.get("/usage.csv", openapi_extra=needs(Standing.MEMBER))
async def usage_csv(context: ContextOf, door: Entered, wanted: Annotated[Wanted, Depends()]) -> Response:
    """All lines of the same as CSV; no cell of it is a formula."""
    content = await context.read(_all_lines, door, wanted)
    name = {"Content-Disposition": f'attachment; filename="usage-by-{wanted.by}.csv"'}
    return Response(content, media_type="text/csv; charset=utf-8", headers=name)


@router.get("/prices", openapi_extra=needs(Standing.MEMBER))
async def list_prices(context: ContextOf, door: Entered, response: Response) -> Prices:
    """The price lists, for everybody who may be here."""
    return _shown(response, await context.store.read(prices.all_lists))


@router.put("/prices", openapi_extra=needs(Standing.PLATFORM_ADMIN, PriceList))
async def put_prices(
    context: ContextOf,
    door: Entered,
    response: Response,
    body: Annotated[PriceList, Depends(reads(PriceList))],
    if_match: IfMatch = None,
) -> Prices:
    """Put a price list in force from its first day on; without one it is in force for all time. Later lists go."""
    actor = door.actor(Standing.PLATFORM_ADMIN)

    def use(work: Work) -> tuple[PriceList, ...]:
        if not is_match(cost.version_of(prices.all_lists(work.tx)), if_match):
            raise Stale(
                "the prices were changed since you read them; nothing was changed. Read them again, then repeat your"
                " change"
            )
        return costs.change_prices(work, actor, body)

    return _shown(response, await context.write(use))


def _shown(response: Response, lists: Sequence[PriceList]) -> Prices:
    version = cost.version_of(lists)
    response.headers["ETag"] = etag(version)
    return Prices(items=list(lists), version=version)


def scope_of(work: Work, door: Door, tenant: str = "") -> Scope:
    """What of everybody's use the person may see, all of it or of one tenant.

    Raises:
        NotFound: no such tenant of theirs.
    """
    person = door.person
    if tenant:
        row = door.tenant(work, tenant)
        whole = standing_in(work, person, row.id) >= Standing.TENANT_ADMIN
        return Scope((row.id,)) if whole else Scope((), _theirs(work, person, [row.id]), person.user)
    if person.admin:
        return Scope(None)
    roles = members.roles_of(work.tx, person.hub_name, person.groups)

    def of(role: Role) -> tuple[TenantId, ...]:
        return tuple(sorted(each for each, mine in roles.items() if mine is role))

    return Scope(of(Role.ADMIN), _theirs(work, person, of(Role.MEMBER)), person.user)


def _theirs(work: Work, person: Person, some: Iterable[TenantId]) -> tuple[TenantId, ...]:
    """Those of `some` in which what is counted under the person's name is not another spelling's: another person's."""
    others = tenants.spelt_otherwise(work.tx, person.user, person.hub_name)
    return tuple(each for each in some if each not in others)


def _all_lines(work: Work, door: Door, wanted: Wanted) -> str:
    books, lines, after = Books(work), list[costs.Line](), ""
    while True:
        found = books.answer(wanted.question(work, door, after=after, limit=500))
        lines += found.lines
        after = found.next
        if not after or len(lines) >= _LINES_MAX:
            break
    named = cost.in_order(name for each in lines for name in each.amounts)
    keys = {By.TENANT: ("tenant", "title", "user"), By.PERSON: ("tenant", "title", "user"), By.DAY: ("day",)}[wanted.by]
    heading = [*keys, *(cost.unit_of(name).column for name in named), "cost", "currency"]
    rows = (
        [
            *(str(getattr(each, key)) for key in keys),
            *(each.amounts.get(name, "0") for name in named),
            each.cost,
            books.currency,
        ]
        for each in lines
    )
    return as_csv(heading, rows)
