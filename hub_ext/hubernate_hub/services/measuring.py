"""What tenants use, as gauges: of the tenants that use most, so that their number stays bounded."""

from fractions import Fraction

from hubernate_core.names import TenantId
from hubernate_core.quota import Holding, used_by
from hubernate_core.tenant import Tenant

from ..context import Work
from ..store import tenants, usage_sums, waits
from ..store.usage_sums import Scope
from . import ledger
from .costs import Books


def measure_tenants(work: Work) -> None:
    """Set the gauges anew; a tenant that is gone leaves none behind."""
    metrics, most = work.context.metrics, work.context.settings.metrics_tenants_max
    active = tenants.all_tenants(work.tx, active_only=True)
    used = {tenant: _sums(active[tenant], mine) for tenant, mine in ledger.held(work, active.values()).items()}
    metrics.tenant_used.clear()
    metrics.tenant_limit.clear()
    metrics.tenant_cost.clear()
    order = sorted(used, key=lambda each: (-used[each]["servers"], -used[each].get("memory", 0), active[each].name))
    for tenant, spent in _cost_this_month(work, order[:most]).items():
        metrics.tenant_cost.labels(active[tenant].name, spent[1]).set(float(spent[0]))
    for tenant in order[:most]:
        name = active[tenant].name
        for resource, amount in used[tenant].items():
            metrics.tenant_used.labels(name, resource).set(amount)
        for resource, limit in active[tenant].quota.limits.items():
            metrics.tenant_limit.labels(name, resource).set(limit)


def measure_queue(work: Work) -> None:
    """Set the gauge of the queue anew: the tenants where most wait."""
    metrics, most = work.context.metrics, work.context.settings.metrics_tenants_max
    lengths = waits.counts(work.tx)
    known = tenants.with_ids(work.tx, lengths)
    metrics.queue.clear()
    for tenant in sorted(lengths, key=lambda each: (-lengths[each], known[each].name))[:most]:
        metrics.queue.labels(known[tenant].name).set(lengths[tenant])


def _cost_this_month(work: Work, some: list[TenantId]) -> dict[TenantId, tuple[Fraction, str]]:
    """Cost and currency; nothing where there are no prices. A gauge is a float; the books are exact."""
    books, today = Books(work), work.now.date()
    if not books.lists:
        return {}
    used = usage_sums.by_tenant(work.tx, Scope(None), books.days(today.replace(day=1), today), some)
    return {tenant: (books.exact(used.get(tenant, {})), books.currency) for tenant in some}


def _sums(tenant: Tenant, held: list[Holding]) -> dict[str, int]:
    """What is used of each resource that is limited or used."""
    names = {*tenant.quota.limits, *(resource for each in held for resource in each.amounts)}
    return {name: sum(share.amount for share in used_by(held, name)) for name in sorted(names)}
