"""Who uses how much of a tenant."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from hubernate_core import refusal
from hubernate_core.quota import Holding
from hubernate_core.tenant import Tenant


class PersonUse(BaseModel):
    """What one person holds of a tenant."""

    user: str
    amounts: dict[str, int] = Field(description="by resource, in its unit: thousandths of a core, bytes, or pieces")
    shown: dict[str, str] = Field(description="the same for people; with the person's own limit where there is one")


def by_person(tenant: Tenant, held: Sequence[Holding]) -> list[PersonUse]:
    """Everyone who holds something, those who run most first."""
    sums: dict[str, dict[str, int]] = {}
    for each in held:
        mine = sums.setdefault(each.user, {})
        for resource, amount in each.amounts.items():
            mine[resource] = mine.get(resource, 0) + amount
    order = sorted(sums, key=lambda user: (-sums[user].get("servers", 0), -sums[user].get("memory", 0), user))
    return [PersonUse(user=user, amounts=sums[user], shown=_shown(tenant, sums[user])) for user in order]


def _shown(tenant: Tenant, amounts: dict[str, int]) -> dict[str, str]:
    limits = tenant.quota.per_user.limits
    return {
        name: refusal.show_amount(name, amount)
        + (f" of {refusal.show_amount(name, limits[name])}" if name in limits else "")
        for name, amount in amounts.items()
    }
